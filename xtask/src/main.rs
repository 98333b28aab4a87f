//! The project's own chores, run as `cargo xtask COMMAND`.
//!
//! Kept to two small crates, so that the first run after a clone takes seconds.

mod bench;
mod conformance;
mod filesystems;
mod interop;
mod lint;
mod peers;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  tidy                      check the project's own rules: crate edges, sizes, names, licences …
  peers [DIR]               bring the real tools to compare with: buildah, podman, BuildKit …
  interop [DIR] [-- ARGS]   run the interop tests against them; ARGS go to the tests
  lint-docs                 write the pages of the linter's rules
  lint-agreement [DIR]      ask hadolint anew what kiln lint is compared with
  filesystems [NAME]...     run the tests of the store on ext4, tmpfs, xfs and btrfs (as root)
  conformance URL [--login NAME:PASSWORD] [--authority FILE.pem]
                            check a registry against the distribution specification; pushes below
                            `conformance/`
  bench NAME [--rounds N] [--scale F] [--kiln FILE]
                            run kiln and its peers in turn and compare; `build` stands for all
                            that begin with it
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
        ["peers"] => peers::prepare(&peers::folder(None)?).map(|()| ExitCode::SUCCESS),
        ["peers", dir] => peers::prepare(&peers::folder(Some(dir))?).map(|()| ExitCode::SUCCESS),
        ["interop", rest @ ..] => {
            let (dir, arguments) = match rest {
                [] => (None, &[][..]),
                ["--", arguments @ ..] => (None, arguments),
                [dir] => (Some(*dir), &[][..]),
                [dir, "--", arguments @ ..] => (Some(*dir), arguments),
                _ => return Err("interop [DIR] [-- ARGS]".to_owned()),
            };
            interop::run(&repository(), &peers::folder(dir)?, arguments)
        }
        ["lint-docs"] => lint::docs(&repository()),
        ["lint-agreement"] => lint::agreement(&repository(), &peers::folder(None)?),
        ["lint-agreement", dir] => lint::agreement(&repository(), &peers::folder(Some(dir))?),
        ["filesystems", wanted @ ..] => filesystems::run(&repository(), wanted),
        ["conformance", rest @ ..] => conformance::run(&repository(), rest),
        ["bench", rest @ ..] => bench::run(&repository(), rest),
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
