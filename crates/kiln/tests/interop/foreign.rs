//! Programs for other processors: RUN in images whose busybox is one, as root and as an ordinary user.
//!
//! Each check needs something that a machine may lack: the program, an emulator, the kernel's list of
//! emulators. Then it was not made, and that is said.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peers::{self, Peers};
use crate::{Options, not_checked, table};

/// A processor: Debian's name for it, that of platforms, what `uname -m` says there, and the emulator.
struct Processor {
    debian: &'static str,
    platform: &'static str,
    machine: &'static str,
    emulator: Option<&'static str>,
}

const PROCESSORS: &[Processor] = &[
    Processor {
        debian: "arm64",
        platform: "linux/arm64",
        machine: "aarch64",
        emulator: Some("qemu-aarch64"),
    },
    // The kernel runs these itself, and tells them its own kind.
    Processor {
        debian: "i386",
        platform: "linux/386",
        machine: "x86_64",
        emulator: None,
    },
];

/// An ordinary user, who has no name and no subordinate ids.
const USER: u32 = 54_321;

/// Why a check did not pass.
enum Problem {
    Failed(String),
    NotMade(String),
}

impl From<String> for Problem {
    fn from(error: String) -> Self {
        Self::Failed(error)
    }
}

/// What came of all checks.
pub(crate) struct Outcome {
    rows: Vec<(String, Result<(), Problem>)>,
}

impl Outcome {
    /// Whether no check failed.
    pub(crate) fn is_well(&self) -> bool {
        let failed = |row: &(String, Result<(), Problem>)| matches!(row.1, Err(Problem::Failed(_)));
        !self.rows.iter().any(failed)
    }
}

/// Runs the checks that `options` selects.
pub(crate) fn run(peers: &Peers, root: &Path, options: &Options) -> Outcome {
    let mut rows = vec![];
    if cfg!(target_arch = "x86_64") {
        for processor in PROCESSORS {
            for (who, user) in [("root", None), ("an ordinary user", Some(USER))] {
                let name = format!("foreign {}, {who}", processor.debian);
                if !options.wants(&name) {
                    continue;
                }
                let result = check(peers, root, processor, user);
                if let Err(Problem::NotMade(why)) = &result {
                    not_checked(&name, why);
                }
                rows.push((name, result));
            }
        }
    }
    Outcome { rows }
}

fn check(
    peers: &Peers,
    root: &Path,
    processor: &Processor,
    user: Option<u32>,
) -> Result<(), Problem> {
    let debian = root.join("sid");
    let busybox = debian
        .join("foreign")
        .join(processor.debian)
        .join("busybox");
    if !busybox.exists() {
        let why = format!("there is no {}", busybox.display());
        return Err(Problem::NotMade(why));
    }
    let _emulator = match processor.emulator {
        Some(name) => Some(Emulator::register(&debian, name).map_err(Problem::NotMade)?),
        None if !peers::succeeds(Command::new(&busybox).arg("true")) => {
            let why = format!("this kernel does not run {}", busybox.display());
            return Err(Problem::NotMade(why));
        }
        None => None,
    };
    let place = Place::new(peers, processor, user)?;
    place.base(&busybox, processor)?;
    if user.is_some() && !place.can_run() {
        let why = "this user may not make user namespaces".to_owned();
        return Err(Problem::NotMade(why));
    }
    let dockerfile = "FROM base\nARG TARGETARCH\n\
        RUN echo \"$TARGETARCH $(uname -m)\" > /said && /bin/busybox ls -l / | wc -l > /dev/null\n\
        FROM base\nCOPY --from=0 /said /copied\nRUN [\"/bin/busybox\", \"cp\", \"/copied\", \"/said\"]\n";
    fs::write(place.folder.join("Dockerfile"), dockerfile).map_err(|error| error.to_string())?;
    let platform = format!("--platform={}", processor.platform);
    let build = [
        "build",
        "--progress=plain",
        "--network=none",
        &platform,
        "-t",
        "built",
        ".",
    ];
    peers::output(place.kiln().args(build))?;
    let run = [
        "run",
        "--rm",
        "--network=none",
        &platform,
        "built",
        "cat",
        "/said",
    ];
    let said = peers::text(place.kiln().args(run))?;
    let architecture = processor.platform.trim_start_matches("linux/");
    let expected = format!("{architecture} {}", processor.machine);
    match said == expected {
        true => Ok(()),
        false => Err(Problem::Failed(format!(
            "it said `{said}`, not `{expected}`"
        ))),
    }
}

/// A folder and a store of one check's own, and who uses them.
struct Place {
    folder: PathBuf,
    user: Option<u32>,
}

impl Place {
    fn new(peers: &Peers, processor: &Processor, user: Option<u32>) -> Result<Self, String> {
        let name = format!("foreign-{}-{}", processor.debian, user.unwrap_or(0));
        let folder = peers.work().join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir(&folder).map_err(failed)?;
        // The ordinary user may not be let in where cargo has its files.
        let program = folder.join("kiln");
        let mut install = Command::new("install");
        peers::output(
            install
                .args(["-m", "755", env!("CARGO_BIN_EXE_kiln")])
                .arg(&program),
        )?;
        if let Some(id) = user {
            chown(&folder, Some(id), Some(id)).map_err(failed)?;
        }
        Ok(Self { folder, user })
    }

    /// kiln, as whom this place belongs to.
    fn kiln(&self) -> Command {
        let program = self.folder.join("kiln");
        let mut command = match self.user {
            None => Command::new(program),
            Some(id) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={id}"), format!("--regid={id}")]);
                command.arg("--clear-groups").arg(program);
                command
            }
        };
        command.env("HOME", &self.folder);
        command.env("KILN_HOME", self.folder.join("store"));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// Whether this user may make a sandbox at all.
    fn can_run(&self) -> bool {
        let said = self.kiln().args(["doctor", "--json"]).output();
        said.is_ok_and(|output| !String::from_utf8_lossy(&output.stdout).contains("\"bad\""))
    }

    /// Makes the image `base` of a busybox.
    fn base(&self, busybox: &Path, processor: &Processor) -> Result<(), String> {
        let rootfs = self.folder.join("rootfs");
        let bin = rootfs.join("bin");
        let made = fs::create_dir_all(&bin)
            .and_then(|()| fs::copy(busybox, bin.join("busybox")))
            .and_then(|_| {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(bin.join("busybox"), mode)
            });
        made.map_err(|error| error.to_string())?;
        for tool in ["sh", "cat", "uname", "wc"] {
            let linked = std::os::unix::fs::symlink("busybox", bin.join(tool));
            linked.map_err(|error| error.to_string())?;
        }
        let archive = self.folder.join("base.tar");
        let mut tar = Command::new("tar");
        tar.args(["--owner=0", "--group=0", "-C"]).arg(&rootfs);
        peers::output(tar.arg("-cf").arg(&archive).arg("."))?;
        let mut import = self.kiln();
        import.arg("import").arg(&archive).args(["-t", "base"]);
        peers::output(import.args(["--platform", processor.platform])).map(drop)
    }
}

/// An emulator that is registered with the kernel as long as the value lives.
struct Emulator {
    handler: Option<PathBuf>,
    is_mounted_by_us: bool,
}

const LIST: &str = "/proc/sys/fs/binfmt_misc";

/// The first bytes of an arm64 program as the kernel wants them told, and the bits that count. Sources:
/// System V ABI, "ELF Header"; Linux, Documentation/admin-guide/binfmt-misc.rst.
const ARM64: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str =
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

impl Emulator {
    /// Registers the emulator of the Debian root, unless this machine has one. It is opened now (flag `F`), so that it
    /// works inside of any root file system, and told the name that a program is called by (flag `P`), which busybox
    /// goes by; as Debian does.
    fn register(debian: &Path, name: &str) -> Result<Self, String> {
        let list = Path::new(LIST);
        let mut emulator = Self {
            handler: None,
            is_mounted_by_us: false,
        };
        if !list.join("status").exists() {
            let mut mount = Command::new("mount");
            peers::output(mount.args(["-t", "binfmt_misc", "binfmt_misc", LIST]))?;
            emulator.is_mounted_by_us = true;
        }
        if list.join(name).exists() {
            return Ok(emulator);
        }
        let program = debian.join("usr/bin").join(name);
        if !program.exists() {
            return Err(format!("there is no {}", program.display()));
        }
        let own = format!("kiln-{}-{name}", std::process::id());
        let line = format!(":{own}:M::{ARM64}:{MASK}:{}:PF", program.display());
        fs::write(list.join("register"), line)
            .map_err(|error| format!("{} cannot be registered: {error}", program.display()))?;
        emulator.handler = Some(list.join(own));
        Ok(emulator)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(handler) = &self.handler
            && let Err(error) = fs::write(handler, "-1")
        {
            eprintln!("{} stays registered: {error}", handler.display());
        }
        if self.is_mounted_by_us {
            let _ = Command::new("umount").arg(LIST).status();
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = vec![["foreign programs", "result"].map(str::to_owned)];
        for (name, result) in &self.rows {
            let word = match result {
                Ok(()) => "passed".to_owned(),
                Err(Problem::NotMade(why)) => format!("NOT CHECKED: {why}"),
                Err(Problem::Failed(error)) => {
                    writeln!(f, "\n{name}: {error}")?;
                    "FAILED".to_owned()
                }
            };
            lines.push([name.clone(), word]);
        }
        if lines.len() > 1 {
            table::write(f, &lines)?;
        }
        Ok(())
    }
}
