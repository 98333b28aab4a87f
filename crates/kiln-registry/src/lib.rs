//! The registry server: the distribution API over blobs and metadata, accounts and roles, collection.

#[expect(dead_code, reason = "the JSON API, which comes next, uses the rest")]
pub mod access;
pub mod clock;
pub mod content;
pub mod database;
pub mod name;
pub mod storage;
