//! A small repository of Debian packages with a key of its own, and a server that gives it out.

mod deb;
mod key;
mod repository;
mod server;

pub use deb::{Deb, ar};
pub use key::{Flaw, SigningKey};
pub use repository::{DebianRepository, Published};
pub use server::FileServer;
