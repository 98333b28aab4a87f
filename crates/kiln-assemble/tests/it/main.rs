//! Integration tests of kiln-assemble against a signed repository on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod hostile;
mod image;
mod locking;
mod openpgp;
mod trust;
mod world;
