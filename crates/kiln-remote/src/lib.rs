//! The client's side of registries: references to content, authentication, pulls and pushes, referrers, and the
//! docker daemon's socket.
//!
//! A [`Remote`] is made once per process; it keeps connections, tokens and what it learnt of each registry. A
//! [`Repository`] is a handle to one repository on one registry:
//!
//! ```no_run
//! use kiln_remote::{Remote, RemoteOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let remote = Remote::new(RemoteOptions::default())?;
//! let reference = "docker.io/library/alpine:3.18".parse()?;
//! let (descriptor, manifest) = remote.repository(&reference).manifest(&reference)?;
//! println!("{} has {} bytes", descriptor.digest, manifest.len());
//! # Ok(())
//! # }
//! ```
//!
//! What a registry sends is not believed: every manifest and blob is compared with its digest, nothing is read beyond its
//! announced size, and credentials go nowhere but to the registry and to the token server that belongs to it.
//!
//! Sources: the OCI distribution specification 1.1 and its main branch
//! (<https://github.com/opencontainers/distribution-spec>); the token flow is Docker's, as written down in the
//! distribution project ("Token Authentication Specification", "Token Scope Documentation", "OAuth2 Token Authentication").

mod answer;
mod auth;
mod blob;
pub mod credentials;
pub mod daemon;
mod endpoint;
mod error;
#[cfg(test)]
mod hostile_tests;
mod hosts;
mod listing;
mod manifests;
mod options;
mod referrers;
mod remote;
mod repository;
pub mod transfer;

pub use blob::{BlobReader, BlobSource, UploadOptions, Uploaded};
pub use credentials::{Credential, Credentials};
pub use error::{Reason, RemoteError};
pub use hosts::{Hosts, HostsError, Mirror};
pub use listing::Names;
pub use options::{OnWarning, RemoteOptions, Warning};
pub use remote::Remote;
pub use repository::{Name, Repository};
pub use transfer::{
    ContentError, ContentSource, ContentTarget, Origin, TransferError, TransferEvent,
    TransferOptions, Transferred, transfer,
};
