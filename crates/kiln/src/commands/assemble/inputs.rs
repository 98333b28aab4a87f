//! The files that assembling reads: `image.toml` and the lock beside it.

use std::path::{Path, PathBuf};

use kiln_assemble::{Architecture, CacheError, Lock, Spec};
use kiln_fetch::{Client, ClientOptions};
use kiln_oci::Platform;

use crate::commands::Context;
use crate::environment::Environment;
use crate::ui::report::Report;

/// What was read.
pub(super) struct Inputs {
    /// The image file as it was named.
    pub(super) file: PathBuf,
    pub(super) spec: Spec,
    /// Those that the file names, or this machine's.
    pub(super) architectures: Vec<Architecture>,
    /// Where the file is: names in it are seen from here.
    pub(super) directory: PathBuf,
    pub(super) lock_path: PathBuf,
}

impl Inputs {
    /// Reads the image file.
    pub(super) fn read(context: &Context, file: &Path) -> Result<Self, Report> {
        let path = context.environment.absolute(file);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let report = Report::new(format!("cannot read `{}`: {error}", file.display()));
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    report.hint("`kiln assemble --help` says what goes into it")
                }
                _ => report,
            }
        })?;
        Self::parse(file, &path, &text)
    }

    /// Those of a preset, which has no file.
    pub(super) fn preset(context: &Context, text: &str) -> Result<Self, Report> {
        let file = Path::new("preset.toml");
        Self::parse(file, &context.environment.absolute(file), text)
    }

    /// Those of a text that is, or will be, in `file`, which is at `path`.
    pub(super) fn parse(file: &Path, path: &Path, text: &str) -> Result<Self, Report> {
        let spec: Spec = text.parse().map_err(|error: kiln_assemble::InvalidSpec| {
            Report::new(format!(
                "{}:{}: {}",
                file.display(),
                error.line,
                error.message
            ))
            .hint(format!("the line reads: {}", error.text))
        })?;
        let architectures = match spec.architectures.is_empty() {
            false => spec.architectures.clone(),
            true => vec![own_architecture()?],
        };
        Ok(Self {
            file: file.to_owned(),
            spec,
            architectures,
            directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
            lock_path: path.with_extension("lock"),
        })
    }

    /// The lock file, if there is one.
    pub(super) fn lock(&self) -> Result<Option<Lock>, Report> {
        let shown = self.lock_path.display();
        match std::fs::read_to_string(&self.lock_path) {
            Ok(text) => text
                .parse()
                .map(Some)
                .map_err(|error: kiln_assemble::InvalidLock| {
                    Report::new(format!("the lock file `{shown}` cannot be used: {error}"))
                        .hint("remove it and make it anew with `kiln assemble lock`")
                }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Report::new(format!("cannot read `{shown}`: {error}"))),
        }
    }

    /// The lock file, which must be there.
    pub(super) fn needed_lock(&self) -> Result<Lock, Report> {
        self.lock()?.ok_or_else(|| {
            Report::new(format!("`{}` is not there", self.lock_path.display()))
                .hint(format!("find the packages first: {}", self.lock_command()))
        })
    }

    /// What to type to make the lock file.
    pub(super) fn lock_command(&self) -> String {
        match self.file == Path::new("image.toml") {
            true => "kiln assemble lock".to_owned(),
            false => format!("kiln assemble lock {}", self.file.display()),
        }
    }
}

/// This machine's, by Debian's name.
pub(super) fn own_architecture() -> Result<Architecture, Report> {
    architecture_of(&Platform::host())
}

/// What Debian calls the architecture of a platform.
pub(super) fn architecture_of(platform: &Platform) -> Result<Architecture, Report> {
    Architecture::of(platform).ok_or_else(|| {
        Report::new(format!("Debian has no architecture for {platform}"))
            .hint("say which one with `architectures = [\"amd64\"]`")
    })
}

/// The client for repositories; nothing without a network.
pub(super) fn client(environment: &Environment, offline: bool) -> Result<Option<Client>, Report> {
    if offline {
        return Ok(None);
    }
    let options = ClientOptions {
        proxies: environment.proxies.clone(),
        ca_certificates: environment.ca_certificates.iter().cloned().collect(),
        ..ClientOptions::default()
    };
    Ok(Some(Client::new(options)?))
}

/// What to do about a file that is not to be had.
pub(super) fn cache_hint(error: &CacheError) -> Option<String> {
    match error {
        CacheError::Offline { .. } => Some("run it once without --offline".to_owned()),
        CacheError::Fetch { source, .. } => source.hint().map(str::to_owned),
        _ => None,
    }
}
