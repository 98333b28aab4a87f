//! COPY and WORKDIR: layers made of entries, without a root file system.

use std::sync::Arc;

use kiln_dockerfile::evaluate::{
    CopySource, Destination as To, EvaluatedCopy, HeredocFile, PathSource,
};
use kiln_layer::{LayerIndex, Tree};
use kiln_oci::Digest;
use kiln_run::resolve_user;

use super::results::key_on;
use super::{Shared, Worker};
use crate::copy::place::{Destination, Placement};
use crate::copy::select::{Chosen, Request, digest, select};
use crate::copy::{Attributes, Times};
use crate::error::StepError;
use crate::event::{Event, StepId};
use crate::files::{Files, MemoryFiles, ReadError};
use crate::key::KeyBuilder;
use crate::state::Made;

/// Files from one place that go to the destination.
pub(super) struct Part<'a> {
    pub(super) files: Arc<dyn Files + 'a>,
    pub(super) chosen: Vec<Chosen>,
    /// Whether it was unpacked: `--chmod` is not about what is in an archive.
    pub(super) from_archive: bool,
}

impl<'a, 'b: 'a> Worker<'a, 'b> {
    /// COPY.
    pub(super) fn copy(&self, step: StepId, copy: &EvaluatedCopy) -> Result<Made, StepError> {
        let mut parts = vec![];
        let mut digests = vec![];
        let paths: Vec<&PathSource> = copy.sources.iter().filter_map(as_path).collect();
        if !paths.is_empty() {
            let files = self.shared.files(copy.from.as_ref())?;
            let request = Request {
                sources: &paths,
                excludes: &copy.to.excludes,
                parents: copy.parents,
            };
            let memo = match paths.len() == copy.sources.len() {
                true => self.selection_memo(&*files, &request, &copy.to),
                false => None,
            };
            if let Some(memo) = &memo
                && let Some(made) = self.unchanged(step, memo, &copy.to)?
            {
                return Ok(made);
            }
            let chosen = select(&*files, &request)?;
            let digest = selection_digest(&*files, &chosen, &copy.to)?;
            digests.push(digest);
            if let Some(memo) = memo {
                let store = self.shared.build.store;
                store.cache_put(SELECTIONS, &memo, digest.as_bytes())?;
            }
            parts.push(Part {
                files,
                chosen,
                from_archive: false,
            });
        }
        let heredocs = heredocs(copy.sources.iter().filter_map(as_heredoc), &copy.to)?;
        if let Some(part) = heredocs {
            digests.push(selection_digest(&*part.files, &part.chosen, &copy.to)?);
            parts.push(part);
        }
        let key = self.place_key("copy", &copy.to, digests);
        self.cached(step, &key, || self.write_parts(step, &parts, &copy.to))
    }

    /// Finds or makes the layer that puts `parts` at the destination.
    pub(super) fn place(
        &self,
        step: StepId,
        kind: &str,
        parts: &[Part<'a>],
        to: &To,
    ) -> Result<Made, StepError> {
        let digests = parts
            .iter()
            .map(|part| selection_digest(&*part.files, &part.chosen, to));
        let key = self.place_key(kind, to, digests.collect::<Result<Vec<_>, _>>()?);
        self.cached(step, &key, || self.write_parts(step, parts, to))
    }

    /// The key of a step that puts these selections at the destination.
    fn place_key(
        &self,
        kind: &str,
        to: &To,
        selections: impl IntoIterator<Item = Digest>,
    ) -> Digest {
        let below = (!to.link).then_some(&self.state);
        let mut key = key_on(kind, below, self.state.epoch);
        key.text(&to.path);
        key.optional(to.chown.as_deref())
            .optional(to.chmod.as_deref());
        for selection in selections {
            key.digest(&selection);
        }
        key.finish()
    }

    /// The key under which it is kept what the request chose, when the place has a fingerprint.
    fn selection_memo(&self, files: &dyn Files, request: &Request<'_>, to: &To) -> Option<Digest> {
        let mut key = KeyBuilder::new("selection-memo");
        key.digest(&files.fingerprint()?);
        key.number(request.sources.len() as u64);
        for source in request.sources {
            key.text(&source.written)
                .text(&source.base)
                .text(&source.path);
            key.number(u64::from(source.wildcard));
        }
        key.list(request.excludes);
        for flag in [request.parents, to.chown.is_some(), to.chmod.is_some()] {
            key.number(u64::from(flag));
        }
        Some(key.finish())
    }

    /// The layer of a COPY from a place that did not change since, without choosing and looking at its files
    /// again.
    fn unchanged(&self, step: StepId, memo: &Digest, to: &To) -> Result<Option<Made>, StepError> {
        let known = self.shared.build.store.cache_get(SELECTIONS, memo)?;
        let Some(bytes) = known.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return Ok(None);
        };
        let key = self.place_key("copy", to, [Digest::from_sha256(bytes)]);
        self.known(step, &key)
    }

    fn write_parts(
        &self,
        step: StepId,
        parts: &[Part<'a>],
        to: &To,
    ) -> Result<Arc<LayerIndex>, StepError> {
        let tree = self.tree()?;
        let attributes = Attributes::parse(to.chown.as_deref(), to.chmod.as_deref(), &tree)?;
        let image = if to.link { None } else { Some(&tree) };
        let observer = self.shared.build.observer;
        self.shared.write_layer(|writer| {
            let mut placement = Placement::default();
            let clamp = Attributes {
                time: at_most(self.state.epoch),
                ..Attributes::default()
            };
            for part in parts {
                let time = times(&*part.files, self.state.epoch);
                let mut attributes = Attributes {
                    time,
                    ..attributes.clone()
                };
                if part.from_archive {
                    attributes.mode = None;
                }
                let dest = Destination {
                    path: &to.path,
                    image,
                    attributes: &attributes,
                };
                placement.add(&*part.files, &part.chosen, &dest)?;
            }
            let (total, mut done) = (placement.total_bytes(), 0);
            placement.write(writer, &clamp, &mut |bytes| {
                done += bytes;
                observer.event(&Event::Progress {
                    step,
                    done,
                    total: Some(total),
                });
            })?;
            Ok(())
        })
    }

    /// WORKDIR: makes the directory where there is none, and a layer in any case but for `/`.
    pub(super) fn workdir(&mut self, step: StepId, path: &str) -> Result<Option<Made>, StepError> {
        self.state.config.config.working_dir = path.to_owned();
        if path == "/" {
            return Ok(None);
        }
        let user = self.state.config.config.user.clone();
        let mut key = key_on("workdir", Some(&self.state), self.state.epoch);
        key.text(path).text(&user);
        let layer = self.cached(step, &key.finish(), || {
            let tree = self.tree()?;
            let user = resolve_user(&tree, &user)?;
            self.make_directory(path, (user.uid, user.gid), &tree)
        })?;
        Ok(Some(layer))
    }

    fn make_directory(
        &self,
        path: &str,
        owner: (u32, u32),
        tree: &Tree,
    ) -> Result<Arc<LayerIndex>, StepError> {
        // A directory on the way takes the time of what is in it; this one has nothing in it, so its time is
        // given: the epoch, or 1970, which unlike the clock is the same in every build.
        let attributes = Attributes {
            owner: Some(owner),
            time: self.state.epoch.map_or(Times::Keep, Times::Exactly),
            ..Attributes::default()
        };
        let dest = Destination {
            path,
            image: Some(tree),
            attributes: &attributes,
        };
        self.shared.write_layer(|writer| {
            let mut placement = Placement::default();
            placement.make_directory(&dest)?;
            placement.write(writer, &attributes, &mut |_| {})?;
            Ok(())
        })
    }
}

impl Shared<'_, '_> {
    /// A layer that holds all of `files`, as `COPY --link . /` would make it.
    pub(super) fn everything_as_layer(
        &self,
        files: &dyn Files,
        epoch: Option<i64>,
    ) -> Result<Made, StepError> {
        self.subtree_as_layer(files, "", epoch)
    }

    /// A layer that holds what is at `source` of `files`: a directory's contents at the root, a file by its
    /// name.
    pub(super) fn subtree_as_layer(
        &self,
        files: &dyn Files,
        source: &str,
        epoch: Option<i64>,
    ) -> Result<Made, StepError> {
        let path = PathSource {
            written: format!("/{source}"),
            base: String::new(),
            path: source.to_owned(),
            wildcard: false,
        };
        let request = Request {
            sources: &[&path],
            excludes: &[],
            parents: false,
        };
        let chosen = select(files, &request)?;
        let mut key = key_on("subtree", None, epoch);
        key.digest(&digest(files, &chosen, false, false)?);
        let key = key.finish();
        let _turn = self.in_flight.enter(key);
        if let Some(made) = self.known_layer(&key, true)? {
            return Ok(made);
        }
        let attributes = Attributes {
            time: times(files, epoch),
            ..Attributes::default()
        };
        let dest = Destination {
            path: "/",
            image: None,
            attributes: &attributes,
        };
        let layer = self.write_layer(|writer| {
            let mut placement = Placement::default();
            placement.add(files, &chosen, &dest)?;
            placement.write(writer, &attributes, &mut |_| {})?;
            Ok(())
        })?;
        self.remember_layer(&key, &layer, epoch)
    }
}

/// The cache space of what requests chose.
const SELECTIONS: &str = "selection";

/// The digest of a selection as far as it counts for a step.
fn selection_digest(files: &dyn Files, chosen: &[Chosen], to: &To) -> Result<Digest, ReadError> {
    digest(files, chosen, to.chown.is_some(), to.chmod.is_some())
}

fn as_path(source: &CopySource) -> Option<&PathSource> {
    match source {
        CopySource::Path(path) => Some(path),
        CopySource::Heredoc(_) => None,
    }
}

fn as_heredoc(source: &CopySource) -> Option<&HeredocFile> {
    match source {
        CopySource::Path(_) => None,
        CopySource::Heredoc(file) => Some(file),
    }
}

/// The heredocs of an instruction as files, if there are any.
pub(super) fn heredocs<'f>(
    files: impl Iterator<Item = &'f HeredocFile>,
    to: &To,
) -> Result<Option<Part<'static>>, StepError> {
    let contents: Vec<(Vec<u8>, Vec<u8>)> = files
        .map(|file| {
            (
                file.name.clone().into_bytes(),
                file.content.clone().into_bytes(),
            )
        })
        .collect();
    if contents.is_empty() {
        return Ok(None);
    }
    let paths: Vec<PathSource> = contents
        .iter()
        .map(|(name, _)| {
            let name = String::from_utf8_lossy(name).into_owned();
            PathSource {
                written: name.clone(),
                base: String::new(),
                path: name,
                wildcard: false,
            }
        })
        .collect();
    let files: Arc<dyn Files> = Arc::new(MemoryFiles::new(contents));
    let paths: Vec<&PathSource> = paths.iter().collect();
    let request = Request {
        sources: &paths,
        excludes: &to.excludes,
        parents: false,
    };
    let chosen = select(&*files, &request)?;
    Ok(Some(Part {
        files,
        chosen,
        from_archive: false,
    }))
}

fn times(files: &dyn Files, epoch: Option<i64>) -> Times {
    let Some(epoch) = epoch else {
        return Times::Keep;
    };
    files
        .reproducible_time(epoch)
        .map_or(Times::AtMost(epoch), Times::Exactly)
}

fn at_most(epoch: Option<i64>) -> Times {
    epoch.map_or(Times::Keep, Times::AtMost)
}
