//! Where base images come from: the local store, registries, OCI layouts, archives.

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock, PoisonError};

use kiln_build::{BaseResolver, Cancel, Observer};
use kiln_oci::{Image, Platform, Reference, Source, SourceError};
use kiln_remote::Remote;
use kiln_store::{Store, archive, layout};

use crate::commands::{Context, assemble};
use crate::registries::{self, RegistryArgs};
use crate::transfer::moving::Transfers;
use crate::transfer::place::Spot;
use crate::transfer::pull::{Pull, Wanted};
use crate::ui::report::{Report, Reported};

/// When registries are asked for a base image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PullPolicy {
    /// When the store has none of that name and platform.
    #[default]
    Missing,
    /// Every time, so that the build has the newest.
    Always,
    /// Never.
    Never,
}

/// Looks names up.
pub(crate) struct Resolver<'a> {
    of: Surroundings<'a>,
    /// Made when the first base has to come from a registry.
    remote: OnceLock<Remote>,
    /// What was pulled for this build. Whoever pulls holds it, so that stages with the same base pull it once.
    pulled: Mutex<HashSet<(Reference, Platform)>>,
}

/// What a resolver needs beside what it is asked.
pub(crate) struct Surroundings<'a> {
    pub(crate) context: &'a Context,
    pub(crate) store: &'a Store,
    pub(crate) policy: PullPolicy,
    pub(crate) registry: &'a RegistryArgs,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) steps: &'a AtomicUsize,
    pub(crate) cancel: &'a Cancel,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(of: Surroundings<'a>) -> Self {
        Self {
            of,
            remote: OnceLock::new(),
            pulled: Mutex::default(),
        }
    }

    /// An image by its name: from the store, or through it from a registry.
    fn named(&self, reference: &Reference, platform: &Platform) -> Result<Image, SourceError> {
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (reference.clone(), platform.clone());
        let at_hand = self.of.store.image(reference, platform);
        let is_wanted = match (&at_hand, self.of.policy) {
            (_, PullPolicy::Never) => false,
            (Ok(_), PullPolicy::Missing) => false,
            (Ok(_), PullPolicy::Always) => !pulled.contains(&key),
            (Err(SourceError::NotFound { .. } | SourceError::Platform { .. }), _) => true,
            (Err(_), _) => false,
        };
        if !is_wanted {
            return at_hand;
        }
        self.pull(reference, platform)
            .map_err(|report| SourceError::Read {
                name: reference.familiar(),
                source: Reported(report).into(),
            })?;
        pulled.insert(key);
        self.of.store.image(reference, platform)
    }

    fn pull(&self, reference: &Reference, platform: &Platform) -> Result<(), Report> {
        let remote = self.remote()?;
        let lease = self.of.store.lease()?;
        let pull = Pull {
            store: self.of.store,
            lease: &lease,
            repository: &remote.repository(reference),
            transfers: &Transfers::new(self.of.observer, self.of.steps),
            cancelled: &self.of.cancel.flag(),
        };
        pull.run(reference, &Wanted::Platform(platform.clone()))
            .map(drop)
    }

    fn remote(&self) -> Result<&Remote, Report> {
        if let Some(remote) = self.remote.get() {
            return Ok(remote);
        }
        let remote = registries::remote(self.of.context, self.of.registry, self.of.cancel.flag())?;
        Ok(self.remote.get_or_init(|| remote))
    }
}

impl BaseResolver for Resolver<'_> {
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Image, SourceError> {
        let invalid = |source| SourceError::Invalid {
            name: name.to_owned(),
            source,
        };
        let Surroundings {
            context,
            store,
            policy,
            ..
        } = self.of;
        if let Some(found) = assemble::resolve(context, store, name, platform, policy) {
            return found;
        }
        match name.split_once("://") {
            Some(("oci-layout" | "oci-archive", rest)) => {
                let Spot { path, wanted } = Spot::parse(rest, &self.of.context.environment);
                layout::open_into(&path, self.of.store)
                    .map_err(|error| invalid(error.into()))?
                    .find(wanted.as_deref(), platform)
            }
            Some(("docker-archive", rest)) => {
                let Spot { path, wanted } = Spot::parse(rest, &self.of.context.environment);
                archive::open_docker_into(&path, self.of.store)
                    .map_err(|error| invalid(error.into()))?
                    .find(wanted.as_deref(), platform)
            }
            _ => {
                let reference: Reference = name
                    .parse()
                    .map_err(|error: kiln_oci::InvalidReference| invalid(error.into()))?;
                self.named(&reference, platform)
            }
        }
    }
}
