//! `cargo xtask interop`: the tests that hold kiln against other tools.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::peers;

/// Makes the peers ready in `dir` and runs the interop tests with `KILN_PEERS` set to it.
/// `arguments` go to the tests.
pub(crate) fn run(root: &Path, dir: &Path, arguments: &[&str]) -> Result<ExitCode, String> {
    peers::prepare(dir)?;
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--package", "kiln", "--test", "interop", "--"])
        .args(arguments)
        .env("KILN_PEERS", dir)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
