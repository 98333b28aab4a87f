//! Generated images, archives, throw-away directories and a registry in memory, for tests.
//!
//! Nothing here knows the store: its own tests use this, too.

#[cfg(feature = "debian")]
pub mod debian;
mod directory;
mod image;
mod registry;
mod rootfs;

pub use directory::TempDir;
pub use image::{ImageBuilder, MemoryLayer};
pub use registry::{Auth, Fault, MemoryRegistry, RegistryOptions, Rule, Seen};
pub use rootfs::{Layer, noise};
