//! `cargo xtask filesystems`: the tests of the store and of the command line on each file system that a
//! store may lie on.
//!
//! Each one is made in a sparse file and mounted in a mount namespace of its own, so that it is gone with the
//! tests, however they end. Loop devices and the programs that make file systems may be missing; then that
//! is said, and listed in the file that `KILN_NOT_CHECKED` names.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// A file system, the program that makes it, and where that comes from.
struct Kind {
    name: &'static str,
    make: Option<(&'static str, &'static [&'static str], &'static str)>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "ext4",
        make: Some(("mkfs.ext4", &["-q", "-F"], "e2fsprogs")),
    },
    Kind {
        name: "tmpfs",
        make: None,
    },
    Kind {
        name: "xfs",
        make: Some(("mkfs.xfs", &["-q", "-f"], "xfsprogs")),
    },
    Kind {
        name: "btrfs",
        make: Some(("mkfs.btrfs", &["-q", "-f"], "btrfs-progs")),
    },
];

/// Bytes of each file system; the file that holds it is sparse.
const SIZE: u64 = 4 << 30;

/// What the shell below says when it could not mount.
const NOT_MOUNTED: i32 = 90;

/// Mounts `$1` (a file, or `tmpfs`) at `$2` and executes the rest.
const MOUNT: &str = r#"
if [ "$1" = tmpfs ]; then
    mount -t tmpfs -o size=4g tmpfs "$2" || exit 90
else
    mount -o loop "$1" "$2" || exit 90
fi
shift 2
exec "$@"
"#;

/// What is tested: a package and one of its test binaries.
const TESTS: &[(&str, &str)] = &[("kiln-store", "it"), ("kiln", "it")];

/// How it went on one file system.
enum Verdict {
    Passed,
    Failed,
    NotChecked(String),
}

/// Runs all tests on all file systems, or on those that `wanted` names.
pub(crate) fn run(root: &Path, wanted: &[&str]) -> Result<ExitCode, String> {
    for name in wanted {
        if !KINDS.iter().any(|kind| kind.name == *name) {
            return Err(format!("unknown file system `{name}`"));
        }
    }
    let is_wanted = |kind: &&Kind| wanted.is_empty() || wanted.contains(&kind.name);
    // What does not compile is no fault of a file system.
    compile(root)?;
    let scratch = root.join("target").join("filesystems");
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let mut lines = vec![];
    let mut is_good = true;
    for kind in KINDS.iter().filter(is_wanted) {
        println!("\n=== {}", kind.name);
        let begin = Instant::now();
        let verdict = one(root, &scratch, kind)?;
        let seconds = begin.elapsed().as_secs();
        lines.push(match verdict {
            Verdict::Passed => format!("{}: passed, {seconds} s", kind.name),
            Verdict::Failed => {
                is_good = false;
                format!("{}: FAILED, {seconds} s", kind.name)
            }
            Verdict::NotChecked(why) => {
                not_checked(kind.name, &why);
                format!("{}: NOT CHECKED: {why}", kind.name)
            }
        });
    }
    println!("\n{}", lines.join("\n"));
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn one(root: &Path, scratch: &Path, kind: &Kind) -> Result<Verdict, String> {
    let mount_point = scratch.join(kind.name);
    let failed = |error| format!("{}: {error}", mount_point.display());
    fs::create_dir_all(&mount_point).map_err(failed)?;
    let image = scratch.join(format!("{}.img", kind.name));
    let source = match &kind.make {
        None => PathBuf::from("tmpfs"),
        Some((program, arguments, package)) => {
            let file = File::create(&image).and_then(|file| file.set_len(SIZE));
            file.map_err(failed)?;
            match Command::new(program).args(*arguments).arg(&image).status() {
                Err(error) => {
                    let why = format!("{program}: {error} (Debian: {package})");
                    return Ok(Verdict::NotChecked(why));
                }
                Ok(status) if !status.success() => {
                    return Ok(Verdict::NotChecked(format!("{program} failed")));
                }
                Ok(_) => image.clone(),
            }
        }
    };
    let verdict = tests(root, &source, &mount_point);
    let _ = fs::remove_file(&image);
    verdict
}

/// Runs the tests with `source` mounted at `mount_point`.
fn tests(root: &Path, source: &Path, mount_point: &Path) -> Result<Verdict, String> {
    let inside = |program: &str| {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                MOUNT,
                "sh",
            ])
            .arg(source)
            .arg(mount_point)
            .arg(program);
        command
    };
    let probe = inside("true").stdin(Stdio::null()).output();
    let probe = probe.map_err(|error| format!("unshare: {error}"))?;
    if !probe.status.success() {
        let text = String::from_utf8_lossy(&probe.stderr);
        let what = match probe.status.code() {
            Some(NOT_MOUNTED) => "it cannot be mounted here",
            _ => "there is no mount namespace for it",
        };
        return Ok(Verdict::NotChecked(format!("{what}: {}", text.trim())));
    }
    for (package, test) in TESTS {
        let status = inside("cargo")
            .args(["test", "--quiet", "--package", package, "--test", test])
            .env("TMPDIR", mount_point)
            .env("KILN_TEST_DIR", mount_point)
            .env_remove("KILN_PEERS")
            .current_dir(root)
            .status();
        if !status
            .map_err(|error| format!("unshare: {error}"))?
            .success()
        {
            return Ok(Verdict::Failed);
        }
    }
    Ok(Verdict::Passed)
}

fn compile(root: &Path) -> Result<(), String> {
    for (package, test) in TESTS {
        let status = Command::new("cargo")
            .args([
                "test",
                "--quiet",
                "--no-run",
                "--package",
                package,
                "--test",
                test,
            ])
            .current_dir(root)
            .status()
            .map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("the tests of {package} do not compile"));
        }
    }
    Ok(())
}

/// Tells CI what was not done.
fn not_checked(name: &str, why: &str) {
    if let Some(list) = std::env::var_os("KILN_NOT_CHECKED")
        && let Ok(mut file) = File::options().append(true).create(true).open(list)
    {
        let _ = writeln!(file, "the store on {name}: {why}");
    }
}
