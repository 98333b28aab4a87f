//! Starting a sandboxed process and living with it: its streams, signals and end.
//!
//! kiln starts itself a second time, with [`INIT_ARG`], because namespaces can only be left and taken
//! by a process of one thread. That process, the watcher, gets the [`Spec`] over a socket, which is
//! also the lifeline: when the socket closes, because kiln ended in whatever way, the watcher kills
//! the sandbox.

use std::io::{self, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, OnceLock};

use rustix::mount::OpenTreeFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::{Deserialize, Serialize};

use crate::error::{SpawnError, WaitError};
use crate::spec::{Resource, Spec};
use crate::wire::{self, Reply, Request};

/// The first argument that makes a program which calls
/// [`init_if_requested`](crate::init_if_requested) set up a sandbox.
pub const INIT_ARG: &str = "__kiln-sandbox-init";

/// What one of the standard streams is connected to.
#[derive(Debug, Default)]
pub enum Stream {
    /// `/dev/null`.
    #[default]
    Null,
    /// The caller's own stream of the same number.
    Inherit,
    /// A new pipe, whose other end is in [`Sandboxed`].
    Pipe,
    /// This file, pipe, socket or terminal.
    Fd(OwnedFd),
}

/// The three standard streams; each is `/dev/null` by default.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Standard input.
    pub stdin: Stream,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this code, 0 to 255.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it exited with 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Code(0)
    }

    /// The code as shells and OCI runtimes give it: 128 and the number for a signal.
    pub fn code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal,
        }
    }
}

/// How the process ended and what it left.
#[derive(Debug, Clone)]
pub struct Exit {
    /// How it ended.
    pub status: ExitStatus,
    /// See [`Sandboxed::created_mount_points`].
    pub created_mount_points: Vec<PathBuf>,
}

/// Something that could not be had and that the process runs without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// The user namespace denies `setgroups`: supplementary groups stay the caller's.
    GroupsDenied,
    /// A limit could not be raised; it is at `hard`.
    LimitRefused {
        /// Which limit.
        resource: Resource,
        /// Where it stays.
        hard: u64,
    },
    /// The kernel has no system call filters, or this processor has none here.
    NoSeccomp,
    /// `/sys` is the host's, bound read-only, because the kernel refuses a new one.
    HostSys,
    /// These parts of the default filesystem could not be mounted.
    NotMounted(String),
}

/// A running sandboxed process. Dropping it kills the process and everything that it started.
#[derive(Debug)]
pub struct Sandboxed {
    watcher: Child,
    handle: Handle,
    stdin: Option<PipeWriter>,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    created_mount_points: Vec<PathBuf>,
    notes: Vec<Note>,
    ended: Option<ExitStatus>,
}

/// Sends signals to a sandboxed process from anywhere; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle(Arc<UnixStream>);

impl Handle {
    /// Sends a signal, by its number, to the process. A process that is the first of its namespace
    /// gets only signals that it handles, apart from `SIGKILL`. One that has ended gets nothing.
    pub fn signal(&self, signal: i32) {
        // The only way to fail is that nobody is there any more to be signalled.
        let _ = wire::send(&*self.0, &Request::Signal(signal));
    }

    /// Kills the process and everything that it started.
    pub fn kill(&self) {
        self.signal(rustix::process::Signal::KILL.as_raw());
    }
}

impl Sandboxed {
    /// The writing end of [`Stream::Pipe`] as standard input; `None` the second time.
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.stdin.take()
    }

    /// The reading end of [`Stream::Pipe`] as standard output; `None` the second time.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.stdout.take()
    }

    /// The reading end of [`Stream::Pipe`] as standard error; `None` the second time.
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.stderr.take()
    }

    /// What the process runs without.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Directories and empty files that were made in the root filesystem to be mounted over, absolute
    /// inside the root, parents before children. Whoever keeps what the process wrote removes those
    /// that are still empty, in reverse order.
    pub fn created_mount_points(&self) -> &[PathBuf] {
        &self.created_mount_points
    }

    /// A way to signal the process while another thread waits for it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// See [`Handle::signal`].
    pub fn signal(&self, signal: i32) {
        self.handle.signal(signal);
    }

    /// See [`Handle::kill`].
    pub fn kill(&self) {
        self.handle.kill();
    }

    /// Waits until the process has ended; everything that it started has then ended too. May be called
    /// again. Standard input is closed first, unless it was taken.
    pub fn wait(&mut self) -> Result<Exit, WaitError> {
        self.stdin = None;
        let status = match self.ended {
            Some(status) => status,
            None => self.receive_exit()?,
        };
        self.ended = Some(status);
        Ok(Exit {
            status,
            created_mount_points: self.created_mount_points.clone(),
        })
    }

    fn receive_exit(&mut self) -> Result<ExitStatus, WaitError> {
        let lost = |source| WaitError::Lost { source };
        loop {
            match wire::receive::<Reply>(&*self.handle.0).map_err(lost)? {
                Some(Reply::Exited(status)) => {
                    self.watcher.wait().map_err(lost)?;
                    return Ok(status);
                }
                Some(_) => {}
                None => {
                    let status = self.watcher.wait().map_err(lost)?;
                    return Err(WaitError::Died { status });
                }
            }
        }
    }
}

impl Drop for Sandboxed {
    fn drop(&mut self) {
        // The watcher takes a closed socket for the death of its parent and kills the sandbox.
        let _ = self.handle.0.shutdown(std::net::Shutdown::Both);
        let _ = self.watcher.wait();
    }
}

/// Starts a process in its sandbox. Returns when the program has been executed, or with the reason
/// why it could not be.
///
/// The caller must be root of its user namespace; an ordinary user becomes that with
/// [`enter_user_namespace`](crate::enter_user_namespace). The running executable must call
/// [`init_if_requested`](crate::init_if_requested), or [`set_init_program`] name one that does.
pub fn spawn(spec: &Spec, stdio: Stdio) -> Result<Sandboxed, SpawnError> {
    let lost = |source| SpawnError::Lost { source };
    let (stdin, stdin_ours) = stdio.stdin.open(Side::Input).map_err(lost)?;
    let (stdout, stdout_ours) = stdio.stdout.open(Side::Output(1)).map_err(lost)?;
    let (stderr, stderr_ours) = stdio.stderr.open(Side::Output(2)).map_err(lost)?;
    let (mut watcher, control) = start_watcher()?;
    let handle = Handle(Arc::new(control));

    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let sent = send_streams(&handle.0, &streams)
        .and_then(|()| wire::send(&*handle.0, &Request::Run(Box::new(spec.clone()))));
    drop((stdin, stdout, stderr));
    let reply = match sent {
        Ok(()) => wire::receive(&*handle.0).map_err(lost)?,
        // It may have said why before it went.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
        Err(error) => return Err(lost(error)),
    };
    match reply {
        Some(Reply::Started(set_up)) => Ok(Sandboxed {
            watcher,
            handle,
            stdin: stdin_ours.and_then(End::writer),
            stdout: stdout_ours.and_then(End::reader),
            stderr: stderr_ours.and_then(End::reader),
            created_mount_points: set_up.created_mount_points,
            notes: set_up.notes,
            ended: None,
        }),
        Some(Reply::Failed(error, set_up)) => {
            watcher.wait().map_err(lost)?;
            let created_mount_points = set_up.created_mount_points;
            Err(SpawnError::SetUp {
                error,
                created_mount_points,
            })
        }
        Some(_) | None => {
            drop(handle);
            let status = watcher.wait().map_err(lost)?;
            Err(SpawnError::Died { status })
        }
    }
}

/// Starts the watcher with one end of a socket as its standard input.
pub(crate) fn start_watcher() -> Result<(Child, UnixStream), SpawnError> {
    let program = init_program();
    let start = |source| SpawnError::Start {
        program: program.to_owned(),
        source,
    };
    let (ours, theirs) = UnixStream::pair().map_err(start)?;
    let child = Command::new(program)
        .arg(INIT_ARG)
        .env_clear()
        .stdin(OwnedFd::from(theirs))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(start)?;
    Ok((child, ours))
}

/// Sends the streams, with the one byte that file descriptors need to travel with.
pub(crate) fn send_streams(socket: &UnixStream, streams: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !streams.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(streams));
    }
    let byte = [io::IoSlice::new(b"k")];
    rustix::net::sendmsg(socket, &byte, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

static INIT_PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that sets sandboxes up, when the running executable does not call
/// [`init_if_requested`](crate::init_if_requested): a test harness, say. Holds for the whole process;
/// `false` when a program was named or used before.
pub fn set_init_program(program: PathBuf) -> bool {
    INIT_PROGRAM.set(program).is_ok()
}

/// The program named by [`set_init_program`], else the running executable, through a mount of its own
/// that is read-only: what runs in the sandbox can reach the executable of its parent through
/// `/proc/PID/exe`, and must not be able to write to it (CVE-2019-5736).
fn init_program() -> &'static Path {
    static SEALED: OnceLock<Option<OwnedFd>> = OnceLock::new();
    INIT_PROGRAM.get_or_init(|| {
        use std::os::fd::AsRawFd;
        match SEALED.get_or_init(|| seal_own_executable().ok()) {
            Some(fd) => format!("/proc/self/fd/{}", fd.as_raw_fd()).into(),
            None => "/proc/self/exe".into(),
        }
    })
}

/// The running executable in a detached read-only mount.
fn seal_own_executable() -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, "/proc/self/exe", flags)?;
    crate::sys::mount_read_only(&tree, false)?;
    Ok(tree)
}

/// Which way a stream flows, and the number of the caller's own.
#[derive(Clone, Copy)]
enum Side {
    Input,
    Output(u8),
}

/// The end of a pipe that stays with the caller.
enum End {
    Reader(PipeReader),
    Writer(PipeWriter),
}

impl End {
    fn reader(self) -> Option<PipeReader> {
        match self {
            End::Reader(end) => Some(end),
            End::Writer(_) => None,
        }
    }

    fn writer(self) -> Option<PipeWriter> {
        match self {
            End::Writer(end) => Some(end),
            End::Reader(_) => None,
        }
    }
}

impl Stream {
    /// What the sandboxed process gets, and what the caller keeps.
    fn open(self, side: Side) -> io::Result<(OwnedFd, Option<End>)> {
        match (self, side) {
            (Stream::Fd(fd), _) => Ok((fd, None)),
            (Stream::Null, _) => {
                let null = std::fs::File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?;
                Ok((null.into(), None))
            }
            (Stream::Inherit, Side::Input) => Ok((io::stdin().as_fd().try_clone_to_owned()?, None)),
            (Stream::Inherit, Side::Output(1)) => {
                Ok((io::stdout().as_fd().try_clone_to_owned()?, None))
            }
            (Stream::Inherit, Side::Output(_)) => {
                Ok((io::stderr().as_fd().try_clone_to_owned()?, None))
            }
            (Stream::Pipe, Side::Input) => {
                let (reader, writer) = io::pipe()?;
                Ok((reader.into(), Some(End::Writer(writer))))
            }
            (Stream::Pipe, Side::Output(_)) => {
                let (reader, writer) = io::pipe()?;
                Ok((writer.into(), Some(End::Reader(reader))))
            }
        }
    }
}
