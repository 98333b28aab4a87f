//! System calls that rustix does not wrap. Each function is a thin, safe cover over one of them; there
//! is no other `unsafe` in kiln.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::{Errno, Result};
use rustix::process::Pid;

/// Turns the result of a call that sets `errno` into one of ours.
fn check(result: libc::c_long) -> Result<libc::c_long> {
    if result >= 0 {
        return Ok(result);
    }
    let error = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the id of the new.
    Parent(Pid),
}

/// Makes a second process. Refused in a process with more than one thread, where the child could meet
/// locks that nobody will release.
pub(crate) fn fork() -> Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count);
    if threads.is_ok_and(|threads| threads > 1) {
        return Err(Errno::BUSY);
    }
    // SAFETY: there is no other thread whose locks or half-changed memory the child could inherit, so
    // the child may go on with anything that the parent could do.
    let pid = unsafe { libc::fork() };
    check(pid.into())?;
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// Replaces the process by a program; comes back only when that fails.
pub(crate) fn execve(program: &CString, args: &[CString], env: &[CString]) -> Result<Infallible> {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([std::ptr::null()])
            .collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: all three point to NUL-terminated strings, the two arrays end with a null pointer, and
    // everything outlives the call.
    let result = unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Err(check(result.into()).err().unwrap_or(Errno::IO))
}

/// Makes a mount, and with `recursive` all below it, read-only (`mount_setattr(2)`, Linux 5.12).
pub(crate) fn mount_read_only(mount: impl AsFd, recursive: bool) -> Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let recursive = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated string, and the structure is whole and of the size that is
    // passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    check(result).map(drop)
}

/// Marks every file descriptor from `first` on to be closed when a program is executed.
pub(crate) fn close_on_exec_from(first: u32) -> Result<()> {
    // SAFETY: takes three numbers; descriptors are marked, not closed, so that their owners keep them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    check(result).map(drop)
}

/// Gives every signal its default action and unblocks it: what a program expects to start with. The
/// Rust runtime ignores `SIGPIPE`, and kiln's caller may ignore more.
pub(crate) fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the default action runs no code of ours. Signals that cannot be changed are refused
        // by the kernel, which changes nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a signal set is plain data that sigemptyset fills whole, and the old mask is not asked
    // for.
    unsafe {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Brings the interface `lo` up, through any socket.
pub(crate) fn loopback_up(socket: impl AsFd) -> Result<()> {
    // SAFETY: all zeros are a valid value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which is whole and outlives the call.
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::SIOCSIFFLAGS,
            &raw const request,
        )
    };
    check(result.into()).map(drop)
}

/// Leaves namespaces of the caller for new ones. Only a process with one thread may do it.
pub(crate) fn unshare(flags: rustix::thread::UnshareFlags) -> Result<()> {
    // SAFETY: the flags make new namespaces and do not unshare the table of open files, which other code
    // could rely on.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

/// Ignores the signals that a terminal or a polite kill sends to a whole group.
pub(crate) fn ignore_signals() {
    for signal in [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
    ] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Installs a system call filter without giving up privileges first, which needs `CAP_SYS_ADMIN`
/// (`seccomp(2)`, SECCOMP_SET_MODE_FILTER).
pub(crate) fn install_filter(program: &[seccompiler::sock_filter]) -> Result<()> {
    let Ok(length) = u16::try_from(program.len()) else {
        return Err(Errno::TOOBIG);
    };
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the program is an array of `len` instructions of the kernel's own layout that outlives the
    // call, which only reads it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    check(result).map(drop)
}
