//! The crate's integration tests, one binary.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]
#![allow(clippy::print_stderr, reason = "tests say what they could not check")]

mod content;
mod database;
