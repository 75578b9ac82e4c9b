//! The store against everything that a disk, a system and a user can do to it. RELIABILITY.md says what is
//! tested with which figures; `MOBULA_CRASH_SEED` repeats a run.

mod check;
mod crowd;
mod dice;
mod disk;
mod faults;
mod image;
mod images;
mod kills;
mod layer;
mod rot;
mod v1;
mod vfs;
mod world;
