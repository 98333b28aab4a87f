//! Integration tests of kiln-layer: formats against each other, against naive models, against the
//! host's own tools and against hostile input.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(clippy::print_stdout, reason = "tests say what they could not check")]

mod compression;
mod gnu_tar;
mod go_bytes;
mod go_oracle;
mod hostile;
mod index;
mod indexing;
mod model;
mod raw;
mod samples;
mod squash;
mod tar_round_trip;
mod tools;
mod tree;
