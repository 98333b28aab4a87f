//! Where the builders work: a scratch folder, a Docker daemon of our own, and a base image that all
//! of them have.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::Settings;
use super::remove;
use crate::peers;

const BASE: &str = "base:1";
const RESULT: &str = "bench:1";
const PATIENCE: Duration = Duration::from_secs(60);

/// Who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    /// This project.
    Kiln,
    /// In Docker's daemon.
    BuildKit,
    /// Without a daemon, in chroots.
    Buildah,
}

impl Builder {
    /// As shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kiln => "kiln",
            Self::BuildKit => "BuildKit",
            Self::Buildah => "buildah",
        }
    }

    /// The value of `--output` for an OCI archive with this compression of its layers.
    pub(super) fn export(self, archive: &Path, compression: &str) -> String {
        let archive = archive.display();
        match (self, compression) {
            (Self::Kiln, _) => format!("type=oci,dest={archive},compression={compression}"),
            (_, "none") => {
                format!("type=oci,dest={archive},compression=uncompressed,force-compression=true")
            }
            _ => {
                format!("type=oci,dest={archive},compression={compression},force-compression=true")
            }
        }
    }
}

/// The scratch folder with all that lives in it. Dropping it stops the daemon and removes the folder.
pub(super) struct Lab {
    kiln: PathBuf,
    peers: PathBuf,
    work: PathBuf,
    base: PathBuf,
    daemon: Child,
}

impl Lab {
    /// Builds kiln, starts the daemon, and gives everyone the base image.
    pub(super) fn start(root: &Path, settings: &Settings) -> Result<Self, String> {
        let kiln = match &settings.kiln {
            Some(kiln) => std::path::absolute(kiln).map_err(|error| error.to_string())?,
            None => build_kiln(root)?,
        };
        let peers = peers::folder(None)?;
        peers::prepare(&peers)?;
        let work = std::env::temp_dir().join(format!("kiln-bench-{}", std::process::id()));
        fs::create_dir(&work).map_err(|error| format!("{}: {error}", work.display()))?;
        let daemon = spawn_daemon(&peers, &work)?;
        let lab = Self {
            kiln,
            peers,
            base: work.join("base.tar"),
            work,
            daemon,
        };
        lab.wait()?;
        let script = root.join("examples/bases/busybox.sh");
        let archive = File::create(&lab.base).map_err(|error| error.to_string())?;
        quietly(Command::new("sh").arg(script).stdout(archive))?;
        lab.import(Builder::Kiln)?;
        quietly(lab.tool("docker").arg("import").arg(&lab.base).arg(BASE))?;
        lab.import(Builder::Buildah)?;
        Ok(lab)
    }

    /// The scratch folder.
    pub(super) fn work(&self) -> &Path {
        &self.work
    }

    /// Process id of the Docker daemon.
    pub(super) fn daemon(&self) -> u32 {
        self.daemon.id()
    }

    /// Real files: the programs and libraries of the peers' Debian.
    pub(super) fn peers_usr(&self) -> PathBuf {
        self.peers.join("sid/usr")
    }

    /// A new folder for a context.
    pub(super) fn context(&self, name: &str) -> Result<PathBuf, String> {
        let context = self.work.join(name);
        fs::create_dir(&context).map_err(|error| format!("{}: {error}", context.display()))?;
        Ok(context)
    }

    /// The base's files in a folder.
    pub(super) fn rootfs(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.context(name)?;
        quietly(
            Command::new("tar")
                .arg("-xf")
                .arg(&self.base)
                .arg("-C")
                .arg(&folder),
        )?;
        Ok(folder)
    }

    /// kiln with a home in the scratch folder.
    pub(super) fn kiln(&self, home: &str) -> Command {
        let mut command = Command::new(&self.kiln);
        command.arg("--home").arg(self.work.join(home));
        command
    }

    /// A tool of the peers. It joins the daemon's mount namespace, which takes a millisecond or two;
    /// making one takes longer, and would count.
    pub(super) fn tool(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--mount",
            "--target",
            &self.daemon.id().to_string(),
            "--",
            program,
        ]);
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command.env("HOME", "/root");
        command.env("DOCKER_HOST", format!("unix://{}", socket(&self.work)));
        command
    }

    /// buildah or podman with storage in the scratch folder.
    pub(super) fn containers(&self, program: &str) -> Command {
        let mut command = self.tool(program);
        command.arg("--root").arg(self.work.join("containers"));
        command
            .arg("--runroot")
            .arg(self.work.join("containers-run"));
        command.args(["--storage-driver", "overlay"]);
        command
    }

    /// A build that ends in the builder's own store; flags and the context are the caller's.
    pub(super) fn build(&self, builder: Builder) -> Command {
        let mut command = match builder {
            Builder::Kiln => {
                let mut command = self.kiln("kiln");
                command.args(["build", "--network", "none", "--tag", RESULT]);
                command
            }
            Builder::BuildKit => {
                let mut command = self.tool("docker");
                command.args([
                    "buildx",
                    "build",
                    "--progress",
                    "plain",
                    "--provenance=false",
                ]);
                command.args(["--network", "none", "--tag", RESULT]);
                command
            }
            Builder::Buildah => {
                let mut command = self.containers("buildah");
                command.args(["build", "--quiet", "--layers", "--isolation", "chroot"]);
                command.args(["--network", "host", "--tag", RESULT]);
                command.args(ulimits());
                command
            }
        };
        command.stdin(Stdio::null());
        command
    }

    /// Lets a builder forget all but the base image.
    pub(super) fn forget(&self, builder: Builder) -> Result<(), String> {
        match builder {
            Builder::Kiln => {
                remove(&self.work.join("kiln"))?;
                self.import(builder)
            }
            Builder::BuildKit => {
                // Also the copy of the context that it keeps. The result may not be there yet.
                let _ = quietly(self.tool("docker").args(["rmi", "--force", RESULT]));
                quietly(
                    self.tool("docker")
                        .args(["builder", "prune", "--all", "--force"]),
                )
            }
            Builder::Buildah => {
                quietly(self.containers("buildah").args(["rmi", "--all", "--force"]))?;
                self.import(builder)
            }
        }
    }

    /// Gives a builder the base image.
    fn import(&self, builder: Builder) -> Result<(), String> {
        if builder == Builder::Kiln {
            return self.kiln_import("kiln");
        }
        let folder = self.work.join("base");
        remove(&folder)?;
        fs::create_dir(&folder)
            .and_then(|()| fs::copy(&self.base, folder.join("base.tar")))
            .and_then(|_| fs::write(folder.join("Dockerfile"), "FROM scratch\nADD base.tar /\n"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut command = self.containers("buildah");
        command.args([
            "build",
            "--quiet",
            "--layers",
            "--isolation",
            "chroot",
            "--tag",
            BASE,
        ]);
        quietly(command.args(ulimits()).arg(&folder))
    }

    /// Gives the kiln of `home` the base image.
    pub(super) fn kiln_import(&self, home: &str) -> Result<(), String> {
        quietly(
            self.kiln(home)
                .arg("import")
                .arg(&self.base)
                .args(["-t", BASE]),
        )
    }

    fn wait(&self) -> Result<(), String> {
        let start = Instant::now();
        while quietly(self.tool("docker").arg("version")).is_err() {
            if start.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.work.join("dockerd.log")).unwrap_or_default();
                return Err(format!("dockerd does not answer:\n{log}"));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        // If it is gone already, there is nothing to stop.
        let _ = quietly(Command::new("kill").args(["-TERM", &pid]));
        let start = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
                break;
            }
            sleep(Duration::from_millis(20));
        }
        if let Err(error) = remove(&self.work) {
            eprintln!("left behind: {error}");
        }
    }
}

pub(in crate::bench) fn build_kiln(root: &Path) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--package", "kiln"])
        .current_dir(root);
    let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err("kiln does not compile".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/kiln"))
}

fn socket(work: &Path) -> String {
    work.join("docker.sock").display().to_string()
}

fn spawn_daemon(peers: &Path, work: &Path) -> Result<Child, String> {
    let log = File::create(work.join("dockerd.log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = peers::enter(peers);
    command.arg("--share").arg(work);
    // crun refuses a hybrid of both cgroup versions; in this namespace there shall be one. The daemon
    // ends with us, however we end: all that comes before it only execs.
    let script = "umount /sys/fs/cgroup/unified 2> /dev/null
        exec setpriv --pdeathsig TERM dockerd \"$@\"";
    command.args(["sh", "-c", script, "sh"]);
    command.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
    command.args(["--feature", "containerd-snapshotter=true"]);
    command.args(["--host", &format!("unix://{}", socket(work))]);
    command.arg("--data-root").arg(work.join("docker"));
    command.arg("--exec-root").arg(work.join("docker-exec"));
    command.arg("--pidfile").arg(work.join("docker.pid"));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| format!("dockerd: {error}"))
}

/// Limits as they are: without CAP_SYS_RESOURCE engines cannot raise them, and fail.
pub(super) fn ulimits() -> Vec<String> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let flag = |title: &str, name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(title))?;
        let hard = line.split_whitespace().nth(1)?;
        (hard != "unlimited").then(|| format!("--ulimit={name}={hard}:{hard}"))
    };
    let flags = [
        flag("Max open files", "nofile"),
        flag("Max processes", "nproc"),
    ];
    flags.into_iter().flatten().collect()
}

/// Runs a command that is not measured; its failure is an error with what it said.
pub(in crate::bench) fn quietly(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    Err(format!(
        "{program} {}: {}\n{said}",
        arguments.join(" "),
        output.status
    ))
}
