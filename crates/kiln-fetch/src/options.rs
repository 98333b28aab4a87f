//! What a [`Client`](crate::Client) is made from.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How a client behaves. `Default` suits a machine that is directly connected.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Proxies, as the caller found them in the environment or in its configuration.
    pub proxies: Proxies,
    /// Certificates of further authorities in PEM form, any number in each entry. They are trusted
    /// in addition to the machine's own.
    pub ca_certificates: Vec<Vec<u8>>,
    /// Hosts (`host` or `host:port`) whose certificates are not checked.
    pub insecure_hosts: Vec<String>,
    /// Certificates with which we prove who we are, each to its hosts.
    pub identities: Vec<Identity>,
    /// The UNIX socket over which all requests go, whatever host their URLs name; `http:` only, and without proxies.
    /// Systems without such sockets refuse it.
    pub socket: Option<PathBuf>,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// How long the steps of a transfer may take.
    pub timeouts: Timeouts,
    /// How often and when a failed request is made again.
    pub retries: Retries,
    /// How many redirects a request may follow.
    pub max_redirects: u32,
    /// Once true, nothing is tried again: the wait before an attempt ends at once and the last
    /// answer or error is the result. A transfer that is under way is not touched.
    pub cancelled: Arc<AtomicBool>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            ca_certificates: Vec::new(),
            insecure_hosts: Vec::new(),
            identities: Vec::new(),
            socket: None,
            user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            max_redirects: 10,
            cancelled: Arc::default(),
        }
    }
}

/// A certificate with which a client proves who it is (TLS client authentication).
#[derive(Clone)]
pub struct Identity {
    /// The hosts (`host` or `host:port`) that get to see it.
    pub hosts: Vec<String>,
    /// The certificate and those that lead to its authority, in PEM form.
    pub certificates: Vec<u8>,
    /// Its private key, in PEM form and not encrypted. May be the same text as `certificates`.
    pub key: Vec<u8>,
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.hosts.join(", "))
    }
}

/// Proxies, in the terms of the usual environment variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http:` URLs: what `HTTP_PROXY` holds. The proxy must allow `CONNECT` to the target's
    /// port; plain requests are tunnelled too.
    pub http: Option<String>,
    /// For `https:` URLs: what `HTTPS_PROXY` holds.
    pub https: Option<String>,
    /// Hosts to reach directly: what `NO_PROXY` holds. Names separated by commas; each is a host
    /// (which covers its subdomains), `.domain` (subdomains only), an address, a network in CIDR
    /// notation, any of them with `:port`, or `*` for all. Loopback addresses and `localhost` are
    /// always reached directly.
    pub no_proxy: Option<String>,
}

/// Limits on waiting. A transfer as a whole may take any time, as long as bytes keep coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For name lookup, TCP, proxy and TLS together.
    pub connect: Duration,
    /// For one read or write on the connection: a peer silent for this long counts as gone.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// When to try again after a failure that may pass.
///
/// Delays double from `base_delay` up to `max_delay`, each drawn at random from its upper half, so
/// that many clients do not come back at once. A server's `Retry-After` takes precedence; one
/// longer than `max_delay` ends the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub max: u32,
    /// Before the first repetition.
    pub base_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            max: 4,
            base_delay: Duration::from_millis(300),
            max_delay: Duration::from_secs(30),
        }
    }
}
