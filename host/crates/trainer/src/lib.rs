//! The native CNN trainer: networks, training step, sharding, optimizer, snapshots.
