//! The sandbox from outside: real processes in real namespaces.
//!
//! A test that the machine does not allow (no root and no user namespaces, say) prints why and passes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::zombie_processes,
    unreachable_pub,
    reason = "this is a test: what goes wrong in it shall fail loudly, and some processes are killed on purpose"
)]

mod isolation;
mod life;
mod mounts;
mod place;
mod rootless;
#[cfg(target_arch = "x86_64")]
mod thirty_two;
