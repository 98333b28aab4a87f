//! Contexts from the web: what a URL stands for, and how it is fetched.
//!
//! A git repository becomes a layer of the store that is found again by its commit, so that the same commit
//! is fetched once, whether ADD or a context wants it. What an HTTP server answers is the context itself if
//! it is an archive, else one file called `context`; as the main context that file is the Dockerfile.
//!
//! Source of the rules: BuildKit, `frontend/dockerui/context.go`, and the reference page of `docker build`,
//! section "Build context".

mod download;
mod repository;

use std::time::Instant;

use kiln_dockerfile::git::{GitError, GitSource};
use kiln_store::{Lease, Store};

pub use download::WebFile;
pub use repository::Repository;

use crate::add::archive::is_archive;
use crate::cancel::Cancel;
use crate::error::StepError;
use crate::event::{Event, Observer, StepId};
use crate::options::ContextSource;

/// A context that is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteContext {
    /// A git repository.
    Git(Box<GitSource>),
    /// Whatever an HTTP server gives for this URL.
    Http(String),
}

impl RemoteContext {
    /// Reads the text that a person gives as a context; `None` if it is no URL that is known.
    ///
    /// # Errors
    /// The inner result: a repository's URL with a mistake in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Result<Self, GitError>> {
        if let Some(source) = GitSource::parse_context(text) {
            return Some(source.map(|source| Self::Git(Box::new(source))));
        }
        let (scheme, rest) = text.split_once("://")?;
        let known = ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        (known && !rest.is_empty()).then(|| Ok(Self::Http(text.to_owned())))
    }

    /// The URL as it may be shown: without a password.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Git(source) => {
                let reference = source.reference.as_deref().unwrap_or_default();
                let (colon, subdir) = match source.subdir.as_deref() {
                    Some(subdir) => (":", subdir),
                    None => ("", ""),
                };
                let shown = format!(
                    "{}#{reference}{colon}{subdir}",
                    kiln_fetch::redact(&source.remote)
                );
                shown.trim_end_matches('#').to_owned()
            }
            Self::Http(url) => kiln_fetch::redact(url),
        }
    }
}

/// What fetching needs.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
    /// Where repositories are kept.
    pub store: &'a Store,
    /// Owns what is fetched.
    pub lease: &'a Lease,
    /// For HTTP.
    pub client: &'a kiln_fetch::Client,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// How it is stopped.
    pub cancel: &'a Cancel,
    /// See [`BuildContext::git_ssh`](crate::BuildContext::git_ssh).
    pub git_ssh: Option<&'a str>,
}

impl Fetcher<'_> {
    /// Fetches `remote` as the step called `name`: an [`Archive`](ContextSource::Archive), a
    /// [`File`](ContextSource::File) or a [`Repository`](ContextSource::Repository).
    ///
    /// # Errors
    /// If it cannot be had, or is not what its URL demands, or the store cannot take it.
    pub fn fetch(
        &self,
        step: StepId,
        name: &str,
        remote: &RemoteContext,
    ) -> Result<ContextSource, StepError> {
        let start = Instant::now();
        self.observer.event(&Event::Started { step, name });
        let fetched = match remote {
            RemoteContext::Git(source) => {
                let keep = source.keep_git_dir.unwrap_or(false);
                self.repository(source, keep).map(ContextSource::Repository)
            }
            RemoteContext::Http(url) => self.archive_or_file(step, url),
        };
        let elapsed = start.elapsed();
        self.observer.event(&match &fetched {
            Ok(_) => Event::Finished { step, elapsed },
            Err(_) => Event::Failed { step, elapsed },
        });
        fetched
    }

    fn archive_or_file(&self, step: StepId, url: &str) -> Result<ContextSource, StepError> {
        let file = self.download(step, url, None)?;
        let content = std::fs::File::open(&file.path).map_err(|source| StepError::Io {
            what: format!("cannot read `{}`", file.path.display()),
            source,
        })?;
        Ok(match is_archive(content) {
            true => ContextSource::Archive(file.path),
            false => ContextSource::File(file),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_apart() {
        let git = [
            "https://h/x.git",
            "https://h/x.git#v1:sub",
            "git://h/x",
            "git@h:x",
            "ssh://h/x",
            "github.com/a/b",
        ];
        for text in git {
            let parsed = RemoteContext::parse(text).unwrap().unwrap();
            assert!(matches!(parsed, RemoteContext::Git(_)), "{text}");
        }
        for text in [
            "https://h/x.tar.gz",
            "HTTP://h/Dockerfile",
            "http://h/x.git/archive",
        ] {
            let parsed = RemoteContext::parse(text).unwrap().unwrap();
            assert_eq!(parsed, RemoteContext::Http(text.to_owned()));
        }
        for text in [
            "dir",
            "./https:/x",
            "ftp://h/x",
            "file:///x.git",
            "https://",
            "C:\\x",
        ] {
            assert_eq!(RemoteContext::parse(text), None, "{text}");
        }
        assert!(
            RemoteContext::parse("https://h/x.git?teg=1")
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        for text in ["https://me:secret@h/x.git", "https://me:secret@h/x.tar"] {
            let shown = RemoteContext::parse(text).unwrap().unwrap().shown();
            assert!(
                shown.contains("h/x") && !shown.contains("secret"),
                "{shown}"
            );
        }
        let git = RemoteContext::parse("https://h/x.git?branch=b&subdir=d")
            .unwrap()
            .unwrap();
        assert_eq!(git.shown(), "https://h/x.git#refs/heads/b:d");
        let git = RemoteContext::parse("https://h/x.git").unwrap().unwrap();
        assert_eq!(git.shown(), "https://h/x.git");
    }
}
