//! Processes in real sandboxes. The tests need root and a static busybox; without them they say so.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is a test: what goes wrong in it shall fail loudly, and it sets the environment up itself"
)]

mod isolation;
mod life;
mod mounts;
mod refusals;
mod rootless;
mod world;
