//! Images straight from distribution packages: a short file says what is wanted, a lock file says
//! exactly which packages that are, and the same lock gives the same digest anywhere.
//!
//! ```text
//! image.toml --lock--> image.lock --assemble--> image
//!   Spec        |        Lock         |
//!          repositories          .deb archives
//! ```
//!
//! - [`Spec`] is the file that a person writes;
//! - [`lock()`] asks the repositories, checks their signatures and resolves; [`Lock`] is what comes out;
//! - [`assemble()`] builds from the lock alone: every archive is checked against its digest while it
//!   streams from the cache into a layer, and nothing is unpacked.
//!
//! Unless the image file asks for it, nothing is run: what maintainer scripts would have made and images need
//! (users, certificates, the links of a merged `/usr`) is written by [`assemble()`] itself. With
//! `scripts = "run"` they run in the sandbox, and the image has dpkg's database.

mod assemble;
mod cache;
mod keyring;
mod lock;
mod locking;
mod needs;
mod openpgp;
mod preset;
mod repository;
mod resolve;
mod sbom;
mod spec;
mod time;

pub use assemble::{
    AssembleContext, AssembleError, AssembleOptions, Assembled, MadeImage, assemble,
};
pub use cache::{CacheError, Downloads, Event};
pub use keyring::{Keyring, KeyringError, SignatureError};
pub use lock::{Change, InvalidLock, Lock, LockedPackage, LockedRelease, changes};
pub use locking::{LockContext, LockError, LockOptions, lock};
pub use needs::{EditError, Needs, NeedsError, needs, providers, with_application};
pub use openpgp::Malformed;
pub use preset::{PRESETS, Preset, PresetSource};
pub use repository::RepositoryError;
pub use resolve::ResolveError;
pub use sbom::{Distribution, sbom};
pub use spec::{
    Architecture, ConfigSpec, Drop, FileSpec, InvalidSpec, Priority, RepositorySpec, Scripts, Spec,
    UserSpec,
};
