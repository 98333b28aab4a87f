//! kiln against other tools: the same input built by kiln and by BuildKit gives the same image, and
//! what one tool writes the others read.
//!
//! `cargo xtask interop` brings the tools and runs this. Without `KILN_PEERS` it says so and passes.
//! It is a program of its own, not a list of `#[test]`s, because all cases share one Docker daemon,
//! which has to be stopped, and because a table at the end says more than a list of names.
//!
//! ```text
//! interop [NAME]... [--buildah] [--keep]
//! ```
//!
//! Names select cases and checks by a part of their name. `--buildah` builds each case with buildah,
//! too, and lists where it differs from BuildKit. `--keep` leaves the folder with all archives.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that reports to whoever started it, not a library"
)]

mod assembled;
mod builders;
mod case;
mod cases;
mod compare;
mod exchange;
mod flatten;
mod foreign;
mod known;
mod peers;
mod registry;
mod repositories;
mod suite;
mod table;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use peers::Peers;

/// What the command line asks for.
pub(crate) struct Options {
    names: Vec<String>,
    buildah: bool,
    keep: bool,
}

impl Options {
    /// Flags of the standard test harness mean nothing here and are passed over.
    fn read() -> Self {
        let (flags, names): (Vec<String>, Vec<String>) = std::env::args()
            .skip(1)
            .partition(|word| word.starts_with('-'));
        let has = |flag: &str| flags.iter().any(|given| given == flag);
        Self {
            names,
            buildah: has("--buildah"),
            keep: has("--keep"),
        }
    }

    /// Whether this run is about `name`.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part))
    }
}

fn main() -> ExitCode {
    let options = Options::read();
    let root = match peers::find() {
        Ok(root) => root,
        Err(reason) => {
            not_checked("interop with other tools", &reason);
            return ExitCode::SUCCESS;
        }
    };
    match run(&options, &root) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything; whether all is well.
fn run(options: &Options, root: &Path) -> Result<bool, String> {
    let work = std::env::temp_dir().join(format!("kiln-interop-{}", std::process::id()));
    fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let peers = Peers::start(root.to_owned(), work, options.keep)?;
    let rootfs = base(peers.work())?;
    let built = suite::run(&peers, &rootfs, options)?;
    print!("{built}");
    let exchanged = exchange::run(&peers, &rootfs, options);
    print!("{exchanged}");
    let foreign = foreign::run(&peers, root, options);
    print!("{foreign}");
    let assembled = assembled::run(&peers, root, options);
    print!("{assembled}");
    let registry = registry::run(&peers, options);
    print!("{registry}");
    if options.keep {
        println!("kept: {}", peers.work().display());
    }
    let others = foreign.is_well() && assembled.is_well() && registry.is_well();
    Ok(built.is_well() && exchanged.is_well() && others)
}

/// The root file system that all cases start from: busybox with a few users, and the folders that
/// container runtimes mount onto and would otherwise make in every layer (one case is about that).
fn base(work: &Path) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bases/busybox.sh");
    let bytes = peers::output(Command::new("sh").arg(script))?;
    let path = work.join("base.tar");
    let folders = work.join("folders");
    let names = ["dev", "proc", "sys"];
    let written = fs::write(&path, bytes).and_then(|()| {
        names
            .iter()
            .try_for_each(|name| fs::create_dir_all(folders.join(name)))
    });
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    let mut append = Command::new("tar");
    append.args([
        "--append",
        "--owner=0",
        "--group=0",
        "--mode=755",
        "--mtime=@0",
        "--file",
    ]);
    peers::output(
        append
            .arg(&path)
            .arg("--directory")
            .arg(&folders)
            .args(names),
    )?;
    Ok(path)
}

/// Says that something was not checked, here and to whoever collects that.
pub(crate) fn not_checked(what: &str, reason: &str) {
    let line = format!("{what}: {reason}\n");
    eprint!("not checked: {line}");
    let Some(list) = std::env::var_os("KILN_NOT_CHECKED") else {
        return;
    };
    let file = fs::OpenOptions::new().create(true).append(true).open(&list);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = written {
        eprintln!("{}: {error}", Path::new(&list).display());
    }
}
