//! Durable state in sqlite: runs, events, checkpoints, plugins.
