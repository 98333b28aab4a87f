//! Runs the conformance test against any registry. Also as `cargo xtask conformance URL`.
//!
//! ```text
//! conformance URL [--login NAME:PASSWORD] [--authority CERTIFICATES.pem]
//! ```
//!
//! The login needs the right to push, pull and delete below `conformance/`, where everything that it
//! pushes lies.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

#[path = "../tests/it/conformance/mod.rs"]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "shared with the tests"
)]
mod conformance;

use std::path::PathBuf;
use std::process::ExitCode;

use conformance::client::Target;

fn main() -> ExitCode {
    match target(std::env::args().skip(1)) {
        Ok(target) => report(&target),
        Err(message) => {
            eprintln!("{message}");
            eprintln!("usage: conformance URL [--login NAME:PASSWORD] [--authority FILE.pem]");
            ExitCode::from(2)
        }
    }
}

fn target(mut arguments: impl Iterator<Item = String>) -> Result<Target, String> {
    let url = arguments.next().ok_or("which registry?")?;
    let (mut login, mut authority) = (None, None);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--login" => {
                let (name, password) = value.split_once(':').ok_or("--login NAME:PASSWORD")?;
                login = Some((name.to_owned(), password.to_owned()));
            }
            "--authority" => authority = Some(PathBuf::from(value)),
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Target::new(&url, login, authority.as_deref())
}

fn report(target: &Target) -> ExitCode {
    let lines = conformance::run(target);
    for line in &lines {
        println!("{line}");
    }
    let failed = lines.iter().filter(|line| line.outcome.is_err()).count();
    println!("{} checks, {failed} failed", lines.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
