//! The watcher: gets the order, starts the child, and stays until the program has ended.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid,
};
use rustix::thread::UnshareFlags;

use crate::error::{SetUpError, Step};
use crate::sandboxed::ExitStatus;
use crate::spec::{Network, Spec};
use crate::sys::{self, Fork};
use crate::wire::{self, Reply, Request, SetUp};

use super::setup;

/// The standard streams of the program.
pub(super) type Streams = [OwnedFd; 3];

/// Serves one request from `socket`; the result is an exit code that nobody but a debugger looks at.
pub(super) fn run(socket: BorrowedFd<'_>) -> i32 {
    // Ctrl-C goes to the whole group. What becomes of the program is kiln's decision, not the terminal's.
    sys::ignore_signals();
    let Ok(socket) = socket.try_clone_to_owned().map(UnixStream::from) else {
        return 1;
    };
    let Ok(streams) = receive_streams(&socket) else {
        return 1;
    };
    match wire::receive::<Request>(&socket) {
        Ok(Some(Request::Run(spec))) => match streams.try_into() {
            Ok(streams) => sandbox(&socket, &spec, streams),
            Err(_) => 1,
        },
        Ok(Some(Request::Probe)) => {
            let abilities = crate::probe::try_abilities();
            i32::from(wire::send(&socket, &Reply::Abilities(abilities)).is_err())
        }
        _ => 1,
    }
}

/// Receives the byte that comes before the request, and the files that travel with it.
fn receive_streams(socket: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let message = recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut streams = vec![];
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = message {
            streams.extend(files);
        }
    }
    Ok(streams)
}

fn sandbox(socket: &UnixStream, spec: &Spec, streams: Streams) -> i32 {
    match start(spec, streams) {
        Ok((child, set_up)) => {
            if wire::send(socket, &Reply::Started(set_up)).is_err() {
                return 1;
            }
            watch(socket, child)
        }
        Err((error, set_up)) => {
            i32::from(wire::send(socket, &Reply::Failed(error, set_up)).is_err())
        }
    }
}

type Failed = (SetUpError, SetUp);

/// Leaves the caller's namespaces and starts the child; returns when the program has been executed.
fn start(spec: &Spec, streams: Streams) -> Result<(Pid, SetUp), Failed> {
    let failed = |step, errno: Errno| (SetUpError::new(step, errno), SetUp::default());
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if spec.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    sys::unshare(flags).map_err(|errno| {
        let (error, set_up) = failed(Step::Namespaces, errno);
        (
            error.hint("kiln needs to be root, or root of a user namespace: see `kiln doctor`"),
            set_up,
        )
    })?;
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let (reports, reporter) = pipe.map_err(|errno| failed(Step::Namespaces, errno))?;
    match sys::fork().map_err(|errno| failed(Step::Namespaces, errno))? {
        Fork::Child => {
            drop(reports);
            setup::become_program(spec, streams, &File::from(reporter))
        }
        Fork::Parent(child) => {
            drop((reporter, streams));
            let set_up = outcome(&File::from(reports), child)?;
            Ok((child, set_up))
        }
    }
}

/// What the child says: what it has set up, then either nothing (the program runs) or an error.
fn outcome(reports: &File, child: Pid) -> Result<SetUp, Failed> {
    let lost = || {
        (
            SetUpError::new(Step::Namespaces, Errno::CHILD),
            SetUp::default(),
        )
    };
    let mut set_up = SetUp::default();
    loop {
        match wire::receive::<setup::Report>(reports) {
            Ok(Some(setup::Report::Done(done))) => set_up = done,
            Ok(Some(setup::Report::Failed(error))) => {
                let _ = waitpid(Some(child), WaitOptions::empty());
                return Err((error, set_up));
            }
            Ok(None) => return Ok(set_up),
            Err(_) => return Err(lost()),
        }
    }
}

/// Passes signals on until the program has ended, and kills it when kiln is gone.
fn watch(socket: &UnixStream, child: Pid) -> i32 {
    let Ok(program) = pidfd_open(child, PidfdFlags::empty()) else {
        let _ = rustix::process::kill_process(child, Signal::KILL);
        return 1;
    };
    loop {
        let mut waiting = [
            PollFd::new(&program, PollFlags::IN),
            PollFd::new(socket, PollFlags::IN | PollFlags::HUP),
        ];
        match poll(&mut waiting, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return 1,
        }
        let [ended, asked] = waiting.map(|file| file.revents());
        if !ended.is_empty() {
            let status = wait_for(child);
            return i32::from(wire::send(socket, &Reply::Exited(status)).is_err());
        }
        if !asked.is_empty() {
            match wire::receive::<Request>(socket) {
                Ok(Some(Request::Signal(signal))) => send_signal(program.as_fd(), signal),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    let _ = pidfd_send_signal(&program, Signal::KILL);
                    let _ = waitpid(Some(child), WaitOptions::empty());
                    return 1;
                }
            }
        }
    }
}

fn send_signal(program: BorrowedFd<'_>, signal: i32) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = pidfd_send_signal(program, signal);
    }
}

fn wait_for(child: Pid) -> ExitStatus {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(signal) = status.terminating_signal() {
                    return ExitStatus::Signal(signal);
                }
                return ExitStatus::Code(status.exit_status().unwrap_or(255));
            }
            Err(Errno::INTR) | Ok(None) => {}
            Err(_) => return ExitStatus::Code(255),
        }
    }
}
