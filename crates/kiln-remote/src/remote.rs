//! All registries, as one process sees them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kiln_fetch::{Client, Method};
use kiln_oci::Reference;

use crate::auth::realm::is_loopback;
use crate::auth::{Authenticator, Scope};
use crate::endpoint::{Call, Capabilities, Endpoint, Scheme};
use crate::error::RemoteError;
use crate::options::{RemoteOptions, Warning};
use crate::repository::Repository;

/// The most warnings that are remembered, so that each is passed on once.
const MAX_WARNINGS: usize = 1000;

/// Where `docker.io` is really served.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Access to registries. Cheap to clone; clones share connections, tokens and what was learnt of each host.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: RemoteOptions,
    client: Arc<Client>,
    registries: Mutex<HashMap<String, Arc<Registry>>>,
    on_warning: Arc<dyn Fn(Warning) + Send + Sync>,
}

/// A registry, and where it can be asked.
pub(crate) struct Registry {
    /// Asked first, in this order.
    pub(crate) mirrors: Vec<Endpoint>,
    /// The registry itself.
    pub(crate) origin: Endpoint,
}

impl Remote {
    /// Access with these options. Nothing is opened or read yet.
    ///
    /// # Errors
    /// When a proxy's address or a certificate among `options.client` cannot be used.
    pub fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let client = Client::new(options.client.clone()).map_err(|source| RemoteError::Client {
            host: "all registries".to_owned(),
            source,
        })?;
        let seen = Mutex::new(HashSet::new());
        let callback = options.on_warning.clone();
        let on_warning = move |warning: Warning| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(callback) = &callback
                && seen.len() < MAX_WARNINGS
                && seen.insert(warning.clone())
            {
                callback(&warning);
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                client: Arc::new(client),
                registries: Mutex::default(),
                on_warning: Arc::new(on_warning),
            }),
        })
    }

    /// The repository that `reference` lies in. Nothing is asked yet.
    #[must_use]
    pub fn repository(&self, reference: &Reference) -> Repository {
        Repository::new(self.clone(), reference.registry(), reference.repository())
    }

    /// Asks a registry whether it speaks the protocol and takes the credentials that are known for it: what a login does
    /// before it is kept. Registries that are open to anyone take any.
    ///
    /// Source: distribution specification, "Determining Support": `GET /v2/`.
    ///
    /// # Errors
    /// [`RemoteError::Unauthorized`] if it does not take them; [`RemoteError::NotFound`] if it is no registry.
    pub fn check(&self, registry: &str) -> Result<(), RemoteError> {
        let known = self.registry(registry)?;
        let call = Call {
            scopes: vec![],
            ..Call::new(Method::Get, String::new(), registry, "", Scope::Catalog)
        };
        known.origin.expect(&call, &[200])?;
        Ok(())
    }

    /// What this was made with.
    #[must_use]
    pub fn options(&self) -> &RemoteOptions {
        &self.inner.options
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.inner.options.client.cancelled.load(Ordering::Relaxed)
    }

    /// Waits; false when the caller does not want to go on.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        self.inner.client.pause(wait)
    }

    /// What is known of a registry.
    pub(crate) fn registry(&self, name: &str) -> Result<Arc<Registry>, RemoteError> {
        let mut registries = self
            .inner
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = registries.get(name) {
            return Ok(Arc::clone(known));
        }
        let registry = Arc::new(Registry {
            mirrors: vec![],
            origin: self.origin(name),
        });
        registries.insert(name.to_owned(), Arc::clone(&registry));
        Ok(registry)
    }

    fn origin(&self, name: &str) -> Endpoint {
        let host = if name == DOCKER_HUB.0 {
            DOCKER_HUB.1
        } else {
            name
        };
        let options = &self.inner.options;
        let bare = without_port(host);
        let plain = options
            .hosts
            .plain_http
            .iter()
            .any(|entry| entry == host || entry == bare);
        let scheme = if plain {
            Scheme::Known { secure: false }
        } else if is_loopback(bare) {
            Scheme::Loopback(std::sync::OnceLock::new())
        } else {
            Scheme::Known { secure: true }
        };
        Endpoint {
            host: host.to_owned(),
            scheme,
            path: "/v2".to_owned(),
            client: Arc::clone(&self.inner.client),
            headers: vec![],
            capabilities: Capabilities {
                pull: true,
                resolve: true,
                push: true,
            },
            namespace: None,
            authenticator: Authenticator::new(
                Arc::clone(&options.credentials),
                name,
                options.trusted_realms.clone(),
            ),
            failed_at: Mutex::default(),
            on_warning: Arc::clone(&self.inner.on_warning),
        }
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// The host's name or address of `host[:port]`.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((bare, port)) if !port.contains(']') => bare,
        _ => host,
    }
}
