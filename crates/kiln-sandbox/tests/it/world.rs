//! A root file system to run in.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kiln_sandbox::{
    Exit, Overlay, Root, SpawnError, Spec, Stdio, Stream, Upper, set_init_program, spawn,
};

/// A root file system of a test's own, and the changes on top of it.
pub(crate) struct World {
    pub(crate) root: PathBuf,
}

/// What a process wrote and how it ended.
pub(crate) struct Done {
    pub(crate) output: String,
    pub(crate) exit: Exit,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl World {
    /// Nothing if this machine cannot run the test, which is then said where CI looks for it.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let why = match busybox() {
            None => "there is no static busybox on this machine",
            Some(_) if !rustix::process::geteuid().is_root() => {
                "it needs root: a process with threads cannot enter a user namespace"
            }
            Some(busybox) => {
                set_init_program(env!("CARGO_BIN_EXE_kiln-sandbox-init").into());
                return Some(Self::make(&busybox));
            }
        };
        not_checked(test, why);
        None
    }

    fn make(busybox: &Path) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        let world = Self { root };
        for directory in ["lower/bin", "lower/etc", "lower/tmp", "upper", "work"] {
            fs::create_dir_all(world.root.join(directory)).unwrap();
        }
        fs::copy(busybox, world.root.join("lower/bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "echo", "id", "ls", "sleep", "stat", "true", "false", "touch", "mount",
            "hostname", "ip", "kill", "grep", "wc", "test", "mknod", "unshare", "ps", "pwd",
            "chroot",
        ] {
            std::os::unix::fs::symlink("busybox", world.root.join("lower/bin").join(applet))
                .unwrap();
        }
        world
    }

    pub(crate) fn lower(&self) -> PathBuf {
        self.root.join("lower")
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.root.join("upper")
    }

    /// A shell that runs `script` as root on an overlay.
    pub(crate) fn shell(&self, script: &str) -> Spec {
        let upper = Upper {
            upper: self.upper(),
            work: self.root.join("work"),
            volatile: false,
        };
        let overlay = Overlay {
            lowers: vec![self.lower()],
            upper: Some(upper),
        };
        let mut spec = Spec::new(Root::Overlay(overlay), ["/bin/sh", "-c", script]);
        spec.env = vec![("PATH".into(), "/bin".into())];
        spec
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Runs a process to its end; standard output and standard error together.
pub(crate) fn run(spec: &Spec) -> Result<Done, SpawnError> {
    let (mut output, input) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdin: Stream::Null,
        stdout: Stream::Fd(input.try_clone().unwrap().into()),
        stderr: Stream::Fd(input.into()),
    };
    let mut process = spawn(spec, stdio)?;
    let mut bytes = vec![];
    output.read_to_end(&mut bytes).unwrap();
    let exit = process.wait().unwrap();
    Ok(Done {
        output: String::from_utf8_lossy(&bytes).into_owned(),
        exit,
    })
}

fn busybox() -> Option<PathBuf> {
    let candidates = ["/bin/busybox", "/usr/bin/busybox"];
    candidates.iter().map(PathBuf::from).find(|path| {
        let bytes = fs::read(path).unwrap_or_default();
        bytes.starts_with(b"\x7fELF")
            && !bytes.windows(8).take(4096).any(|part| part == b"ld-linux")
    })
}

/// Says that a test was not made, to whoever reads the output and to CI.
pub(crate) fn not_checked(test: &str, why: &str) {
    println!("not checked: {test}: {why}");
    if let Some(file) = std::env::var_os("KILN_NOT_CHECKED")
        && let Ok(mut file) = fs::File::options().append(true).create(true).open(file)
    {
        let _ = writeln!(file, "{test}: {why}");
    }
}
