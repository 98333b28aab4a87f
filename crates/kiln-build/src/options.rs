//! What a build is asked to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;

use kiln_oci::{Digest, Image, Platform, SourceError};
use kiln_run::sandbox::{Network, Rlimit};
use kiln_store::{Lease, Store};

use crate::agent::SshAgent;
use crate::cancel::Cancel;
use crate::devices::DeviceOptions;
use crate::event::Observer;
use crate::remote::{RemoteContext, Repository, WebFile};
use crate::state::Made;

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The stage to build; the last one by default.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// What to build for. Several give one image each.
    pub platforms: Vec<Platform>,
    /// Labels put on the image, over those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Which earlier results may be used.
    pub cache: CacheUse,
    /// The network of RUN steps that do not ask for one.
    pub network: Network,
    /// Whether the layers made by this build become one.
    pub squash: bool,
    /// How many steps work at once.
    pub jobs: usize,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `--ssh`, by id.
    pub ssh: BTreeMap<String, SshAgent>,
    /// Whether and how times are made independent of the clock.
    pub reproducible: Reproducible,
    /// More lines for `/etc/hosts`, as (address, name).
    pub extra_hosts: Vec<(String, String)>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Resource limits of RUN steps.
    pub rlimits: Vec<Rlimit>,
    /// What RUN steps may ask for beyond the sandbox.
    pub entitlements: BTreeSet<Entitlement>,
    /// What of the machine's devices RUN steps may have.
    pub devices: DeviceOptions,
    /// Whether the changed root file system of a failed RUN is kept, for a shell in it.
    pub keep_failed: bool,
}

/// Something that a Dockerfile may only have if the person who builds it agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// `RUN --network=host` where the default is no network.
    NetworkHost,
    /// `RUN --security=insecure`.
    SecurityInsecure,
}

/// Which earlier results may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// All but those of these stages.
    Except(Vec<String>),
}

/// Whether times depend on the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reproducible {
    /// As BuildKit does: files keep their times, the image says when it was built.
    #[default]
    No,
    /// Every time is at most the epoch: that of the base image, else 1980-01-01.
    FromBase,
    /// Every time is at most this one, in seconds since 1970.
    Epoch(i64),
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            target: None,
            build_args: BTreeMap::new(),
            platforms: vec![Platform::host()],
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            cache: CacheUse::All,
            network: Network::Host,
            squash: false,
            jobs: std::thread::available_parallelism().map_or(2, |count| count.get().max(2)),
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            reproducible: Reproducible::No,
            extra_hosts: vec![],
            shm_size: None,
            rlimits: vec![],
            entitlements: BTreeSet::new(),
            devices: DeviceOptions::default(),
            keep_failed: false,
        }
    }
}

/// A context beside the main one, or in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory, with the `.dockerignore` that it holds.
    Directory(PathBuf),
    /// A tar archive, compressed or not. No ignore file is applied: whoever made it chose what is in it.
    Archive(PathBuf),
    /// What a URL stands for; fetched when the first instruction asks.
    Remote(RemoteContext),
    /// A git repository that was fetched. No ignore file is applied.
    Repository(Repository),
    /// One file that was downloaded, to be seen as `context`.
    File(WebFile),
    /// An image, by whatever name the resolver understands.
    Image(String),
    /// No files at all.
    Empty,
}

/// Finds base images. The binary looks in the local store, in layouts, archives and registries.
pub trait BaseResolver: Sync {
    /// The image called `name` for `platform`.
    ///
    /// # Errors
    /// If there is none, or not for this platform, or it cannot be read.
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Image, SourceError>;
}

/// Results of earlier builds that are kept elsewhere: in a registry, in a directory.
pub trait StepCache: Sync {
    /// What the step with this key made, if that is known there. Its layer is in the store when this
    /// returns, held by `lease`.
    ///
    /// # Errors
    /// If the result is known but cannot be had. The step is then done anew.
    fn fetch(
        &self,
        key: &Digest,
        lease: &Lease,
    ) -> Result<Option<Made>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What a build needs.
#[derive(Clone, Copy)]
pub struct BuildContext<'a> {
    /// Where layers, snapshots and results are kept.
    pub store: &'a Store,
    /// The main context.
    pub context: &'a ContextSource,
    /// The ignore file that takes the place of the main context's own: `<Dockerfile>.dockerignore`.
    pub ignore: Option<&'a [u8]>,
    /// Contexts by name.
    pub named: &'a BTreeMap<String, ContextSource>,
    /// Where base images come from.
    pub resolver: &'a dyn BaseResolver,
    /// Where results are looked for that the store does not have.
    pub step_cache: Option<&'a dyn StepCache>,
    /// For ADD with a URL.
    pub client: &'a kiln_fetch::Client,
    /// How many steps have been announced to `observer`. Whoever brings content for the build counts
    /// along, so that all numbers differ.
    pub steps: &'a AtomicUsize,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// How it is stopped.
    pub cancel: &'a Cancel,
    /// The ssh command for git, if the person has set none: in a user namespace ssh takes itself for root, and looks
    /// for keys and known hosts in root's home.
    pub git_ssh: Option<&'a str>,
}
