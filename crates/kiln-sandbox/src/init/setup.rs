//! The child: sets everything up from inside the new namespaces and becomes the program.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::target::RootDirectory;
use super::watcher::Streams;
use super::{mounts, rights, root, seccomp};
use crate::error::{SetUpError, Step};
use crate::sandboxed::Note;
use crate::spec::{Network, Resource, Rlimit, Spec};
use crate::sys;
use crate::wire::{self, SetUp};

/// What the child says to the watcher.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Everything is set up; the program is executed next.
    Done(SetUp),
    /// It cannot be.
    Failed(SetUpError),
}

/// Never returns: either the program takes over, or the process ends.
pub(super) fn become_program(spec: &Spec, streams: Streams, reporter: &File) -> ! {
    let mut set_up = SetUp::default();
    let error = match prepare(spec, streams, reporter, &mut set_up) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let _ = wire::send(reporter, &Report::Done(set_up));
    let _ = wire::send(reporter, &Report::Failed(error));
    #[expect(clippy::exit, reason = "the child of a fork has nothing to unwind")]
    std::process::exit(127);
}

fn prepare(
    spec: &Spec,
    streams: Streams,
    reporter: &File,
    set_up: &mut SetUp,
) -> Result<std::convert::Infallible, SetUpError> {
    let namespaces = |errno| SetUpError::new(Step::Namespaces, errno);
    // The watcher's death is the sandbox's. It has one thread, so the parent is the process.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(namespaces)?;
    // Nothing mounted here is seen outside, and nothing mounted outside from now on is seen here.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(namespaces)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let sources = mounts::Sources::open(spec)?;
    let mut root = RootDirectory::new(root::mount(&spec.root)?);
    let mounted = mounts::mount_all(spec, &mut root, sources, &mut set_up.notes);
    set_up.created_mount_points = std::mem::take(&mut root.created);
    mounted?;
    enter(root.fd())?;
    if spec.read_only_root {
        let slash = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let done = slash.and_then(|slash| sys::mount_read_only(slash, false));
        done.map_err(|errno| SetUpError::at(Step::EnterRoot, "/", errno))?;
    }
    drop(root);
    if let Some(hostname) = &spec.hostname {
        rustix::system::sethostname(hostname.as_bytes())
            .map_err(|errno| SetUpError::new(Step::Hostname, errno))?;
    }
    if spec.network == Network::None {
        loopback().map_err(|errno| SetUpError::new(Step::Network, errno))?;
    }
    for limit in &spec.rlimits {
        limit_resource(*limit, &mut set_up.notes)?;
    }
    connect(spec, &streams)?;
    drop(streams);
    enter_directory(&spec.cwd)?;
    let program = find_program(spec)?;
    sys::reset_signals();
    seccomp::install(spec, &mut set_up.notes)?;
    rights::take_on(spec, &mut set_up.notes)?;
    // Changing ids has undone it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(namespaces)?;
    sys::close_on_exec_from(3).map_err(namespaces)?;
    let _ = wire::send(reporter, &Report::Done(std::mem::take(set_up)));
    execute(spec, &program)
}

/// Makes the mounted root the root of this process and lets go of the old one.
/// Source: `pivot_root(2)`, section "pivot_root(".", ".")".
fn enter(root: &OwnedFd) -> Result<(), SetUpError> {
    let failed = |errno| SetUpError::at(Step::EnterRoot, "/", errno);
    rustix::process::fchdir(root).map_err(failed)?;
    rustix::process::pivot_root(".", ".").map_err(failed)?;
    unmount(".", UnmountFlags::DETACH).map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)
}

fn loopback() -> rustix::io::Result<()> {
    use rustix::net::{AddressFamily, SocketType, socket};
    sys::loopback_up(socket(AddressFamily::INET, SocketType::DGRAM, None)?)
}

/// Sets a limit. What may not be raised stays at its hard limit.
fn limit_resource(limit: Rlimit, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
    use rustix::process::{Rlimit as Raw, getrlimit, setrlimit};
    let resource = limit.resource.raw();
    let value = |value: u64| (value != u64::MAX).then_some(value);
    let wanted = Raw {
        current: value(limit.soft),
        maximum: value(limit.hard),
    };
    match setrlimit(resource, wanted) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => {
            let hard = getrlimit(resource).maximum;
            let soft = limit.soft.min(hard.unwrap_or(u64::MAX));
            let allowed = Raw {
                current: value(soft),
                maximum: hard,
            };
            notes.push(Note::LimitRefused {
                resource: limit.resource,
                hard: hard.unwrap_or(u64::MAX),
            });
            setrlimit(resource, allowed).map_err(|errno| SetUpError::new(Step::Limits, errno))
        }
        Err(errno) => Err(SetUpError::new(Step::Limits, errno)),
    }
}

/// Puts the streams in their places, in a session of the sandbox's own: what runs in it must not reach the
/// terminal that kiln is controlled by (`/dev/tty`, TIOCSTI).
fn connect(spec: &Spec, streams: &Streams) -> Result<(), SetUpError> {
    let failed = |errno| SetUpError::new(Step::Streams, errno);
    let [stdin, stdout, stderr] = streams;
    rustix::process::setsid().map_err(failed)?;
    rustix::stdio::dup2_stdin(stdin).map_err(failed)?;
    rustix::stdio::dup2_stdout(stdout).map_err(failed)?;
    rustix::stdio::dup2_stderr(stderr).map_err(failed)?;
    if spec.terminal {
        rustix::process::ioctl_tiocsctty(std::io::stdin().as_fd()).map_err(|errno| {
            SetUpError::new(Step::Terminal, errno)
                .hint("standard input must be a pseudo-terminal that no other session controls")
        })?;
    }
    streams
        .iter()
        .try_for_each(|stream| give(stream, spec))
        .map_err(failed)
}

/// Makes a pipe or the terminal the user's, who else could not open it again as `/dev/stdout`. OCI runtimes do
/// the same.
fn give(stream: &OwnedFd, spec: &Spec) -> rustix::io::Result<()> {
    let stat = rustix::fs::fstat(stream)?;
    let given = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => true,
        FileType::CharacterDevice => spec.terminal,
        _ => false,
    };
    if !given || stat.st_uid == spec.uid {
        return Ok(());
    }
    match rustix::fs::fchown(stream, Some(Uid::from_raw(spec.uid)), None) {
        // It came from outside the user namespace; it can still be used as it is.
        Err(Errno::INVAL | Errno::PERM | Errno::ROFS | Errno::OVERFLOW) => Ok(()),
        result => result,
    }
}

/// Enters the working directory with root's rights, as OCI runtimes do, and never through a link to one of this
/// process's files, which may lead out of the sandbox (CVE-2024-21626).
fn enter_directory(cwd: &Path) -> Result<(), SetUpError> {
    let failed = |errno| SetUpError::at(Step::WorkingDirectory, cwd, errno);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(failed)?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let directory = rustix::fs::openat2(&root, cwd, flags, Mode::empty(), inside);
    directory.and_then(rustix::process::fchdir).map_err(failed)
}

/// The program's path inside the root. Without a slash it is looked up in the sandbox's `PATH`.
fn find_program(spec: &Spec) -> Result<PathBuf, SetUpError> {
    let missing = |name: &OsStr, errno| SetUpError::at(Step::FindProgram, name, errno);
    let Some(name) = spec.args.first().filter(|name| !name.is_empty()) else {
        return Err(missing(OsStr::new("(nothing)"), Errno::NOENT));
    };
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = spec
        .env
        .iter()
        .rev()
        .find(|(key, _)| key == "PATH")
        .map(|(_, value)| value.clone());
    let mut errno = Errno::NOENT;
    for directory in path
        .unwrap_or_default()
        .as_bytes()
        .split(|byte| *byte == b':')
    {
        let directory = if directory.is_empty() {
            &b"."[..]
        } else {
            directory
        };
        let candidate = Path::new(OsStr::from_bytes(directory)).join(name);
        if candidate.is_file() {
            match rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK) {
                Ok(()) => return Ok(candidate),
                Err(refused) => errno = refused,
            }
        }
    }
    let error = missing(name, errno);
    Err(match errno {
        Errno::NOENT => error.hint("there is no such program in the image's PATH"),
        _ => error,
    })
}

fn execute(spec: &Spec, program: &Path) -> Result<std::convert::Infallible, SetUpError> {
    let text = |bytes: &[u8]| {
        CString::new(bytes).map_err(|_| SetUpError::at(Step::Execute, program, Errno::INVAL))
    };
    let args: Result<Vec<CString>, _> = spec.args.iter().map(|arg| text(arg.as_bytes())).collect();
    let env: Result<Vec<CString>, _> = spec
        .env
        .iter()
        .map(|(name, value)| {
            let entry: OsString = [name.as_os_str(), value.as_os_str()].join(OsStr::new("="));
            text(&entry.into_vec())
        })
        .collect();
    let path = text(program.as_os_str().as_bytes())?;
    let Err(errno) = sys::execve(&path, &args?, &env?);
    Err(explain(program, errno))
}

/// The kernel says "no such file" when a program's interpreter is missing, and "exec format" for another
/// processor's programs.
fn explain(program: &Path, errno: Errno) -> SetUpError {
    let error = SetUpError::at(Step::Execute, program, errno);
    let there = rustix::fs::statat(CWD, program, rustix::fs::AtFlags::empty()).is_ok();
    match errno {
        Errno::NOENT if there => error.hint(
            "the file is there, but what it needs to start is not: the interpreter in its first line, or \
             the dynamic loader it was linked for",
        ),
        Errno::NOEXEC => error.hint(
            "the file is not a program for this machine: it may be for another processor (see `kiln doctor` \
             on binfmt), or a script without `#!`",
        ),
        _ => error,
    }
}

impl Resource {
    fn raw(self) -> rustix::process::Resource {
        use rustix::process::Resource as Raw;
        match self {
            Self::Core => Raw::Core,
            Self::Cpu => Raw::Cpu,
            Self::Data => Raw::Data,
            Self::Fsize => Raw::Fsize,
            Self::Locks => Raw::Locks,
            Self::Memlock => Raw::Memlock,
            Self::Msgqueue => Raw::Msgqueue,
            Self::Nice => Raw::Nice,
            Self::Nofile => Raw::Nofile,
            Self::Nproc => Raw::Nproc,
            Self::Rss => Raw::Rss,
            Self::Rtprio => Raw::Rtprio,
            Self::Rttime => Raw::Rttime,
            Self::Sigpending => Raw::Sigpending,
            Self::Stack => Raw::Stack,
        }
    }
}
