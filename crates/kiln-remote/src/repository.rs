//! One repository on one registry, and whom to ask for what is in it.

use std::fmt;
use std::sync::Arc;

use kiln_oci::{Digest, Reference};

use crate::auth::Scope;
use crate::endpoint::Endpoint;
use crate::error::RemoteError;
use crate::remote::{Registry, Remote};

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a name that may move.
    Tag(&'a str),
    /// By its content.
    Digest(&'a Digest),
}

/// The digest where there is one, else the tag.
impl<'a> From<&'a Reference> for Name<'a> {
    fn from(reference: &'a Reference) -> Self {
        match reference.digest() {
            Some(digest) => Self::Digest(digest),
            None => Self::Tag(reference.tag().unwrap_or("latest")),
        }
    }
}

impl<'a> From<&'a Digest> for Name<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// A handle to a repository. Cheap to clone; may be used by many threads at once.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) remote: Remote,
    registry: Arc<str>,
    name: Arc<str>,
}

/// What an endpoint is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Pull,
    Resolve,
}

impl Repository {
    pub(crate) fn new(remote: Remote, registry: &str, name: &str) -> Self {
        Self {
            remote,
            registry: registry.into(),
            name: name.into(),
        }
    }

    /// The registry as people write it: `docker.io`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's name on the registry: `library/alpine`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a person would call the thing named so.
    pub(crate) fn what(&self, name: Name<'_>) -> String {
        let sign = if matches!(name, Name::Tag(_)) {
            ':'
        } else {
            '@'
        };
        format!("{self}{sign}{name}")
    }

    /// The registry itself, for everything but pulls.
    pub(crate) fn home(&self) -> Result<Arc<Registry>, RemoteError> {
        self.remote.registry(&self.registry)
    }

    pub(crate) fn pull_scope(&self) -> Scope {
        Scope::Pull(self.name.to_string())
    }

    pub(crate) fn push_scope(&self) -> Scope {
        Scope::Push(self.name.to_string())
    }

    /// A path in this repository.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.name)
    }

    /// One of the mirrors may have sent wrong content: leaves all of them alone for a while, so that the next attempt gets
    /// it from the registry itself.
    pub(crate) fn distrust_mirrors(&self) {
        if let Ok(registry) = self.home() {
            registry.mirrors.iter().for_each(Endpoint::rest);
        }
    }

    /// Asks the mirrors and then the registry itself until one answers well.
    pub(crate) fn ask<T>(
        &self,
        need: Need,
        mut question: impl FnMut(&Endpoint) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let registry = self.home()?;
        for mirror in &registry.mirrors {
            let capable = match need {
                Need::Pull => mirror.capabilities.pull,
                Need::Resolve => mirror.capabilities.resolve,
            };
            if !capable || !mirror.is_rested() {
                continue;
            }
            match question(mirror) {
                Err(RemoteError::Cancelled) => return Err(RemoteError::Cancelled),
                Err(RemoteError::Fetch(_) | RemoteError::Status { status: 500.., .. }) => {
                    mirror.rest();
                }
                // It does not have it, or wants something that we do not have: others may do better.
                Err(_) => {}
                good => return good,
            }
        }
        question(&registry.origin)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

/// Distribution specification, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}
