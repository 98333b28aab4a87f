//! What a person sees: the binary is run, its exit code and its output are looked at.
//!
//! One module for each command. Tests that run programs need a static busybox on the machine (Debian:
//! `busybox-static`) and, for an ordinary user, user namespaces; without them they say so and are listed in the
//! file that `KILN_NOT_CHECKED` names.

#![expect(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "this is a test: what goes wrong in it shall fail loudly, and it sets the environment up itself"
)]

mod admin;
mod analyze;
mod assemble;
mod attest;
mod build;
mod build_cache;
mod build_cache_elsewhere;
mod build_call;
mod build_copy;
mod build_device;
mod build_errors;
mod build_git;
mod build_platforms;
mod build_registry;
mod build_run;
mod build_ssh;
mod build_web;
mod cap;
mod completions;
mod copy;
mod df;
mod diff;
mod doctor;
mod explore;
mod export;
mod faults;
mod flatten;
mod fmt;
mod history;
mod images;
mod import;
mod inspect;
mod key;
mod lint;
mod load;
mod login;
mod logout;
mod prune;
mod pull;
mod push;
mod rebase;
mod recompress;
mod reproducible;
mod rmi;
mod rootless;
mod run;
mod save;
mod scrub;
mod serve;
mod sign;
mod slim;
mod squash;
mod tag;
mod tags;
mod trace;
mod trim;
mod verify;
mod web;
mod world;
