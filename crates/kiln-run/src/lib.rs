//! An image's config and a root filesystem become a process. `kiln build` runs its RUN steps through
//! here, `kiln run` its containers; later slim and maintainer scripts do the same.
//!
//! This crate knows what an image *means* (its user by name, its entry point, its environment) and turns
//! it into what the sandbox *does*. It keeps no state: root filesystems come from the store's snapshots.

mod command;
mod foreign;
mod network;
mod process;
mod user;

pub use command::{argv, effective_env};
pub use foreign::{Emulators, ForeignPlatform, check_platform, emulators};
pub use kiln_sandbox as sandbox;
pub use network::NetworkFiles;
pub use process::{Process, Rootfs, spawn, spawn_in};
pub use user::{User, UserError, resolve_owner, resolve_user};
