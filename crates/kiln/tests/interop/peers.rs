//! The other tools: a Debian root that `cargo xtask peers` made, a Docker daemon of our own in it
//! (for BuildKit), and a folder that is seen at the same path inside and outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::repositories::Daemon;

/// How long the daemon may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Engines raise these beyond what they are given unless told; without CAP_SYS_RESOURCE that fails.
const LIMITS: [&str; 2] = ["nofile", "nproc"];

/// The tools and the daemon. Dropping it stops the daemon and removes what it wrote,
/// unless that shall be kept.
pub(crate) struct Peers {
    root: PathBuf,
    work: PathBuf,
    daemon: Child,
    repositories: OnceLock<Result<Daemon, String>>,
    keep: bool,
}

/// Finds the peers, or says why there are none.
pub(crate) fn find() -> Result<PathBuf, String> {
    let root = std::env::var_os("KILN_PEERS").filter(|value| !value.is_empty());
    let root = PathBuf::from(root.ok_or("KILN_PEERS is not set; run `cargo xtask interop`")?);
    for needed in ["enter", "sid/usr/sbin/dockerd", "sid/usr/bin/skopeo"] {
        if !root.join(needed).exists() {
            return Err(format!("there is no {needed} in {}", root.display()));
        }
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    match uid.and_then(|ids| ids.split_whitespace().nth(1)) {
        Some("0") => Ok(root),
        _ => Err("the other tools need root".to_owned()),
    }
}

impl Peers {
    /// Starts the daemon with its data in `work`, and waits until it answers.
    pub(crate) fn start(root: PathBuf, work: PathBuf, keep: bool) -> Result<Self, String> {
        let daemon = spawn_daemon(&root, &work)?;
        let mut peers = Self {
            root,
            work,
            daemon,
            repositories: OnceLock::new(),
            keep,
        };
        let start = Instant::now();
        while !succeeds(peers.docker().arg("version")) {
            let ended = peers.daemon.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(peers.log()).unwrap_or_default();
                return Err(format!("dockerd does not answer:\n{log}"));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(peers)
    }

    /// The folder that is seen on both sides.
    pub(crate) fn work(&self) -> &Path {
        &self.work
    }

    /// A tool in the peers' root, started in the work folder.
    pub(crate) fn tool(&self, program: &str) -> Command {
        self.tool_in(&self.work, program)
    }

    /// The same, started in `folder`, which lies in the work folder.
    pub(crate) fn tool_in(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new(self.root.join("enter"));
        command.arg("--share").arg(&self.work);
        // crun refuses a hybrid of both cgroup versions; in this namespace there shall be one.
        let script = "umount /sys/fs/cgroup/unified 2> /dev/null; cd \"$0\" && exec \"$@\"";
        command.args(["sh", "-c", script]);
        command.arg(folder).arg(program).stdin(Stdio::null());
        command.env("DOCKER_HOST", format!("unix://{}", socket(&self.work)));
        command
    }

    /// `docker`, talking to our daemon.
    pub(crate) fn docker(&self) -> Command {
        self.tool("docker")
    }

    /// `buildah` or `podman` with storage of their own.
    pub(crate) fn containers(&self, folder: &Path, program: &str) -> Command {
        let mut command = self.tool_in(folder, program);
        command.arg("--root").arg(self.work.join("containers"));
        command
            .arg("--runroot")
            .arg(self.work.join("containers-run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }

    /// The address of the git repository in `path`, relative to the folder of the cases.
    pub(crate) fn repository(&self, path: &str) -> Result<String, String> {
        let daemon = self
            .repositories
            .get_or_init(|| Daemon::start(&self.work.join("cases")));
        daemon
            .as_ref()
            .map(|daemon| daemon.url(path))
            .map_err(Clone::clone)
    }

    fn log(&self) -> PathBuf {
        self.work.join("dockerd.log")
    }
}

impl Drop for Peers {
    /// Runs when a test panicked, too; when this process is killed, `setpriv` sees to the daemon.
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        succeeds(Command::new("kill").args(["-TERM", &pid]));
        let start = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                // Nothing more can be done if even this fails.
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
                break;
            }
            sleep(Duration::from_millis(20));
        }
        if !self.keep {
            // What cannot be removed is in nobody's way: the next run has a folder of its own.
            let _ = fs::remove_dir_all(&self.work);
        }
    }
}

fn socket(work: &Path) -> String {
    work.join("docker.sock").display().to_string()
}

/// The containerd image store is on: without it BuildKit cannot write OCI archives from the daemon.
fn spawn_daemon(root: &Path, work: &Path) -> Result<Child, String> {
    let log = fs::File::create(work.join("dockerd.log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(root.join("enter"));
    command.arg("--share").arg(work);
    // The daemon ends with us, however we end. All that comes before it only execs.
    command.args(["setpriv", "--pdeathsig", "TERM", "dockerd"]);
    command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
    command.args(["--feature", "containerd-snapshotter=true"]);
    command.args(["--host", &format!("unix://{}", socket(work))]);
    for (flag, name) in [("--data-root", "docker"), ("--exec-root", "docker-exec")] {
        command.arg(flag).arg(work.join(name));
    }
    command.arg("--pidfile").arg(work.join("docker.pid"));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| format!("dockerd: {error}"))
}

/// `--ulimit` flags with the limits that this process has.
pub(crate) fn ulimits() -> Vec<String> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard = |title: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(title))?;
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    let titles = ["Max open files", "Max processes"];
    let flags = LIMITS.iter().zip(titles).filter_map(|(name, title)| {
        let limit = hard(title).filter(|limit| limit != "unlimited")?;
        Some(format!("--ulimit={name}={limit}:{limit}"))
    });
    flags.collect()
}

/// Runs a command without a word, and says whether it went well.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs a command and gives what it printed; its failure is an error with all that it said.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let program = command.get_program().display().to_string();
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(stdout);
    }
    let said = String::from_utf8_lossy(&stderr);
    let printed = String::from_utf8_lossy(&stdout);
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    Err(format!(
        "{program} {}: {status}\n{printed}{said}",
        arguments.join(" ")
    ))
}

/// The same, as text without the blank at its end.
pub(crate) fn text(command: &mut Command) -> Result<String, String> {
    let bytes = output(command)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
