//! What a [`Remote`](crate::Remote) is made from.

use std::fmt;
use std::sync::Arc;

use kiln_fetch::ClientOptions;

use crate::credentials::{Anonymous, Credentials};
use crate::hosts::Hosts;

/// A registry's message for its users, beside the answer: a tag that expires, a repository that moves.
///
/// Source: distribution specification, "Warnings".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// The host that said it.
    pub host: String,
    /// Its words, without control characters.
    pub text: String,
}

/// Called with warnings, by any thread.
pub type OnWarning = Arc<dyn Fn(&Warning) + Send + Sync>;

/// How registries are spoken to. `Default` suits public registries without login.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Who we are.
    pub credentials: Arc<dyn Credentials>,
    /// Mirrors, certificates, plain HTTP.
    pub hosts: Hosts,
    /// Proxies, certificates for all hosts, timeouts, retries, and the flag that ends all work: once
    /// `client.cancelled` is true, every call returns [`RemoteError::Cancelled`](crate::RemoteError::Cancelled) soon.
    pub client: ClientOptions,
    /// Requests for one blob that run at once, and blobs of one image that move at once; at least one.
    pub parallel: usize,
    /// Blobs from this size on, in bytes, are fetched in ranges at once.
    pub ranges_from: u64,
    /// Called for each warning of a registry, each text once.
    pub on_warning: Option<OnWarning>,
    /// Hosts of token servers (`auth.example.com`) that get passwords beside those that share the registry's domain.
    pub trusted_realms: Vec<String>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            credentials: Arc::new(Anonymous),
            hosts: Hosts::default(),
            client: ClientOptions::default(),
            parallel: 4,
            ranges_from: 32 << 20,
            on_warning: None,
            trusted_realms: vec![],
        }
    }
}

impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteOptions")
            .field("hosts", &self.hosts)
            .field("client", &self.client)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}
