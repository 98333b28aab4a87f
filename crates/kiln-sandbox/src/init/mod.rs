//! The process that kiln starts to set a sandbox up, the *watcher*, and its child, which becomes the
//! program.
//!
//! ```text
//! kiln ──socket──▶ watcher ──fork──▶ child ──exec──▶ program (process 1 of its namespace)
//!                    │  unshares namespaces; waits for the program, passes signals on
//!                    └─ kills the program when the socket closes
//! ```
//!
//! The child does everything that has to happen inside the new namespaces, because some of it (`/proc`) needs to be
//! done from inside. It reports over a pipe that closes by itself when the program is executed.

mod dev;
mod files;
mod mounts;
mod overlay;
mod rights;
mod root;
mod seccomp;
mod setup;
mod target;
mod watcher;

use std::os::fd::AsFd as _;

use crate::sandboxed::INIT_ARG;

pub(crate) use overlay::mount as mount_overlay;

/// Becomes the process that sets a sandbox up, if that is what this process was started for, and then never
/// returns. Call it first of all in `main`: it must run before any thread.
pub fn init_if_requested() {
    let mut args = std::env::args_os();
    if args.nth(1).is_none_or(|first| first != INIT_ARG) {
        return;
    }
    let code = watcher::run(std::io::stdin().as_fd());
    #[expect(
        clippy::exit,
        reason = "this process exists for the sandbox alone and has nothing to unwind"
    )]
    std::process::exit(code);
}
