//! Where base images come from: the local store, OCI layouts, archives.

use std::path::PathBuf;

use kiln_build::BaseResolver;
use kiln_oci::{Image, Platform, Reference, Source, SourceError};
use kiln_store::{Store, archive, layout};

use crate::environment::Environment;

/// Looks names up.
pub(crate) struct Resolver<'a> {
    store: &'a Store,
    environment: &'a Environment,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(store: &'a Store, environment: &'a Environment) -> Self {
        Self { store, environment }
    }

    /// `PATH`, `PATH:TAG` or `PATH@DIGEST`. A path that exists as a whole is not taken apart.
    fn split(&self, text: &str) -> (PathBuf, Option<String>) {
        let whole = self.environment.absolute(text);
        if whole.exists() {
            return (whole, None);
        }
        let at = text.find('@').or_else(|| text.rfind(':'));
        match at {
            Some(at) => {
                let wanted = text[at..].trim_start_matches(':').to_owned();
                (self.environment.absolute(&text[..at]), Some(wanted))
            }
            None => (whole, None),
        }
    }
}

impl BaseResolver for Resolver<'_> {
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Image, SourceError> {
        let invalid = |source| SourceError::Invalid {
            name: name.to_owned(),
            source,
        };
        match name.split_once("://") {
            Some(("oci-layout" | "oci-archive", rest)) => {
                let (path, wanted) = self.split(rest);
                layout::open_into(&path, self.store)
                    .map_err(|error| invalid(error.into()))?
                    .find(wanted.as_deref(), platform)
            }
            Some(("docker-archive", rest)) => {
                let (path, wanted) = self.split(rest);
                archive::open_docker_into(&path, self.store)
                    .map_err(|error| invalid(error.into()))?
                    .find(wanted.as_deref(), platform)
            }
            _ => {
                let reference: Reference = name
                    .parse()
                    .map_err(|error: kiln_oci::InvalidReference| invalid(error.into()))?;
                self.store.image(&reference, platform)
            }
        }
    }
}
