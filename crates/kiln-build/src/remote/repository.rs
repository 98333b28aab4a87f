//! A git repository at one commit, as a layer of the store.

use std::fs;
use std::io::Read as _;
use std::sync::Arc;

use kiln_dockerfile::evaluate::PathSource;
use kiln_dockerfile::git::{GitMtime, GitSource};
use kiln_layer::LayerIndex;
use kiln_oci::Digest;
use kiln_store::Store;

use super::Fetcher;
use crate::add::git;
use crate::context::Directory;
use crate::copy::place::{Destination, Placement};
use crate::copy::select::{Request, select};
use crate::copy::{Attributes, Times};
use crate::error::StepError;
use crate::files::{Files, LayerFiles};
use crate::key::KeyBuilder;
use crate::state::Trees;
use crate::time;

/// The cache space that maps what names a repository's files to the layer that holds them.
const REPOSITORIES: &str = "repository";

/// A repository at one commit. Its files are a layer of the store, which the lease holds that it was
/// fetched with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where it was fetched from, without a password.
    pub remote: String,
    /// The commit that the reference meant when it was looked up.
    pub commit: String,
    /// When that was committed, in seconds since 1970.
    pub committed: i64,
    /// The layer that holds its files, by its diff id.
    pub layer: Digest,
}

impl Repository {
    /// The content of the file at `path`, links followed; `None` if there is no such file.
    ///
    /// # Errors
    /// If the layer cannot be read.
    pub fn read(&self, store: &Store, path: &str) -> Result<Option<Vec<u8>>, StepError> {
        let files = self.files(store, &Trees::new(store))?;
        let files: &dyn Files = &files;
        let Ok(found) = files.tree().resolve(path.as_bytes(), true) else {
            return Ok(None);
        };
        if found.node.is_none_or(|node| node.content().is_none()) {
            return Ok(None);
        }
        let mut content = vec![];
        let read = files
            .open(&found.path)
            .and_then(|mut file| file.read_to_end(&mut content));
        read.map_err(|source| files.read_error(path.as_bytes(), source))?;
        Ok(Some(content))
    }

    /// The files, as COPY and ADD see them.
    pub(crate) fn files<'a>(
        &self,
        store: &'a Store,
        trees: &Trees<'a>,
    ) -> Result<CheckedOut<'a>, StepError> {
        let place = format!("the repository {}", self.remote);
        let tree = trees.get(&[self.layer])?;
        Ok(CheckedOut(LayerFiles::new(place, tree, store)))
    }

    fn to_text(&self) -> String {
        format!("{} {}", self.layer, self.committed)
    }
}

/// Files of a repository. Their times are those of the commit or of the checkout, so in a reproducible build
/// they are the epoch, as those of every context.
pub(crate) struct CheckedOut<'a>(LayerFiles<&'a Store>);

impl Files for CheckedOut<'_> {
    fn tree(&self) -> &kiln_layer::Tree {
        self.0.tree()
    }

    fn place(&self) -> String {
        self.0.place()
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, crate::files::ReadError> {
        self.0.digests(paths)
    }

    fn open(&self, path: &[u8]) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        self.0.open(path)
    }

    fn reproducible_time(&self, epoch: i64) -> Option<i64> {
        Some(epoch)
    }
}

impl Fetcher<'_> {
    /// Finds out which commit `source` means, and fetches it unless it is in the store.
    pub(crate) fn repository(
        &self,
        source: &GitSource,
        keep_git_dir: bool,
    ) -> Result<Repository, StepError> {
        let commit = git::resolve_commit(source, self.git())?;
        let mut key = KeyBuilder::new("repository");
        key.text(&source.remote)
            .text(&commit)
            .optional(source.subdir.as_deref());
        key.number(u64::from(keep_git_dir))
            .number(u64::from(source.submodules.unwrap_or(true)));
        key.number(u64::from(source.mtime == Some(GitMtime::Checkout)));
        let key = key.finish();
        let remote = kiln_fetch::redact(&source.remote).to_string();
        if let Some((layer, committed)) = self.known_repository(&key)? {
            return Ok(Repository {
                remote,
                commit,
                committed,
                layer,
            });
        }
        let (layer, committed) = self.check_out(source, &commit, keep_git_dir)?;
        let layer = layer.diff_id;
        let repository = Repository {
            remote,
            commit,
            committed,
            layer,
        };
        self.store
            .cache_put(REPOSITORIES, &key, repository.to_text().as_bytes())?;
        Ok(repository)
    }

    fn git(&self) -> git::Git<'_> {
        git::Git {
            cancel: self.cancel,
            ssh: self.git_ssh,
        }
    }

    /// The layer that an earlier fetch made, if it is still there, and the time of its commit.
    fn known_repository(&self, key: &Digest) -> Result<Option<(Digest, i64)>, StepError> {
        let known = self.store.cache_get(REPOSITORIES, key)?;
        let text = known.and_then(|bytes| String::from_utf8(bytes).ok());
        let parsed = text
            .as_deref()
            .and_then(|text| text.split_once(' '))
            .and_then(|(layer, committed)| {
                Some((layer.parse::<Digest>().ok()?, committed.parse().ok()?))
            });
        let Some((layer, committed)) = parsed else {
            return Ok(None);
        };
        // Held before it is looked for: a prune that runs beside cannot take it in between.
        self.lease.hold_blob(&layer)?;
        Ok(self.store.has_blob(&layer)?.then_some((layer, committed)))
    }

    fn check_out(
        &self,
        source: &GitSource,
        commit: &str,
        keep_git_dir: bool,
    ) -> Result<(Arc<LayerIndex>, i64), StepError> {
        let scratch = self.lease.scratch_path()?;
        fs::create_dir(&scratch).map_err(|source| StepError::Io {
            what: format!("cannot create `{}`", scratch.display()),
            source,
        })?;
        let checkout = git::checkout(source, commit, keep_git_dir, &scratch, self.git())?;
        let files = Directory::open(self.store, &checkout.root, source.remote.clone())
            .map_err(|error| StepError::Missing(crate::error::full(&error)))?;
        // Files of a repository have no times of their own; the commit's is what they share.
        let time = match source.mtime {
            Some(GitMtime::Checkout) => time::now(),
            Some(GitMtime::Commit) | None => checkout.committed,
        };
        let layer = self.layer_of(&files.with_git_modes(), time)?;
        let _ = fs::remove_dir_all(&scratch);
        Ok((layer, checkout.committed))
    }

    /// A layer that holds all of `files`, changed at `time`.
    fn layer_of(&self, files: &dyn Files, time: i64) -> Result<Arc<LayerIndex>, StepError> {
        let everything = PathSource {
            written: "/".to_owned(),
            base: String::new(),
            path: String::new(),
            wildcard: false,
        };
        let request = Request {
            sources: &[&everything],
            excludes: &[],
            parents: false,
        };
        let chosen = select(files, &request)?;
        let attributes = Attributes {
            time: Times::Exactly(time),
            ..Attributes::default()
        };
        let dest = Destination {
            path: "/",
            image: None,
            attributes: &attributes,
        };
        let mut writer = self.store.layer_writer(self.lease)?;
        let mut placement = Placement::default();
        placement.add(files, &chosen, &dest)?;
        placement.write(&mut writer, &attributes, &mut |_| {})?;
        Ok(self.store.commit_layer(self.lease, writer)?)
    }
}
