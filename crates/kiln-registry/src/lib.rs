//! The registry server: the distribution API over blobs and metadata, accounts and roles, collection.

pub mod clock;
pub mod database;
pub mod name;
