//! A root filesystem to run in, and the runner that does it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use kiln_sandbox::{Overlay, Root, Spec, Upper};
use serde_json::Value;

/// What the tests run inside.
const TOOLS: [&str; 16] = [
    "sh", "cat", "id", "ls", "mkdir", "touch", "sleep", "stat", "grep", "env", "rm", "chown",
    "mknod", "readlink", "hostname", "ps",
];

/// A directory of one test's own, with an unpacked layer, that is gone afterwards.
pub struct Place {
    pub directory: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// What came of a run.
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub report: Value,
}

impl Outcome {
    pub fn text(&self, name: &str) -> &str {
        self.report[name].as_str().unwrap_or_default()
    }
}

impl Place {
    /// A place in which everybody may read.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = Path::new("/var/tmp");
        let directory = base.join(format!("kiln-sandbox-test-{}-{number}", std::process::id()));
        for name in ["layer", "upper", "work"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        let place = Place { directory };
        place.fill();
        let runner = place.path("runner");
        copy_program(env!("CARGO_BIN_EXE_sandbox-runner").as_ref(), &runner);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Tools from the host, with the libraries that they need.
    fn fill(&self) {
        let layer = self.path("layer");
        for name in ["bin", "etc", "tmp", "proc", "dev", "sys"] {
            fs::create_dir(layer.join(name)).unwrap();
        }
        fs::set_permissions(layer.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        if let Some(busybox) = static_busybox() {
            copy_program(busybox, &layer.join("bin/busybox"));
            for tool in TOOLS {
                symlink("busybox", layer.join("bin").join(tool)).unwrap();
            }
            return;
        }
        for tool in TOOLS {
            let Some(path) = find(tool) else { continue };
            let listed = Command::new("ldd")
                .arg(&path)
                .output()
                .expect("because libc has ldd");
            copy_program(&path, &layer.join("bin").join(tool));
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            for library in listed
                .split_whitespace()
                .filter(|word| word.starts_with('/'))
            {
                let to = layer.join(library.trim_start_matches('/'));
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(library, to).unwrap();
            }
        }
    }

    /// The layer under a writable directory.
    pub fn overlay(&self) -> Root {
        let upper = Upper {
            upper: self.path("upper"),
            work: self.path("work"),
            volatile: true,
        };
        Root::Overlay(Overlay {
            lowers: vec![self.path("layer")],
            upper: Some(upper),
        })
    }

    /// A shell script in the overlay.
    pub fn script(&self, text: &str) -> Spec {
        let mut spec = Spec::new(self.overlay(), ["/bin/sh", "-c", text]);
        spec.env = vec![("PATH".into(), "/bin".into())];
        spec
    }

    /// The runner, as whoever runs the tests.
    pub fn command(&self, spec: &Spec, user: Option<(u32, u32)>) -> Command {
        let file = self.path("spec.json");
        fs::write(&file, serde_json::to_vec(spec).unwrap()).unwrap();
        let mut command = Command::new(self.path("runner"));
        command.arg(file).arg(self.path("report.json"));
        if let Some((uid, gid)) = user {
            let owned = ["", "layer", "upper", "work"].map(|name| self.path(name));
            for path in owned {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
            }
            command.uid(uid).gid(gid);
        }
        command.stdin(Stdio::null());
        command
    }

    /// What the runner said; nothing, with the reason printed, where the machine allows no sandbox.
    pub fn outcome(&self, output: &Output) -> Option<Outcome> {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = fs::read(self.path("report.json"));
        let report = report.unwrap_or_else(|_| panic!("the runner failed: {stderr}"));
        let report: Value = serde_json::from_slice(&report).unwrap();
        if let Some(why) = report["no_user_namespace"].as_str() {
            println!("skipped: no user namespaces here: {why}");
            return None;
        }
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(Outcome {
            stdout,
            stderr,
            report,
        })
    }

    pub fn run(&self, spec: &Spec) -> Option<Outcome> {
        let output = self.command(spec, None).output().unwrap();
        self.outcome(&output)
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// For tests that only root can make.
pub fn skip_unless_root() -> bool {
    if !is_root() {
        println!("skipped: needs root");
    }
    !is_root()
}

/// Copies a program in a process of its own. A file that this process has open for writing could not be
/// executed as long as a child that another test forks has a copy of the descriptor.
fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("install")
        .args(["-m", "755"])
        .arg(from)
        .arg(to)
        .status();
    assert!(copied.unwrap().success(), "{}", from.display());
}

fn find(tool: &str) -> Option<PathBuf> {
    let directories = ["/bin", "/usr/bin", "/usr/sbin", "/sbin"];
    directories
        .iter()
        .map(|directory| Path::new(directory).join(tool))
        .find(|path| path.is_file())
}

/// Debian's busybox-static, or any other that needs no loader.
fn static_busybox() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let path = find("busybox")?;
        let listed = Command::new("ldd").arg(&path).output().ok()?;
        (!listed.status.success()).then_some(path)
    });
    found.as_deref()
}

/// Compiles a static program into the layer; `false`, with the reason printed, where that fails.
pub fn compile(place: &Place, name: &str, source: &str) -> bool {
    let file = place.path("program.c");
    fs::write(&file, source).unwrap();
    let to = place.path("layer/bin").join(name);
    let done = Command::new("cc")
        .args(["-static", "-o"])
        .arg(to)
        .arg(file)
        .output();
    let compiled = done.as_ref().is_ok_and(|output| output.status.success());
    if !compiled {
        println!("skipped: cannot compile a static program: {done:?}");
    }
    compiled
}
