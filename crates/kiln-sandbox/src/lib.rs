//! Run a process in a root filesystem, as root or as an ordinary user, without any other tool.
//!
//! [`spawn`] takes a [`Spec`] and gives a [`Sandboxed`] process in mount, process, IPC, host name,
//! cgroup and, if asked, network namespaces of its own, with a private `/proc`, `/dev` and `/sys`,
//! Docker's default capabilities and system call filter. The sandboxed process is process 1 of its
//! namespace, as in BuildKit: when it ends, everything that it started is killed. All mounts live in
//! the sandbox's own mount namespace, so nothing is left behind, whoever is killed.
//!
//! The program that uses this crate calls [`init_if_requested`] first of all in `main`, because kiln
//! starts itself again to set a sandbox up; an ordinary user also needs [`enter_user_namespace`] there.
//! How it works inside and why: `docs/design/sandbox.md`.
//!
//! Needs Linux 5.12 (5.11 introduced overlayfs in user namespaces, 5.12 `mount_setattr`). This is the
//! only crate of kiln with `unsafe`, all of it in one module of thin system calls.

mod capabilities;
mod error;
mod init;
mod probe;
mod sandboxed;
mod spec;
#[expect(unsafe_code, reason = "the system calls that rustix does not wrap")]
mod sys;
mod userns;
mod wire;

pub use capabilities::Capabilities;
pub use error::{SetUpError, SpawnError, Step, WaitError};
pub use init::init_if_requested;
pub use probe::{Abilities, probe};
pub use sandboxed::{
    Exit, ExitStatus, Handle, INIT_ARG, Note, Sandboxed, Stdio, Stream, set_init_program, spawn,
};
pub use spec::{Mount, Network, Overlay, Resource, Rlimit, Root, Security, Spec, Upper};
pub use userns::{
    IdMap, IdRange, Mapping, UserNamespace, UserNamespaceError, enter_user_namespace,
    user_namespace_needed,
};
