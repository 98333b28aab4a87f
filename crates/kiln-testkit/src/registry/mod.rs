//! A tiny registry in memory, for the tests of clients.
//!
//! It speaks the OCI distribution specification 1.1 over plain HTTP on the loopback interface, one thread to a
//! connection, and can be told to be as bad as registries are: old, slow, strict, broken or hostile. Never used outside
//! of tests; it keeps all it is given.
//!
//! ```
//! let registry = kiln_testkit::MemoryRegistry::start();
//! registry.put_blob("library/a", b"content");
//! assert!(registry.requests().is_empty());
//! ```

mod auth;
mod fault;
mod http;
mod options;
mod routes;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufReader;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use kiln_oci::{Digest, Image, media_type};

pub use auth::Auth;
pub use fault::{Fault, Rule};
pub use options::RegistryOptions;

use http::{Reply, Request};

/// A request that the registry got, and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status of the answer; zero if the registry hung up.
    pub status: u16,
}

impl Seen {
    /// The first field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A manifest as it was put.
#[derive(Clone, Debug)]
struct Stored {
    media_type: String,
    bytes: Arc<[u8]>,
}

#[derive(Default)]
struct Repository {
    blobs: BTreeSet<Digest>,
    manifests: HashMap<Digest, Stored>,
    tags: BTreeMap<String, Digest>,
}

#[derive(Default)]
struct Content {
    blobs: HashMap<Digest, Arc<[u8]>>,
    repositories: BTreeMap<String, Repository>,
    uploads: HashMap<String, Vec<u8>>,
}

/// What the threads share.
struct Shared {
    options: RegistryOptions,
    content: Mutex<Content>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    tokens: Mutex<HashMap<String, auth::Grant>>,
    /// The connections that are open.
    connections: Mutex<HashMap<u64, TcpStream>>,
    /// How many there have been.
    connected: AtomicU64,
    counter: AtomicU64,
    stop: AtomicBool,
    address: SocketAddr,
}

impl Shared {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}

/// A running registry; it stops when dropped.
pub struct MemoryRegistry {
    shared: Arc<Shared>,
}

impl MemoryRegistry {
    /// One that can do everything, for anyone.
    #[must_use]
    pub fn start() -> Self {
        Self::with(RegistryOptions::default())
    }

    /// One with these options.
    ///
    /// # Panics
    /// If there is no port on the loopback interface.
    #[must_use]
    pub fn with(options: RegistryOptions) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because loopback has free ports");
        let address = listener
            .local_addr()
            .expect("because a bound socket has an address");
        let shared = Arc::new(Shared {
            options,
            content: Mutex::default(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            tokens: Mutex::default(),
            connections: Mutex::default(),
            connected: AtomicU64::new(0),
            counter: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            address,
        });
        let registry = Self {
            shared: Arc::clone(&shared),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                shared.connected.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&shared, stream));
            }
        });
        registry
    }

    /// `127.0.0.1:PORT`, as it stands in references.
    #[must_use]
    pub fn host(&self) -> String {
        self.shared.address.to_string()
    }

    /// Lets the next requests that match a rule go wrong. Rules are looked at in the order they were given in.
    pub fn inject(&self, rule: Rule) {
        self.shared
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rule);
    }

    /// All requests so far, in the order in which they were answered.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `METHOD /path` of the requests so far whose path contains `part`, queries left out.
    #[must_use]
    pub fn lines(&self, part: &str) -> Vec<String> {
        let line = |seen: &Seen| {
            let path = seen.target.split('?').next().unwrap_or_default();
            format!("{} {path}", seen.method)
        };
        self.requests()
            .iter()
            .map(line)
            .filter(|line| line.contains(part))
            .collect()
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Makes all tokens invalid that were given out.
    pub fn revoke_tokens(&self) {
        self.shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Puts a blob into a repository.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::sha256(bytes);
        let mut content = self.shared.content();
        content.blobs.insert(digest, bytes.into());
        content
            .repositories
            .entry(repository.to_owned())
            .or_default()
            .blobs
            .insert(digest);
        digest
    }

    /// Puts a manifest into a repository, under a tag if one is given.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        let digest = Digest::sha256(bytes);
        let mut content = self.shared.content();
        let repository = content
            .repositories
            .entry(repository.to_owned())
            .or_default();
        let stored = Stored {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        };
        repository.manifests.insert(digest, stored);
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest);
        }
        digest
    }

    /// Puts an image with its config and layers into a repository.
    ///
    /// # Panics
    /// If a layer cannot be read.
    pub fn put_image(&self, repository: &str, tag: Option<&str>, image: &Image) -> Digest {
        for layer in &image.layers {
            let mut bytes = Vec::new();
            let mut reader = layer
                .open()
                .expect("because the layers of tests can be opened");
            std::io::copy(&mut reader, &mut bytes)
                .expect("because the layers of tests can be read");
            self.put_blob(repository, &bytes);
        }
        self.put_blob(repository, image.config.bytes());
        let kind = image
            .manifest
            .media_type
            .as_deref()
            .unwrap_or(media_type::OCI_MANIFEST);
        self.put_manifest(repository, tag, kind, image.manifest.bytes())
    }

    /// The blob, if that repository has it.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        let content = self.shared.content();
        content
            .repositories
            .get(repository)
            .filter(|repository| repository.blobs.contains(digest))?;
        content.blobs.get(digest).map(|bytes| bytes.to_vec())
    }

    /// The manifest with that tag or digest, if that repository has it.
    #[must_use]
    pub fn manifest(&self, repository: &str, name: &str) -> Option<Vec<u8>> {
        let content = self.shared.content();
        let repository = content.repositories.get(repository)?;
        repository
            .find(name)
            .map(|(_, stored)| stored.bytes.to_vec())
    }

    /// The tags of a repository, sorted.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let content = self.shared.content();
        let tags = content
            .repositories
            .get(repository)
            .map(|repository| repository.tags.keys().cloned().collect());
        tags.unwrap_or_default()
    }
}

impl std::fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryRegistry({})", self.shared.address)
    }
}

impl Drop for MemoryRegistry {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections, and those that wait on one.
        let _ = TcpStream::connect(self.shared.address);
        let connections = self.shared.connections.lock();
        for connection in connections.unwrap_or_else(PoisonError::into_inner).values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Repository {
    /// By tag or digest.
    fn find(&self, name: &str) -> Option<(Digest, &Stored)> {
        let digest = name.parse().ok().or_else(|| self.tags.get(name).copied())?;
        self.manifests.get(&digest).map(|stored| (digest, stored))
    }
}

/// Answers what comes over one connection, and closes it really: a copy that stayed open would keep a client waiting that
/// still sends.
fn serve(shared: &Shared, stream: TcpStream) {
    let number = shared.number();
    let connections = || {
        let connections = shared.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    };
    if let Ok(clone) = stream.try_clone() {
        connections().insert(number, clone);
    }
    converse(shared, stream);
    connections().remove(&number);
}

/// A client that hangs up is part of the tests.
fn converse(shared: &Shared, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(mut request)) = http::read_head(&mut stream) {
        let rule = fault::take(&shared.rules, &request);
        let (reply, whole) = match rule {
            Some(Fault::HangUp) => (None, false),
            Some(Fault::HangUpAfter(bytes)) => {
                let _ = http::read_some(&mut stream, &mut request, bytes);
                // What came so far is kept, as registries do.
                let _ = uploads::keep_broken(shared, &request);
                (None, false)
            }
            rule => match http::read_body(&mut stream, &mut request, shared.options.max_body) {
                Ok(true) => (Some(answer(shared, &request, rule)), true),
                Ok(false) => (
                    Some(Reply::error(413, "SIZE_INVALID", "the body is too long")),
                    false,
                ),
                Err(_) => (None, false),
            },
        };
        let status = reply.as_ref().map_or(0, |reply| reply.status);
        shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Seen {
                method: request.method.clone(),
                target: request.target.clone(),
                headers: request.headers.clone(),
                status,
            });
        let sent = reply.is_some_and(|reply| {
            reply
                .send(stream.get_mut(), request.method == "HEAD")
                .unwrap_or(false)
        });
        if !sent || !whole {
            let _ = stream.get_ref().shutdown(Shutdown::Both);
            return;
        }
    }
}

fn answer(shared: &Shared, request: &Request, fault: Option<Fault>) -> Reply {
    if let Some(Fault::Answer {
        status,
        headers,
        body,
    }) = &fault
    {
        return Reply {
            headers: headers.clone(),
            ..Reply::new(*status).body(body.clone())
        };
    }
    let mut reply =
        auth::answer(shared, request).unwrap_or_else(|| routes::answer(shared, request));
    if let Some(text) = &shared.options.warning {
        reply = reply.header("Warning", format!("299 - \"{text}\""));
    }
    if !shared.options.digest_header {
        reply
            .headers
            .retain(|(name, _)| name != "Docker-Content-Digest");
    }
    match fault {
        Some(fault) => fault.spoil(reply),
        None => reply,
    }
}
