//! What the registry can do.

use super::auth::Auth;

/// What the registry can do. `Default` is all of the specification, for anyone.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Who may do what.
    pub auth: Auth,
    /// The referrers API is there.
    pub referrers: bool,
    /// Blobs can be had in parts.
    pub ranges: bool,
    /// Blobs can be mounted from other repositories.
    pub mounts: bool,
    /// The longest body of one request, in bytes; longer ones get 413.
    pub max_body: Option<u64>,
    /// Tags and repositories in one answer.
    pub page: usize,
    /// `OCI-Chunk-Min-Length` of upload sessions.
    pub min_chunk: Option<u64>,
    /// Answers say which digest their content has.
    pub digest_header: bool,
    /// HEAD is known.
    pub head: bool,
    /// A `Warning` that goes with each answer.
    pub warning: Option<String>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            auth: Auth::None,
            referrers: true,
            ranges: true,
            mounts: true,
            max_body: None,
            page: 1000,
            min_chunk: None,
            digest_header: true,
            head: true,
            warning: None,
        }
    }
}
