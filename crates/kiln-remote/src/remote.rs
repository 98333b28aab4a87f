//! All registries, as one process sees them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kiln_fetch::{Client, ClientOptions, Identity, Method};
use kiln_oci::Reference;

use crate::auth::realm::is_loopback;
use crate::auth::{Authenticator, Scope};
use crate::endpoint::{Call, Endpoint, Scheme};
use crate::error::RemoteError;
use crate::hosts::{Capabilities, HostSpec};
use crate::options::{RemoteOptions, Warning};
use crate::repository::Repository;

/// The most warnings that are remembered, so that each is passed on once.
const MAX_WARNINGS: usize = 1000;

/// Where `docker.io` is really served.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The longest wait for a connection to a mirror.
const MIRROR_CONNECT: Duration = Duration::from_secs(10);

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
            source: Box::new(source),
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
        let spec = self.inner.options.hosts.of(name)?;
        let mirrors = spec
            .mirrors
            .into_iter()
            .map(|mirror| self.mirror(name, mirror));
        let registry = Arc::new(Registry {
            mirrors: mirrors.collect::<Result<_, _>>()?,
            origin: match spec.server {
                Some(server) => self.server(name, server)?,
                None => self.origin(name),
            },
        });
        registries.insert(name.to_owned(), Arc::clone(&registry));
        Ok(registry)
    }

    /// A registry that is reached in the usual way.
    fn origin(&self, name: &str) -> Endpoint {
        let host = if name == DOCKER_HUB.0 {
            DOCKER_HUB.1
        } else {
            name
        };
        let bare = without_port(host);
        let plain = &self.inner.options.hosts.plain_http;
        let scheme = if plain
            .iter()
            .any(|entry| entry == name || entry == host || entry == bare)
        {
            Scheme::Known { secure: false }
        } else if is_loopback(bare) {
            Scheme::Loopback(OnceLock::new())
        } else {
            Scheme::Known { secure: true }
        };
        self.endpoint(name, host, scheme, Arc::clone(&self.inner.client))
    }

    /// A registry that is reached as its settings say.
    fn server(&self, name: &str, mut spec: HostSpec) -> Result<Endpoint, RemoteError> {
        if spec.host == DOCKER_HUB.0 {
            DOCKER_HUB.1.clone_into(&mut spec.host);
        }
        let scheme = Scheme::Known {
            secure: spec.secure,
        };
        let client = self.client_for(&spec, self.inner.options.client.clone())?;
        let endpoint = self.endpoint(name, &spec.host, scheme, client);
        Ok(Endpoint {
            path: spec.path,
            headers: spec.headers,
            ..endpoint
        })
    }

    /// A mirror of the registry `name`.
    fn mirror(&self, name: &str, spec: HostSpec) -> Result<Endpoint, RemoteError> {
        let mut options = self.inner.options.client.clone();
        // Others can be asked, so it is not worth waiting for one that is down.
        options.retries.max = options.retries.max.min(1);
        options.timeouts.connect = options.timeouts.connect.min(MIRROR_CONNECT);
        let client = self.client_for(&spec, options)?;
        let scheme = Scheme::Known {
            secure: spec.secure,
        };
        let endpoint = self.endpoint(&spec.host, &spec.host, scheme, client);
        Ok(Endpoint {
            path: spec.path,
            headers: spec.headers,
            capabilities: spec.capabilities,
            namespace: Some(name.to_owned()),
            ..endpoint
        })
    }

    fn client_for(
        &self,
        spec: &HostSpec,
        mut options: ClientOptions,
    ) -> Result<Arc<Client>, RemoteError> {
        options
            .ca_certificates
            .extend(spec.authorities.iter().cloned());
        options
            .identities
            .extend(spec.identities.iter().map(|(certificates, key)| Identity {
                hosts: vec![spec.host.clone()],
                certificates: certificates.clone(),
                key: key.clone(),
            }));
        if spec.skip_verify {
            options.insecure_hosts.push(spec.host.clone());
        }
        let client = Client::new(options).map_err(|source| RemoteError::Client {
            host: spec.host.clone(),
            source: Box::new(source),
        })?;
        Ok(Arc::new(client))
    }

    /// An endpoint that can do everything. `name` is what its credentials are kept under.
    fn endpoint(&self, name: &str, host: &str, scheme: Scheme, client: Arc<Client>) -> Endpoint {
        let options = &self.inner.options;
        Endpoint {
            host: host.to_owned(),
            login: name.to_owned(),
            scheme,
            path: "/v2".to_owned(),
            client,
            headers: vec![],
            capabilities: Capabilities {
                pull: true,
                resolve: true,
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
