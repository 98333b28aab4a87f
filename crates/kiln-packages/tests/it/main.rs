//! Integration tests of kiln-packages: dpkg as the judge where it is present, properties, and hostile
//! input.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(clippy::print_stdout, reason = "tests say what they could not check")]

mod dpkg;
mod elf;
mod properties;
