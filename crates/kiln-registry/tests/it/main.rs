//! The crate's integration tests, one binary.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]
#![allow(clippy::print_stderr, reason = "tests say what they could not check")]

mod api;
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "shared with an example that uses all of it"
)]
mod conformance;
mod conforming;
mod content;
mod database;
mod running;
mod serving;
mod serving_tls;
mod slow_clients;
