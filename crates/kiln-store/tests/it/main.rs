//! The crate's integration tests, one binary.

mod collect;
mod content;
mod crash;
mod faults;
mod fixture;
mod names;
mod snapshot;
mod snapshot_diff;
mod snapshot_overlay;
mod snapshot_shelf;
mod snapshot_unpack;
mod walk;
