//! ADD: COPY, and archives that are unpacked, downloads, repositories.

use std::fs::{self, File};
use std::sync::Arc;

use kiln_dockerfile::evaluate::{AddSource, EvaluatedAdd, HeredocFile, PathSource};
use kiln_dockerfile::git::GitSource;
use kiln_fetch::{DownloadOptions, Expected};
use kiln_layer::Kind;
use kiln_oci::Digest;

use super::Worker;
use super::copy::{Part, heredocs};
use crate::add::archive::{ArchiveFiles, is_archive};
use crate::add::git;
use crate::context::Directory;
use crate::copy::select::{Chosen, Request, select};
use crate::error::StepError;
use crate::event::{Event, StepId};
use crate::files::{Files, SingleFile};
use crate::key::KeyBuilder;
use crate::state::Made;

/// The cache space that maps what names a download to what it was.
const DOWNLOADS: &str = "download";

impl<'a, 'b: 'a> Worker<'a, 'b> {
    /// ADD.
    pub(super) fn add(&self, step: StepId, add: &EvaluatedAdd) -> Result<Made, StepError> {
        let mut parts = vec![];
        let local: Vec<&PathSource> = add.sources.iter().filter_map(as_local).collect();
        if !local.is_empty() {
            parts.extend(self.local(&local, add)?);
        }
        for source in &add.sources {
            match source {
                AddSource::Http { url, file_name } => {
                    parts.push(self.download(step, url, file_name, add)?);
                }
                AddSource::Git(source) => parts.push(self.repository(source, add)?),
                AddSource::Local(_) | AddSource::Heredoc(_) => {}
            }
        }
        parts.extend(heredocs(
            add.sources.iter().filter_map(as_heredoc),
            &add.to,
        )?);
        self.place(step, "add", &parts, &add.to)
    }

    /// Files of the context; those that are archives are unpacked unless the flag says otherwise.
    fn local(&self, paths: &[&PathSource], add: &EvaluatedAdd) -> Result<Vec<Part<'a>>, StepError> {
        let files = self.shared.files(None)?;
        let request = Request {
            sources: paths,
            excludes: &add.to.excludes,
            parents: false,
        };
        let (mut plain, mut parts) = (vec![], vec![]);
        for chosen in select(&*files, &request)? {
            match chosen {
                Chosen::File { name, from } if self.is_archive(&*files, &from, add)? => {
                    let content = files
                        .open(&from)
                        .map_err(|source| files.read_error(&from, source))?;
                    parts.push(self.unpack(&String::from_utf8_lossy(&name), content, add)?);
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            parts.insert(
                0,
                Part {
                    files,
                    chosen: plain,
                    from_archive: false,
                },
            );
        }
        Ok(parts)
    }

    fn is_archive(
        &self,
        files: &dyn Files,
        from: &[u8],
        add: &EvaluatedAdd,
    ) -> Result<bool, StepError> {
        let regular = files.tree().get(from).map(|node| &node.entry().kind);
        if add.unpack == Some(false) || !matches!(regular, Some(Kind::File { .. })) {
            return Ok(false);
        }
        let content = files
            .open(from)
            .map_err(|source| files.read_error(from, source))?;
        Ok(is_archive(content))
    }

    fn unpack(
        &self,
        name: &str,
        content: Box<dyn std::io::Read + Send>,
        add: &EvaluatedAdd,
    ) -> Result<Part<'a>, StepError> {
        let scratch = self.shared.lease.scratch_path()?;
        let archive =
            ArchiveFiles::unpack(name.to_owned(), content, &scratch).map_err(|source| {
                StepError::Archive {
                    name: name.to_owned(),
                    source,
                }
            })?;
        let everything = PathSource {
            written: name.to_owned(),
            base: String::new(),
            path: String::new(),
            wildcard: false,
        };
        let excludes = &add.to.excludes;
        let request = Request {
            sources: &[&everything],
            excludes,
            parents: false,
        };
        let files: Arc<dyn Files> = Arc::new(archive);
        let chosen = select(&*files, &request)?;
        Ok(Part {
            files,
            chosen,
            from_archive: true,
        })
    }

    /// A file from the web. One whose digest is known from an earlier download is asked for only if it has
    /// changed.
    fn download(
        &self,
        step: StepId,
        url: &str,
        file_name: &str,
        add: &EvaluatedAdd,
    ) -> Result<Part<'a>, StepError> {
        let expected = add.checksum.as_deref().map(Expected::parse).transpose();
        let expected = expected.map_err(|error| StepError::Missing(error.to_string()))?;
        let path = self.shared.lease.scratch_path()?;
        let io = |source| StepError::Io {
            what: format!("cannot write `{}`", path.display()),
            source,
        };
        let mut file = File::create_new(&path).map_err(io)?;
        let observer = self.shared.build.observer;
        let cancel = self.shared.build.cancel;
        let mut progress = |so_far: kiln_fetch::Progress| {
            let (done, total) = (so_far.bytes, so_far.total);
            observer.event(&Event::Progress { step, done, total });
            match cancel.is_cancelled() {
                true => std::ops::ControlFlow::Break(()),
                false => std::ops::ControlFlow::Continue(()),
            }
        };
        let options = DownloadOptions {
            expected,
            progress: Some(&mut progress),
            ..DownloadOptions::default()
        };
        let got = self.shared.build.client.download(url, &mut file, options)?;
        let digest: Digest = format!("sha256:{}", got.sha256)
            .parse()
            .expect("because the client gives a hexadecimal digest");
        let mtime = got
            .last_modified
            .as_deref()
            .and_then(kiln_fetch::parse_http_date)
            .unwrap_or(0);
        if add.unpack == Some(true) {
            let content = File::open(&path).map_err(io)?;
            let unpacked = self.unpack(url, Box::new(content), add);
            let _ = fs::remove_file(&path);
            return unpacked;
        }
        let name = file_name.as_bytes().to_vec();
        let files: Arc<dyn Files> = Arc::new(SingleFile::new(
            url.to_owned(),
            name.clone(),
            path,
            digest,
            got.bytes,
            mtime,
        ));
        let chosen = vec![Chosen::File {
            name: name.clone(),
            from: name,
        }];
        Ok(Part {
            files,
            chosen,
            from_archive: false,
        })
    }

    /// A git repository, as a layer of its own first: the same commit is fetched once.
    fn repository(&self, source: &GitSource, add: &EvaluatedAdd) -> Result<Part<'a>, StepError> {
        let commit = git::resolve_commit(source)?;
        let keep = add.keep_git_dir.or(source.keep_git_dir).unwrap_or(false);
        let mut source = source.clone();
        if let Some(checksum) = &add.checksum {
            source.checksum = Some(checksum.clone());
        }
        let mut key = KeyBuilder::new("git");
        key.text(&source.remote)
            .text(&commit)
            .number(u64::from(keep));
        key.optional(source.subdir.as_deref())
            .number(u64::from(source.submodules.unwrap_or(true)));
        key.number(self.state.epoch.map_or(0, i64::cast_unsigned));
        let key = key.finish();
        let diff_id = match self.known_download(&key)? {
            Some(diff_id) => diff_id,
            None => self.fetch_repository(&source, &commit, keep, &key)?,
        };
        let tree = self.shared.trees.get(&[diff_id])?;
        let place = format!("the repository {}", kiln_fetch::redact(&source.remote));
        let files: Arc<dyn Files + 'a> = Arc::new(crate::files::LayerFiles::new(
            place,
            tree,
            self.shared.build.store,
        ));
        let everything = PathSource {
            written: source.written.clone(),
            base: String::new(),
            path: String::new(),
            wildcard: false,
        };
        let request = Request {
            sources: &[&everything],
            excludes: &add.to.excludes,
            parents: false,
        };
        let chosen = select(&*files, &request)?;
        Ok(Part {
            files,
            chosen,
            from_archive: true,
        })
    }

    fn known_download(&self, key: &Digest) -> Result<Option<Digest>, StepError> {
        let known = self.shared.build.store.cache_get(DOWNLOADS, key)?;
        let diff_id: Option<Digest> = known
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.parse().ok());
        let Some(diff_id) = diff_id else {
            return Ok(None);
        };
        self.shared.lease.hold_blob(&diff_id)?;
        Ok(self
            .shared
            .build
            .store
            .has_blob(&diff_id)?
            .then_some(diff_id))
    }

    fn fetch_repository(
        &self,
        source: &GitSource,
        commit: &str,
        keep: bool,
        key: &Digest,
    ) -> Result<Digest, StepError> {
        let scratch = self.shared.lease.scratch_path()?;
        fs::create_dir(&scratch).map_err(|source| StepError::Io {
            what: format!("cannot create `{}`", scratch.display()),
            source,
        })?;
        let checkout = git::checkout(source, commit, keep, &scratch)?;
        let files = Directory::open(
            self.shared.build.store,
            &checkout.root,
            source.remote.clone(),
        )
        .map_err(|error| StepError::Missing(error.to_string()))?;
        // Files of a repository have no times of their own; the commit's is what they share.
        let layer = self
            .shared
            .everything_as_layer(&files.dated(checkout.committed), self.state.epoch)?;
        let _ = fs::remove_dir_all(&scratch);
        self.shared
            .build
            .store
            .cache_put(DOWNLOADS, key, layer.diff_id.to_string().as_bytes())?;
        Ok(layer.diff_id)
    }
}

fn as_local(source: &AddSource) -> Option<&PathSource> {
    match source {
        AddSource::Local(path) => Some(path),
        _ => None,
    }
}

fn as_heredoc(source: &AddSource) -> Option<&HeredocFile> {
    match source {
        AddSource::Heredoc(file) => Some(file),
        _ => None,
    }
}
