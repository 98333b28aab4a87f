//! A store, a directory with `image.toml`, and a repository of one test's own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use kiln_assemble::{
    Architecture, AssembleContext, AssembleError, AssembleOptions, Assembled, Downloads, Lock,
    LockContext, LockError, LockOptions, Spec, assemble, lock,
};
use kiln_fetch::{Client, ClientOptions, Retries};
use kiln_layer::{ContentAt as _, LayerIndex, Tree};
use kiln_oci::{Descriptor, Image};
use kiln_store::{Store, StoreOptions};
use kiln_testkit::TempDir;
use kiln_testkit::debian::{Deb, DebianRepository, FileServer, SigningKey};

/// 2024-01-01, when test repositories are made, in seconds since 1970.
pub(crate) const MADE: i64 = 1_704_067_200;

/// A key that all tests share: making one is slow.
pub(crate) fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::new(true))
}

/// Everything that one test has.
pub(crate) struct World {
    root: TempDir,
    pub(crate) server: FileServer,
    pub(crate) offline: bool,
    pub(crate) now: i64,
}

impl World {
    /// With a repository of these packages.
    pub(crate) fn new(packages: Vec<Deb>) -> Self {
        Self::of(&DebianRepository::new(packages))
    }

    pub(crate) fn of(repository: &DebianRepository) -> Self {
        let world = Self {
            root: TempDir::new(),
            server: FileServer::start(repository.publish(key())),
            offline: false,
            now: MADE,
        };
        std::fs::write(world.path("archive.gpg"), key().keyring()).unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The image file with `text` in front of the repository.
    pub(crate) fn spec(&self, text: &str) -> Spec {
        let repository = format!(
            "[[repository]]\nurl = \"{}\"\nsuites = [\"stable\"]\nkeyring = \"archive.gpg\"\n",
            self.server.url()
        );
        // Tables of the text must not swallow the repository's keys, nor the other way round.
        let (keys, tables) = text.split_at(text.find("\n[").map_or(text.len(), |at| at + 1));
        format!("{keys}\n{repository}\n{tables}").parse().unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path("home"), &StoreOptions::default()).unwrap()
    }

    fn client(&self) -> Option<Client> {
        let options = ClientOptions {
            retries: Retries {
                max: 2,
                base_delay: std::time::Duration::from_millis(1),
                ..Retries::default()
            },
            ..ClientOptions::default()
        };
        (!self.offline).then(|| Client::new(options).unwrap())
    }

    pub(crate) fn lock(&self, spec: &Spec) -> Result<Lock, LockError> {
        self.lock_after(spec, None, false)
    }

    pub(crate) fn lock_after(
        &self,
        spec: &Spec,
        previous: Option<&Lock>,
        update: bool,
    ) -> Result<Lock, LockError> {
        let store = self.store();
        let lease = store.lease().unwrap();
        let client = self.client();
        let downloads = Downloads::open(&store, &lease, client.as_ref(), &|_| ()).unwrap();
        let context = LockContext {
            spec,
            architectures: &architectures(spec),
            directory: self.root.path(),
            downloads: &downloads,
            now: self.now,
            previous,
        };
        lock(&context, LockOptions { update })
    }

    pub(crate) fn make(&self, spec: &Spec, lock: &Lock) -> Result<Assembled, AssembleError> {
        self.make_with(spec, lock, 2)
    }

    pub(crate) fn make_with(
        &self,
        spec: &Spec,
        lock: &Lock,
        threads: usize,
    ) -> Result<Assembled, AssembleError> {
        let store = self.store();
        let lease = store.lease().unwrap();
        let client = self.client();
        let downloads = Downloads::open(&store, &lease, client.as_ref(), &|_| ()).unwrap();
        let context = AssembleContext {
            spec,
            lock,
            architectures: &architectures(spec),
            directory: self.root.path(),
            downloads: &downloads,
            store: &store,
            lease: &lease,
        };
        let options = AssembleOptions {
            epoch: None,
            threads,
        };
        let made = assemble(&context, options)?;
        let name = "made".parse().unwrap();
        store.set_reference(&name, &made.descriptor).unwrap();
        Ok(made)
    }

    /// Locks and makes, and looks at the one image.
    pub(crate) fn image(&self, text: &str) -> Result<Seen, AssembleError> {
        let spec = self.spec(text);
        let lock = self.lock(&spec).unwrap();
        let made = self.make(&spec, &lock)?;
        Ok(self.seen(&made.descriptor))
    }

    pub(crate) fn seen(&self, descriptor: &Descriptor) -> Seen {
        let store = self.store();
        let image = store.image_at(descriptor).unwrap();
        let layers: Vec<Arc<LayerIndex>> = image
            .layers
            .iter()
            .map(|layer| store.layer_index(layer.diff_id()).unwrap())
            .collect();
        let tree = Tree::of(layers.iter()).unwrap();
        Seen { image, tree, store }
    }
}

/// Those of the image file, or amd64.
pub(crate) fn architectures(spec: &Spec) -> Vec<Architecture> {
    match spec.architectures.is_empty() {
        true => vec!["amd64".parse().unwrap()],
        false => spec.architectures.clone(),
    }
}

/// An image that was made.
pub(crate) struct Seen {
    pub(crate) image: Image,
    pub(crate) tree: Tree,
    store: Store,
}

impl Seen {
    /// The paths of everything, with a slash behind directories and an arrow before links' targets.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec![];
        for layer in self.tree.layers() {
            for entry in &layer.entries {
                let path = entry.entry.display_path().into_owned();
                let node = self.tree.get(&entry.entry.path).unwrap();
                let tail = match &node.entry().kind {
                    kiln_layer::Kind::Directory => "/".to_owned(),
                    kiln_layer::Kind::Symlink { target } => {
                        format!(" -> {}", String::from_utf8_lossy(target))
                    }
                    _ => String::new(),
                };
                paths.push(path + &tail);
            }
        }
        paths.sort();
        paths.dedup();
        paths
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> String {
        let node = self
            .tree
            .get(path.as_bytes())
            .unwrap_or_else(|| panic!("no {path}"));
        let mut content = self
            .store
            .open_at(node.diff_id().unwrap(), node.indexed())
            .unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut content, &mut text).unwrap();
        text
    }
}

/// The message of an error and of all that caused it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The versions of a lock by name.
pub(crate) fn versions(lock: &Lock) -> BTreeMap<&str, &str> {
    let pairs = lock
        .packages
        .iter()
        .map(|one| (one.name.as_str(), one.version.as_str()));
    pairs.collect()
}
