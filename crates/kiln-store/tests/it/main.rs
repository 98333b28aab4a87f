//! The crate's integration tests, one binary.

mod snapshot;
mod snapshot_diff;
mod snapshot_overlay;
mod snapshot_shelf;
mod snapshot_unpack;
mod walk;
