//! The crate's integration tests, one binary.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]
#![allow(clippy::print_stderr, reason = "tests say what they could not check")]

mod artifacts;
mod collect;
mod compressed_archive;
mod content;
mod crash;
mod export;
mod faults;
mod fixture;
mod formats;
mod layout_put;
mod names;
mod snapshot;
mod snapshot_diff;
mod snapshot_overlay;
mod snapshot_shelf;
mod snapshot_unpack;
mod walk;
