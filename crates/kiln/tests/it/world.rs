//! A store and a working directory of one test's own, and the binary to use them with.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a run of the binary did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Exit code; 128 and the number for a signal is not translated: a killed kiln has none.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Standard output of a run that must have gone well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// Standard error of a run that must have failed with `code`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self.stderr
    }
}

/// Everything that one test has. Gone when dropped.
pub(crate) struct World {
    root: PathBuf,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl World {
    /// An empty store and an empty working directory.
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // `cargo xtask filesystems` says where.
        let parent = std::env::var_os("KILN_TEST_DIR").map(PathBuf::from);
        let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let root = parent.join(format!("{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("dir")).unwrap();
        Self { root }
    }

    /// The same with an image `base` that has a shell; nothing if this machine cannot run it, which is said
    /// where CI looks for it.
    pub(crate) fn with_base(test: &str) -> Option<Self> {
        let why = match (busybox(), can_run()) {
            (None, _) => "there is no static busybox on this machine",
            (_, false) => "this user may not make user namespaces",
            (Some(busybox), true) => {
                let world = Self::new();
                world.make_base(&busybox);
                return Some(world);
            }
        };
        not_checked(test, why);
        None
    }

    fn make_base(&self, busybox: &Path) {
        let rootfs = self.root.join("rootfs");
        for directory in ["bin", "etc", "tmp", "root"] {
            fs::create_dir_all(rootfs.join(directory)).unwrap();
        }
        fs::copy(busybox, rootfs.join("bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "chmod", "chown", "cp", "echo", "env", "false", "id", "ip", "kill", "ln",
            "ls", "mkdir", "mkfifo", "mknod", "mv", "nproc", "ps", "pwd", "rm", "rmdir", "sleep",
            "stat", "test", "touch", "true", "wc", "dd", "grep", "head", "sync", "mount", "tr",
            "tail",
        ] {
            std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        fs::write(
            rootfs.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n",
        )
        .unwrap();
        fs::write(
            rootfs.join("etc/group"),
            "root:x:0:\nweb:x:44:\nextra:x:50:web\n",
        )
        .unwrap();
        let tar = self.root.join("rootfs.tar");
        let status = Command::new("tar")
            .args([
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mtime=@1000000000",
                "--sort=name",
                "-C",
            ])
            .arg(&rootfs)
            .args(["-cf"])
            .arg(&tar)
            .arg(".")
            .status();
        assert!(status.unwrap().success());
        self.kiln(["import", tar.to_str().unwrap(), "-t", "base"])
            .ok();
    }

    /// The working directory, which is the build context of most tests.
    pub(crate) fn dir(&self) -> PathBuf {
        self.root.join("dir")
    }

    /// The store's directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Writes a file of the working directory, with the directories above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The binary, ready to be run in the working directory, with nothing of the environment but what tests
    /// need.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command
            .args(args)
            .current_dir(self.dir())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.root)
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("KILN_HOME", self.home())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn kiln<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        finish(&mut self.command(args))
    }

    /// Runs the binary with `input` on standard input.
    pub(crate) fn kiln_with_input<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &[u8],
    ) -> Outcome {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The binary may end before it has read all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
        outcome(child.wait_with_output().unwrap())
    }

    /// Builds the working directory with this Dockerfile and more arguments.
    pub(crate) fn build(&self, dockerfile: &str, args: &[&str]) -> Outcome {
        self.write("Dockerfile", dockerfile);
        let all = ["build", "--progress=plain", "."]
            .into_iter()
            .chain(args.iter().copied());
        self.kiln(all)
    }

    /// The files of an image: one line each, `type mode uid:gid size path [-> target]`, sorted by path.
    pub(crate) fn files(&self, image: &str) -> Vec<String> {
        let tar = self.root.join("flat.tar");
        let dockerfile = format!("FROM {image}\n");
        let output = format!("type=tar,dest={}", tar.display());
        self.write("flat.Dockerfile", dockerfile);
        self.kiln(["build", "-q", "-f", "flat.Dockerfile", "-o", &output, "."])
            .ok();
        list(&tar)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Snapshots of an ordinary user hold files of subordinate ids.
        let _ = self.kiln(["prune"]);
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn finish(command: &mut Command) -> Outcome {
    outcome(command.output().unwrap())
}

fn outcome(output: std::process::Output) -> Outcome {
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The entries of a tar archive.
pub(crate) fn list(tar: &Path) -> Vec<String> {
    use kiln_layer::{Dialect, Kind, TarReader};
    let mut reader = TarReader::new(fs::File::open(tar).unwrap(), Dialect::Archive);
    let mut lines = vec![];
    while let Some(entry) = reader.next_entry().unwrap() {
        let (kind, size, target) = match &entry.kind {
            Kind::File { size } => ('-', *size, String::new()),
            Kind::Directory => ('d', 0, String::new()),
            Kind::Symlink { target } => {
                ('l', 0, format!(" -> {}", String::from_utf8_lossy(target)))
            }
            Kind::Hardlink { target } => {
                ('h', 0, format!(" => {}", String::from_utf8_lossy(target)))
            }
            Kind::Char { .. } => ('c', 0, String::new()),
            Kind::Block { .. } => ('b', 0, String::new()),
            _ => ('p', 0, String::new()),
        };
        let path = entry.display_path().into_owned();
        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
        lines.push((
            path.clone(),
            format!("{kind} {mode:04o} {uid}:{gid} {size} {path}{target}"),
        ));
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// A busybox that needs no libraries.
pub(crate) fn busybox() -> Option<PathBuf> {
    let candidates = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox-static"];
    candidates.iter().map(PathBuf::from).find(|path| {
        let header = fs::read(path).unwrap_or_default();
        // A dynamic program names its loader.
        header.starts_with(b"\x7fELF")
            && !header.windows(8).take(4096).any(|part| part == b"ld-linux")
    })
}

/// Whether RUN can work at all.
pub(crate) fn can_run() -> bool {
    let world = World::new();
    let outcome = world.kiln(["doctor", "--json"]);
    !outcome.stdout.contains("\"bad\"")
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
