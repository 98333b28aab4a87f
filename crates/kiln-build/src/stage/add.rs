//! ADD: COPY, and archives that are unpacked, downloads, repositories.

use std::fs::{self, File};
use std::sync::Arc;

use kiln_dockerfile::evaluate::{AddSource, EvaluatedAdd, HeredocFile, PathSource};
use kiln_dockerfile::git::GitSource;
use kiln_fetch::Expected;
use kiln_layer::Kind;
use kiln_oci::Digest;

use super::Worker;
use super::copy::{Part, heredocs};
use crate::add::archive::{ArchiveFiles, is_archive};
use crate::copy::select::{Chosen, Request, select};
use crate::error::StepError;
use crate::event::StepId;
use crate::files::{Files, SingleFile};
use crate::state::Made;

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

    /// A file from the web.
    fn download(
        &self,
        step: StepId,
        url: &str,
        file_name: &str,
        add: &EvaluatedAdd,
    ) -> Result<Part<'a>, StepError> {
        let expected = add.checksum.as_deref().map(Expected::parse).transpose();
        let expected = expected.map_err(|error| StepError::Missing(error.to_string()))?;
        let file = self.shared.fetcher().download(step, url, expected)?;
        if add.unpack == Some(true) {
            let content = File::open(&file.path).map_err(|source| StepError::Io {
                what: format!("cannot read `{}`", file.path.display()),
                source,
            })?;
            let unpacked = self.unpack(url, Box::new(content), add);
            let _ = fs::remove_file(&file.path);
            return unpacked;
        }
        let name = file_name.as_bytes().to_vec();
        Ok(Part {
            files: Arc::new(SingleFile::new(file, name.clone())),
            chosen: vec![Chosen::File {
                name: name.clone(),
                from: name,
            }],
            from_archive: false,
        })
    }

    /// A git repository.
    fn repository(&self, source: &GitSource, add: &EvaluatedAdd) -> Result<Part<'a>, StepError> {
        let keep = add.keep_git_dir.or(source.keep_git_dir).unwrap_or(false);
        let mut source = source.clone();
        if let Some(checksum) = &add.checksum {
            source.checksum = Some(checksum.clone());
        }
        let shared = self.shared;
        // Two steps that want the same repository fetch it once.
        let _turn = shared
            .in_flight
            .enter(Digest::sha256(source.written.as_bytes()));
        let repository = shared.fetcher().repository(&source, keep)?;
        let files = repository.files(shared.build.store, shared.trees)?;
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
        let chosen = select(&files, &request)?;
        Ok(Part {
            files: Arc::new(files),
            chosen,
            from_archive: false,
        })
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
