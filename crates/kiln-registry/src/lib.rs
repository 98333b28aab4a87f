//! The registry server: the distribution API over blobs and metadata, accounts and roles, collection.

pub mod access;
pub mod api;
pub mod clock;
pub mod collect;
pub mod config;
pub mod content;
pub mod database;
mod distribution;
mod duty;
pub mod indexer;
mod metrics;
pub mod name;
pub mod scrub;
mod server;
pub mod storage;

pub use server::{
    BackingError, Level, Log, OpenError, Server, ServerError, ServerHandle, TlsError,
    check_backing, check_certificate,
};
