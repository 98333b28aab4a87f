//! The project's own chores, run as `cargo xtask COMMAND`.
//!
//! Kept to two small crates, so that the first run after a clone takes seconds.

mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  tidy    check the project's own rules: crate edges, file sizes, names, licences …
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, String> {
    match arguments {
        ["tidy"] => tidy::run(&repository()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [other, ..] => Err(format!("unknown command `{other}`\n\n{USAGE}")),
    }
}

/// The repository's root: the folder above this crate.
fn repository() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask
        .parent()
        .expect("because xtask lies in the repository")
        .to_path_buf()
}
