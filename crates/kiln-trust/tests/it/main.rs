//! The tests of `kiln-trust` from outside.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what goes wrong in a test shall fail loudly, and one place of samples comes from the environment"
)]

mod attack;
mod certified;
mod memory;
mod notary;
mod policy;
mod revocation;
mod samples;
mod sealed;
mod sign;
