//! Scheduler, workers, actors, objects and retries: a pure core and a thin thread shell.
