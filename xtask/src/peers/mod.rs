//! `cargo xtask peers`: the real tools that the interop tests and benchmarks compare with.
//!
//! They live in a Debian root of their own, because only there are they all recent, and because
//! nothing should be installed on the developer's machine. The layout of the folder:
//!
//! ```text
//! DIR/sid      the Debian root
//! DIR/enter    a script: runs a command in it
//! DIR/sid/foreign/ARCHITECTURE/busybox   a program for another processor
//! DIR/*.log    what debootstrap and apt-get said last
//! ```

mod foreign;
pub(crate) mod hadolint;
mod status;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use status::{Status, status};

const PACKAGES: &[&str] = &[
    "buildah",
    "containerd",
    "cosign",
    "crane",
    "crun",
    // with mmdebstrap: Debian systems to compare assembled ones with
    "debootstrap",
    "docker-buildx",
    "docker-cli",
    // the registry to compare with
    "docker-registry",
    "docker.io",
    // BuildKit fetches repositories with it
    "git",
    "mmdebstrap",
    "oras",
    "podman",
    // promtool, for the registry's alert rules
    "prometheus",
    // emulators for other processors, statically linked
    "qemu-user",
    "skopeo",
    "umoci",
    // BuildKit decompresses xz with it
    "xz-utils",
];

const ENTER: &str = include_str!("enter.sh");

/// The folder to use: the argument, `KILN_PEERS`, or a folder in the user's cache.
pub(crate) fn folder(argument: Option<&str>) -> Result<PathBuf, String> {
    let from_environment = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = argument
        .map(PathBuf::from)
        .or_else(|| from_environment("KILN_PEERS"))
        .or_else(|| Some(from_environment("XDG_CACHE_HOME")?.join("kiln-peers")))
        .or_else(|| Some(from_environment("HOME")?.join(".cache/kiln-peers")))
        .ok_or("name a folder for the peers: neither KILN_PEERS nor HOME is set")?;
    std::path::absolute(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Makes the peers ready in `dir`; does nothing if they are.
pub(crate) fn prepare(dir: &Path) -> Result<(), String> {
    let sid = dir.join("sid");
    let before = status(&sid, PACKAGES);
    if before != Status::Complete {
        require_root()?;
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    write_enter(dir)?;
    if before == Status::Missing {
        make_base(dir, &sid)?;
    }
    if let Status::Lacks(missing) = status(&sid, PACKAGES) {
        println!("peers: installing {}", missing.join(", "));
        install(dir, &sid)?;
    }
    match status(&sid, PACKAGES) {
        Status::Complete => {
            if require_root().is_ok() {
                foreign::prepare(dir, &sid);
            }
            println!(
                "peers: ready in {}; run them with {}/enter",
                dir.display(),
                dir.display()
            );
            Ok(())
        }
        Status::Missing => Err(format!("{} is no finished Debian root", sid.display())),
        Status::Lacks(missing) => Err(format!("apt did not install {}", missing.join(", "))),
    }
}

/// The mirror that the root of `dir` was made from.
pub(crate) fn mirror(dir: &Path) -> Result<String, String> {
    let path = dir.join("sid/etc/apt/sources.list");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut words = text.split_whitespace();
    let url = words.find(|word| word.starts_with("http"));
    url.map(str::to_owned)
        .ok_or_else(|| format!("{} names no mirror", path.display()))
}

/// A command in the root of `dir`.
pub(crate) fn enter(dir: &Path) -> Command {
    Command::new(dir.join("enter"))
}

fn write_enter(dir: &Path) -> Result<(), String> {
    let path = dir.join("enter");
    if fs::read_to_string(&path).is_ok_and(|text| text == ENTER) {
        return Ok(());
    }
    // Renamed into place, so that a run beside this one never sees half a script.
    let new = dir.join(format!("enter.{}", std::process::id()));
    fs::write(&new, ENTER)
        .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Debian's base system, made aside and renamed when it is whole.
fn make_base(dir: &Path, sid: &Path) -> Result<(), String> {
    println!("peers: making a Debian root in {}", sid.display());
    let aside = dir.join("sid.partial");
    remove_root(sid)?;
    remove_root(&aside)?;
    // In a mount namespace of its own: what debootstrap mounts and forgets goes with it.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command
        .args(["debootstrap", "--variant=minbase", "sid"])
        .arg(&aside);
    run_logged(&mut command, &dir.join("debootstrap.log"), "debootstrap")?;
    fs::rename(&aside, sid).map_err(|error| format!("{}: {error}", sid.display()))
}

fn install(dir: &Path, sid: &Path) -> Result<(), String> {
    // The machine's name servers may have changed since the root was made.
    if let Ok(servers) = fs::read("/etc/resolv.conf") {
        fs::write(sid.join("etc/resolv.conf"), servers)
            .map_err(|error| format!("{}: {error}", sid.display()))?;
    }
    let script = "dpkg --configure -a \
        && apt-get -q -o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 update \
        && apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends \"$@\"";
    let mut command = enter(dir);
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["sh", "-c", script, "sh"]);
    run_logged(command.args(PACKAGES), &dir.join("apt-get.log"), "apt-get")
}

/// Removes a root, but never through a mount that something left in it.
fn remove_root(root: &Path) -> Result<(), String> {
    if !root.exists() {
        return Ok(());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
    let inside = |line: &&str| {
        line.split(' ')
            .nth(1)
            .is_some_and(|point| Path::new(point).starts_with(root))
    };
    if let Some(mount) = mounts.lines().find(inside) {
        return Err(format!("unmount this first, it is in the way: {mount}"));
    }
    fs::remove_dir_all(root).map_err(|error| format!("{}: {error}", root.display()))
}

/// Runs a command with its output in a log, and shows the log's end when it fails.
fn run_logged(command: &mut Command, log: &Path, name: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{name}: {error}");
    let file = File::create(log).map_err(wrong)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(wrong)?)
        .stderr(file)
        .status()
        .map_err(wrong)?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(15)..].join("\n");
    Err(format!(
        "{name} failed ({status}); the end of {}:\n{tail}",
        log.display()
    ))
}

fn require_root() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    // Real, effective, saved and file system id.
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if effective == Some("0") {
        Ok(())
    } else {
        Err("making a Debian root needs root: it holds device nodes and many owners".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_folder_wins_and_becomes_absolute() {
        let folder = folder(Some("some/where")).expect("a folder");
        assert!(
            folder.is_absolute() && folder.ends_with("some/where"),
            "{}",
            folder.display()
        );
    }

    #[test]
    fn a_failing_command_shows_the_end_of_its_log() {
        let log = std::env::temp_dir().join(format!("xtask-log-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100; echo the reason >&2; exit 3"]);
        let error = run_logged(&mut command, &log, "sh").expect_err("it fails");
        fs::remove_file(&log).expect("the test's own file");
        assert!(
            error.contains("the reason") && error.contains("exit status: 3"),
            "{error}"
        );
        assert!(!error.contains("\n50\n"), "only the end: {error}");
    }

    #[test]
    fn a_root_with_a_mount_is_not_removed() {
        // /proc is a mount point on every machine that runs this.
        let error = remove_root(Path::new("/proc")).expect_err("mounted");
        assert!(error.contains("unmount"), "{error}");
    }
}
