//! Local content: blobs, references, layer indexes, snapshots, leases, collection, layouts and archives

#[cfg(target_os = "linux")]
pub mod snapshot;
#[cfg(target_os = "linux")]
pub mod walk;
