//! From wishes to a lock file: asks the repositories, checks them, resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kiln_packages::deb::{Package, Relation};

use crate::cache::Downloads;
use crate::keyring::{Keyring, KeyringError};
use crate::lock::{Lock, LockedPackage, LockedRelease};
use crate::repository::{Available, Freshness, RepositoryError, Suite};
use crate::resolve::{Request, ResolveError, resolve};
use crate::spec::{Architecture, RepositorySpec, Scripts, Spec};

/// What locking needs.
pub struct LockContext<'a> {
    /// What is asked for.
    pub spec: &'a Spec,
    /// The architectures, at least one.
    pub architectures: &'a [Architecture],
    /// Where keyrings are looked for.
    pub directory: &'a Path,
    /// Where files come from.
    pub downloads: &'a Downloads<'a>,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// The lock file that there is.
    pub previous: Option<&'a Lock>,
}

/// How to lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockOptions {
    /// Take the newest of everything. Otherwise what the lock file has stays as far as it fits.
    pub update: bool,
}

/// Why there is no lock file.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A keyring cannot be read.
    #[error("the keyring `{}` cannot be read", path.display())]
    ReadKeyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is no keyring.
    #[error("the keyring `{}` cannot be used", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: KeyringError,
    },
    /// A repository cannot be used.
    #[error(transparent)]
    Repository(Box<RepositoryError>),
    /// Nothing fits.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

impl From<RepositoryError> for LockError {
    fn from(error: RepositoryError) -> Self {
        Self::Repository(Box::new(error))
    }
}

/// Makes a lock file for what `context` asks for.
///
/// # Errors
/// When a repository cannot be reached or trusted, or no set of packages fits.
pub fn lock(context: &LockContext<'_>, options: LockOptions) -> Result<Lock, LockError> {
    let suites = suites(context)?;
    let mut packages = vec![];
    for architecture in context.architectures {
        packages.extend(choose(context, options, *architecture, &suites)?);
    }
    let releases = suites.iter().map(|(suite, _)| LockedRelease {
        url: suite.base.clone(),
        suite: suite.name.clone(),
        date: suite.release.date,
    });
    let request = context.spec.request(context.architectures);
    Ok(Lock::new(request, releases.collect(), packages))
}

/// Asks the repositories what they have, and checks that they may.
pub(crate) fn suites<'a>(
    context: &LockContext<'a>,
) -> Result<Vec<(Suite, &'a RepositorySpec)>, LockError> {
    let mut suites = vec![];
    for repository in &context.spec.repositories {
        let keyring = keyring(context.directory, repository)?;
        for name in &repository.suites {
            let freshness = Freshness {
                now: context.now,
                seen: seen(context.previous, repository, name),
            };
            let suite = Suite::fetch(context.downloads, repository, name, &keyring, freshness)?;
            suites.push((suite, repository));
        }
    }
    Ok(suites)
}

fn keyring(directory: &Path, repository: &RepositorySpec) -> Result<Keyring, LockError> {
    let path = directory.join(&repository.keyring);
    let bytes = std::fs::read(&path).map_err(|source| LockError::ReadKeyring {
        path: path.clone(),
        source,
    })?;
    Keyring::parse(&bytes).map_err(|source| LockError::Keyring { path, source })
}

fn seen(previous: Option<&Lock>, repository: &RepositorySpec, suite: &str) -> Option<i64> {
    let base = repository.url.trim_end_matches('/');
    let mut releases = previous?.releases.iter();
    releases
        .find(|known| known.url == base && known.suite == suite)
        .map(|known| known.date)
}

fn choose(
    context: &LockContext<'_>,
    options: LockOptions,
    architecture: Architecture,
    suites: &[(Suite, &RepositorySpec)],
) -> Result<Vec<LockedPackage>, LockError> {
    let mut available: Vec<Available> = vec![];
    for (suite, repository) in suites {
        for component in &repository.components {
            available.extend(suite.packages(context.downloads, component, architecture)?);
        }
    }
    let previous = context.previous.filter(|_| !options.update);
    let kept = previous.into_iter().flat_map(|lock| lock.of(architecture));
    let prefer: BTreeMap<String, String> = kept
        .map(|package| (package.name.clone(), package.version.clone()))
        .collect();
    let wishes = wishes(context.spec, architecture, &available);
    let request = Request {
        architecture,
        packages: &wishes,
        assume: &context.spec.assume,
        prefer: &prefer,
    };
    let chosen = resolve(&available, request)?;
    let locked = chosen.into_iter().map(|one| LockedPackage {
        architecture: architecture.debian().to_owned(),
        name: one.package.name.clone(),
        version: one.package.version.to_string(),
        source: one.package.source.name.clone(),
        url: one.url.clone(),
        size: one.package.size.unwrap_or_default(),
        sha256: one.package.sha256.clone().unwrap_or_default(),
    });
    Ok(locked.collect())
}

/// The packages that are asked for by name, by priority, or because scripts count on them.
fn wishes(spec: &Spec, architecture: Architecture, available: &[Available]) -> Vec<Relation> {
    let comes_along = |package: &Package| {
        let mut priorities = spec.priorities.iter();
        let fits = [architecture.debian(), "all"].contains(&package.architecture.as_str());
        let is_essential = package.essential && spec.scripts == Scripts::Run;
        fits && (is_essential || priorities.any(|one| one.name() == package.priority))
    };
    let along = available.iter().filter(|one| comes_along(&one.package));
    let along: BTreeSet<&str> = along.map(|one| one.package.name.as_str()).collect();
    let along = along.into_iter().map(Relation::any);
    spec.packages.iter().cloned().chain(along).collect()
}
