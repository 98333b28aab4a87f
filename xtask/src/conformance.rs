//! `cargo xtask conformance URL`: the registry's conformance test against any registry.

use std::path::Path;
use std::process::{Command, ExitCode};

/// Builds and runs the example that holds the test. `arguments` go to it.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode, String> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "kiln-registry"])
        .args(["--example", "conformance", "--"])
        .args(arguments)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
