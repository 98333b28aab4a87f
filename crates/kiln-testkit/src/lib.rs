//! Generated images, archives and throw-away directories for tests.
//!
//! Nothing here knows the store: its own tests use this, too.

mod directory;
mod image;
mod rootfs;

pub use directory::TempDir;
pub use image::{ImageBuilder, MemoryLayer};
pub use rootfs::{Layer, noise};
