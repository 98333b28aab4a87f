//! The server: listeners, connections, and the way from a request to whoever answers it.
//!
//! HTTP/1.1 on plain TCP; HTTP/1.1 and HTTP/2 on TLS, chosen by ALPN. Which of the two it is is known
//! before the first byte is read, so nothing has to be guessed from a connection that may never send
//! anything.

mod background;
mod backing;
mod connection;
mod exchange;
mod guard;
mod incoming;
mod listener;
mod log;
mod open;
mod origin;
mod reply;
mod service;
mod tls;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};

use crate::access::Access;
use crate::config::{Config, Finding};
use crate::content::Content;
use crate::metrics::Metrics;

pub use backing::{BackingError, check_backing};
pub(crate) use exchange::Exchange;
pub(crate) use incoming::{Ending, Progress, RequestBody};
pub(crate) use log::timestamp;
pub use log::{Level, Log};
pub use open::OpenError;
pub(crate) use origin::Origin;
pub(crate) use reply::ReplyBody;
pub(crate) use service::State;
pub use tls::TlsError;

use listener::{Listener, PerAddress};
use tls::Tls;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The settings make no sense together.
    #[error("the configuration is wrong: {}", first(.0))]
    Config(Vec<Finding>),
    /// There is no such address here, or something else listens on it.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
}

fn first(findings: &[Finding]) -> String {
    findings
        .first()
        .map_or_else(String::new, Finding::to_string)
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    state: Arc<State>,
    tls: Option<Arc<Tls>>,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    cut_off: Arc<Notify>,
}

/// Tells a running server what to do. Clones tell the same one.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    state: Arc<State>,
    tls: Option<Arc<Tls>>,
    stop: watch::Sender<bool>,
    cut_off: Arc<Notify>,
}

impl ServerHandle {
    /// Takes no more connections, lets running requests end within `timeouts.shutdown`, and makes
    /// [`Server::run`] return.
    pub fn stop(&self) {
        self.state.ending.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
    }

    /// Waits no longer for requests that run.
    pub fn cut_off(&self) {
        self.cut_off.notify_one();
    }

    /// Reads the certificate and its key again. Connections that are open keep the old one.
    ///
    /// # Errors
    /// When the files are missing or do not belong together; the server keeps what it has.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        match &self.tls {
            Some(tls) => tls.reload(),
            None => Ok(()),
        }
    }
}

/// Whether the certificate and the key that `config` names can be used together. Nothing is made.
///
/// # Errors
/// When they cannot.
pub fn check_certificate(config: &Config) -> Result<(), TlsError> {
    match tls::named(config) {
        Some(files) => tls::read(&files).map(drop),
        None => Ok(()),
    }
}

impl Server {
    /// Takes the addresses of `config`, and sets up TLS. `data` is where a certificate for trying
    /// out is kept. Needs a runtime around it.
    ///
    /// # Errors
    /// When the configuration is wrong, an address cannot be had, or a certificate is unusable.
    async fn bind(
        config: Config,
        data: &Path,
        content: Content,
        access: Access,
        api: axum::Router,
        log: Log,
    ) -> Result<Self, ServerError> {
        Self::check(&config)?;
        let tls = match tls::files(&config, data)? {
            Some(files) => Some(Arc::new(Tls::load(files)?)),
            None => None,
        };
        let mut listeners = vec![];
        let mut addresses = vec![];
        for address in &config.listen {
            let wrong = |source| ServerError::Listen {
                address: *address,
                source,
            };
            let listener = TcpListener::bind(address).await.map_err(wrong)?;
            addresses.push(listener.local_addr().map_err(wrong)?);
            listeners.push(listener);
        }
        let state = State {
            uploads: Arc::new(Semaphore::new(config.limits.uploads)),
            config,
            content,
            access,
            metrics: Arc::new(Metrics::new()),
            log,
            api,
            ending: AtomicBool::new(false),
            ids: service::RequestIds::new(),
        };
        Ok(Self {
            state: Arc::new(state),
            tls,
            listeners,
            addresses,
            stop: watch::Sender::new(false),
            cut_off: Arc::default(),
        })
    }

    fn check(config: &Config) -> Result<(), ServerError> {
        match config.check() {
            findings if findings.is_empty() => Ok(()),
            findings => Err(ServerError::Config(findings)),
        }
    }

    /// Where it listens, with the ports that were taken, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether clients have to speak TLS.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The certificate that clients have to trust, if it was made here: a PEM file.
    #[must_use]
    pub fn own_certificate(&self) -> Option<&Path> {
        let tls = self.tls.as_ref()?;
        self.state.config.tls.self_signed.then(|| tls.certificate())
    }

    /// To stop it, or have it read its certificate again.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            state: self.state.clone(),
            tls: self.tls.clone(),
            stop: self.stop.clone(),
            cut_off: self.cut_off.clone(),
        }
    }

    /// Answers requests until [`ServerHandle::stop`] is called; then waits for those that run, at
    /// most as long as `timeouts.shutdown` says.
    pub async fn run(self) {
        let grace = self.state.config.timeouts.shutdown.0;
        let graceful = Arc::new(GracefulShutdown::new());
        let permits = Arc::new(Semaphore::new(self.state.config.limits.connections));
        let addresses = self.addresses.iter().map(ToString::to_string);
        let addresses = addresses.collect::<Vec<_>>().join(" ");
        let log = self.state.log.clone();
        let per_address = PerAddress::default();
        let background = background::start(&self.state);
        log.event(Level::Info, "listening", &[("addresses", &addresses)]);
        let listeners: Vec<_> = self
            .listeners
            .into_iter()
            .map(|socket| {
                let listener = Listener {
                    socket,
                    state: self.state.clone(),
                    tls: self.tls.clone(),
                    permits: permits.clone(),
                    graceful: graceful.clone(),
                    stop: self.stop.subscribe(),
                    addresses: per_address.clone(),
                };
                tokio::spawn(listener.run())
            })
            .collect();
        for listener in listeners {
            // It ends when it is told to; a panic in it ends the server, too.
            let _ = listener.await;
        }
        // The listeners that shared it are gone.
        let cut_off = match Arc::into_inner(graceful) {
            Some(graceful) => {
                tokio::select! {
                    () = graceful.shutdown() => false,
                    () = tokio::time::sleep(grace) => true,
                    () = self.cut_off.notified() => true,
                }
            }
            None => true,
        };
        drop(background);
        if let Err(error) = self.state.content.give_up_claims().await {
            let text = crate::distribution::chain(&error);
            log.event(Level::Error, "uploads stay claimed", &[("error", &text)]);
        }
        if let Err(error) = self.state.access.close().await {
            let text = crate::distribution::chain(&error);
            log.event(Level::Error, "audit lines lost", &[("error", &text)]);
        }
        let fields = [("cut_off_requests", if cut_off { "yes" } else { "no" })];
        log.event(Level::Info, "stopped", &fields);
    }
}

/// A pause after which accepting is tried again when the process has no file descriptor left.
const BREATH: Duration = Duration::from_millis(50);
