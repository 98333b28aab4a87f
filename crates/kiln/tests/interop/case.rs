//! A case: a Dockerfile, what its context is made of, and the flags of the build.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::builders::Builder;
use crate::{peers, repositories};

/// The time of files in a context, in seconds since 1970: old, so that it is told from times that
/// the clock gave.
const FILE_TIME: u64 = 1_500_000_000;

/// One build, as data. Both builders get the same flags, in the folder above the context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) dockerfile: &'static str,
    /// A shell script that fills the context; it runs there.
    pub(crate) context: &'static str,
    pub(crate) flags: &'static [&'static str],
    /// The Dockerfile of the image `parent:1`, for what an image hands on.
    pub(crate) parent: Option<&'static str>,
    /// If the context is a git repository that builders fetch: what comes behind its address.
    pub(crate) repository: Option<&'static str>,
    /// Whether every builder must refuse it.
    pub(crate) refused: bool,
    /// Whose result counts.
    pub(crate) oracle: Builder,
}

impl Case {
    /// A case with an empty context.
    pub(crate) const fn new(name: &'static str, dockerfile: &'static str) -> Self {
        Self {
            name,
            dockerfile,
            context: "",
            flags: &[],
            parent: None,
            repository: None,
            refused: false,
            oracle: Builder::BuildKit,
        }
    }

    /// With a context that this script makes.
    pub(crate) const fn context(self, script: &'static str) -> Self {
        Self {
            context: script,
            ..self
        }
    }

    /// With further flags of the build.
    pub(crate) const fn flags(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    /// On top of an image of its own.
    pub(crate) const fn parent(self, dockerfile: &'static str) -> Self {
        Self {
            parent: Some(dockerfile),
            ..self
        }
    }

    /// Taken from a git repository with these files, `fragment` and all. `$REPOSITORY` is its address.
    pub(crate) const fn repository(self, fragment: &'static str) -> Self {
        Self {
            repository: Some(fragment),
            ..self
        }
    }

    /// Which nobody can build.
    pub(crate) const fn refused(self) -> Self {
        Self {
            refused: true,
            ..self
        }
    }

    /// Which only buildah can build as the reference says: Debian's BuildKit leaves out what is (or
    /// was until lately) a labs feature, and its protocol carries no names that are not UTF-8.
    pub(crate) const fn judged_by_buildah(self) -> Self {
        Self {
            oracle: Builder::Buildah,
            ..self
        }
    }

    /// Makes `folder` with the context, named as the case, and, for a parent, `parent/`.
    ///
    /// BuildKit takes contexts of one name for versions of the same, and does not look again at files
    /// with the size and time of the earlier one, nor at folders: each case has a name of its own.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
        let context = folder.join(self.name);
        fs::create_dir_all(&context).map_err(wrong)?;
        fs::write(context.join("Dockerfile"), self.dockerfile).map_err(wrong)?;
        if let Some(parent) = self.parent {
            fs::create_dir_all(folder.join("parent")).map_err(wrong)?;
            fs::write(folder.join("parent/Dockerfile"), parent).map_err(wrong)?;
        }
        // Whatever the umask of whoever runs the tests.
        let script = format!(
            "umask 022\n(:\n{}\n)\nfind .. -exec touch -h -d @{FILE_TIME} {{}} +",
            self.context
        );
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &script])
            .current_dir(&context)
            .stdin(Stdio::null());
        peers::output(&mut shell)?;
        match self.repository {
            Some(_) => repositories::commit(&context),
            None => Ok(()),
        }
    }
}
