//! The crate's integration tests, one binary.

#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]
#![allow(clippy::print_stderr, reason = "tests say what they could not check")]

mod api;
mod backing;
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "shared with an example that uses all of it"
)]
mod conformance;
mod conforming;
mod content;
mod crash;
mod crowd;
mod database;
mod faults;
mod monitoring;
mod running;
mod serving;
mod serving_tls;
mod shared;
mod slow_clients;

/// Says that a test was not made, to whoever reads the output and to CI.
#[expect(clippy::disallowed_methods, reason = "CI names the file so")]
fn not_checked(test: &str, why: &str) {
    use std::io::Write as _;
    eprintln!("not checked: {test}: {why}");
    if let Some(file) = std::env::var_os("KILN_NOT_CHECKED")
        && let Ok(mut file) = std::fs::File::options()
            .append(true)
            .create(true)
            .open(file)
    {
        let _ = writeln!(file, "{test}: {why}");
    }
}
