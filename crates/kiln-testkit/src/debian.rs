//! A small repository of Debian packages with a key of its own, and a server that gives it out.

mod deb;
mod repository;
mod server;

pub use deb::{Deb, ar};
pub use repository::{DebianRepository, Published, SigningKey};
pub use server::FileServer;
