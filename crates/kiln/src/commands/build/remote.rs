//! Contexts and Dockerfiles from the web.
//!
//! The rules are those of `docker build`: an archive or a repository is the context, with the Dockerfile in it; any
//! other file is the Dockerfile itself. No ignore file is applied. Source: Docker's reference page of `docker build`,
//! and buildx's `build/opt.go` for `--file`.

use std::collections::BTreeMap;

use kiln_build::{Cancel, ContextSource, Fetcher, RemoteContext, StepError, WebFile};
use kiln_dockerfile::SourceFile;
use kiln_store::{Lease, Store};

use super::inputs::{Inputs, member, stdin};
use super::{BuildArgs, git_ssh, hints};
use crate::commands::Context;
use crate::ui::report::Report;

/// The names that are tried if `--file` says nothing.
const DOCKERFILES: [&str; 3] = ["Dockerfile", "dockerfile", "Containerfile"];

/// The most that is taken as a Dockerfile.
const LARGEST_DOCKERFILE: u64 = 16 << 20;

/// The build argument that keeps `.git`. Source: BuildKit's Dockerfile reference, "BuildKit built-in build args".
const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";

/// A Dockerfile's name for messages, and its text.
type Named = (String, Vec<u8>);

/// What a text stands for on the web; `None` if it is no URL.
pub(super) fn parse(text: &str) -> Result<Option<RemoteContext>, Report> {
    let Some(parsed) = RemoteContext::parse(text) else {
        return Ok(None);
    };
    parsed.map(Some).map_err(|error| {
        Report::new(format!(
            "cannot use `{}` as a context",
            kiln_fetch::redact(text)
        ))
        .hint(error.to_string())
    })
}

/// What fetching before the build needs.
pub(super) struct Web<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a BuildArgs,
    pub(super) client: &'a kiln_fetch::Client,
    pub(super) cancel: &'a Cancel,
}

impl Web<'_> {
    /// Fetches the main context and finds the Dockerfile.
    pub(super) fn inputs(
        &self,
        mut remote: RemoteContext,
        named: BTreeMap<String, ContextSource>,
    ) -> Result<Inputs, Report> {
        if let RemoteContext::Git(source) = &mut remote {
            source.keep_git_dir = source.keep_git_dir.or_else(|| self.keep_git_dir());
        }
        let store = self.context.store()?;
        let lease = store.lease()?;
        let shown = remote.shown();
        let context = self.fetch(&store, &lease, &remote)?;
        let (name, bytes) = match &context {
            // Docker ignores --file here.
            ContextSource::File(file) => (shown.clone(), read_dockerfile(file)?),
            _ => self.dockerfile(&store, &context, &shown)?,
        };
        Ok(Inputs {
            dockerfile: SourceFile::new(name, bytes),
            context,
            ignore: None,
            named,
            lease: Some(lease),
        })
    }

    /// The Dockerfile, if `--file` is a URL.
    pub(super) fn dockerfile_by_url(&self) -> Result<Option<Named>, Report> {
        let file = self.args.file.as_ref().and_then(|file| file.to_str());
        let Some(remote) = file.filter(|file| file.contains("://")) else {
            return Ok(None);
        };
        let Some(remote @ RemoteContext::Http(_)) = parse(remote)? else {
            return Err(Report::usage(format!("--file: cannot use `{remote}`")));
        };
        let store = self.context.store()?;
        let lease = store.lease()?;
        match self.fetch(&store, &lease, &remote)? {
            ContextSource::File(file) => Ok(Some((remote.shown(), read_dockerfile(&file)?))),
            _ => Err(Report::new(format!(
                "`{}` is an archive, not a Dockerfile",
                remote.shown()
            ))),
        }
    }

    fn keep_git_dir(&self) -> Option<bool> {
        let mut args = self.args.build_arg.iter().rev();
        let given = args.find_map(|arg| match arg.split_once('=') {
            Some((KEEP_GIT_DIR, value)) => Some(value.to_owned()),
            None if arg == KEEP_GIT_DIR => self.context.environment.variable(arg),
            _ => None,
        });
        given.map(|value| matches!(&*value.to_ascii_lowercase(), "1" | "t" | "true"))
    }

    fn fetch(
        &self,
        store: &Store,
        lease: &Lease,
        remote: &RemoteContext,
    ) -> Result<ContextSource, Report> {
        let display = self.args.display(self.context);
        let git_ssh = git_ssh::command(self.context);
        let fetcher = Fetcher {
            store,
            lease,
            client: self.client,
            observer: &*display,
            cancel: self.cancel,
            git_ssh: git_ssh.as_deref(),
        };
        let shown = remote.shown();
        let fetched = fetcher.fetch(0, &format!("[context] load {shown}"), remote);
        display.finish();
        fetched.map_err(|error| {
            if matches!(error, StepError::Cancelled) || self.cancel.is_cancelled() {
                return Report::interrupted();
            }
            let advice = hints(&error);
            advice.into_iter().fold(Report::from(error), Report::hint)
        })
    }

    /// The Dockerfile of a context that is more than one file.
    fn dockerfile(
        &self,
        store: &Store,
        context: &ContextSource,
        shown: &str,
    ) -> Result<Named, Report> {
        if let Some(by_url) = self.dockerfile_by_url()? {
            return Ok(by_url);
        }
        let read = |name: &str| match context {
            ContextSource::Archive(path) => member(path, name),
            ContextSource::Repository(repository) => Ok(repository.read(store, name)?),
            _ => Ok(None),
        };
        let Some(file) = &self.args.file else {
            for name in DOCKERFILES {
                if let Some(bytes) = read(name)? {
                    return Ok((name.to_owned(), bytes));
                }
            }
            return Err(Report::new(format!("there is no Dockerfile in {shown}"))
                .hint("name another file of it with --file"));
        };
        let name = file.display().to_string();
        if name == "-" {
            return Ok(("<standard input>".to_owned(), stdin()?));
        }
        if file.is_absolute() {
            let bytes = std::fs::read(file);
            let bytes =
                bytes.map_err(|error| Report::new(format!("cannot read `{name}`: {error}")))?;
            return Ok((name, bytes));
        }
        match read(&name)? {
            Some(bytes) => Ok((name, bytes)),
            None => Err(Report::new(format!("there is no `{name}` in {shown}"))
                .hint("--file names a file of the context; an absolute path names one of this machine")),
        }
    }
}

/// The content of a downloaded file that shall be a Dockerfile.
fn read_dockerfile(file: &WebFile) -> Result<Vec<u8>, Report> {
    let shown = kiln_fetch::redact(&file.url);
    if file.size > LARGEST_DOCKERFILE {
        return Err(Report::new(format!(
            "`{shown}` is neither an archive nor a Dockerfile"
        )));
    }
    let bytes = std::fs::read(&file.path)?;
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(Report::new(format!(
            "`{shown}` is a web page, neither an archive nor a Dockerfile"
        ))
        .hint("the URL of a git repository ends in `.git`"));
    }
    Ok(bytes)
}
