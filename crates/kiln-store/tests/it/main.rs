//! The crate's integration tests, one binary.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(clippy::print_stderr, reason = "tests say what they could not check")]

mod snapshot;
mod snapshot_diff;
mod snapshot_overlay;
mod snapshot_shelf;
mod snapshot_unpack;
mod walk;
