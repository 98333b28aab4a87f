//! kiln: one binary for the whole life of a container image.

mod cap;
mod cli;
mod commands;
mod configuration;
mod environment;
mod registries;
mod rewriting;
mod rootless;
mod signals;
mod transfer;
mod trust;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandboxed process begins its life here, before anything else is set up.
    kiln_sandbox::init_if_requested();
    match cli::run() {
        Ok(code) => code,
        Err(report) => report.show(),
    }
}
