//! The files that the checks look at, and what a check hands back.
//!
//! A [`Tree`] is plain data: the tests of a check make one from a few lines of text, the command
//! makes one from what git tracks or would track.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Text files by their path relative to the repository's root, with `/` between the parts.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every text file below `root` that git tracks, or that is new and not ignored.
    ///
    /// New files count too, so that the author hears of a problem before the commit. Files that
    /// are not UTF-8 are left out: they hold no source.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        // A checkout that belongs to another user, as in a container, is still the one asked about.
        let trusted = format!("safe.directory={}", root.display());
        let output = Command::new("git")
            .args(["-c", &trusted, "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("tidy asks git for the list of files: {error}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("git ls-files failed: {}", stderr.trim()));
        }
        let mut files = BTreeMap::new();
        for name in output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let path = root.join(name);
            // A tracked file that was just deleted, or a link to a directory, has no text.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            if let Ok(text) = String::from_utf8(bytes) {
                files.insert(name.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    /// A tree made of the given (path, text) pairs.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: files.collect(),
        }
    }

    /// All (path, text) pairs in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Only the Rust sources.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file, if it is there.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether any file lies below the folder `folder` (given without a final slash).
    pub(crate) fn has_folder(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.files.keys().any(|path| path.starts_with(&prefix))
    }
}

/// One thing that a check found. It prints as `path:line: message (rule)`, which editors follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path relative to the repository's root.
    pub(crate) path: String,
    /// Counted from one; zero when the finding is about the file as a whole.
    pub(crate) line: usize,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
    /// The check's name.
    pub(crate) rule: &'static str,
    /// A note is printed but does not fail the run.
    pub(crate) note: bool,
}

impl Finding {
    /// A finding that fails the run.
    pub(crate) fn new(
        rule: &'static str,
        path: &str,
        line: usize,
        message: impl Into<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
            rule,
            note: false,
        }
    }

    /// A finding that is only mentioned.
    pub(crate) fn note(
        rule: &'static str,
        path: &str,
        line: usize,
        message: impl Into<String>,
    ) -> Self {
        Self {
            note: true,
            ..Self::new(rule, path, line, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.note { "note: " } else { "" };
        write!(
            f,
            "{}:{}: {kind}{} ({})",
            self.path,
            self.line.max(1),
            self.message,
            self.rule
        )
    }
}

/// The crate that a path belongs to: `kiln-oci` for `crates/kiln-oci/src/lib.rs`, `xtask` for
/// `xtask/src/main.rs`.
pub(crate) fn crate_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    match parts.next() {
        Some("crates") => parts.next().filter(|_| parts.next().is_some()),
        Some("xtask") => Some("xtask"),
        _ => None,
    }
}

/// Whether a Rust file is test code or a helper program as a whole: the rules for libraries do not
/// hold there.
pub(crate) fn is_free_code(path: &str) -> bool {
    let in_folder = |folder: &str| path.split('/').rev().skip(1).any(|part| part == folder);
    let stem = path.rsplit('/').next().unwrap_or(path);
    matches!(crate_of(path), Some("xtask" | "kiln-testkit"))
        || ["tests", "benches", "examples", "fuzz"]
            .iter()
            .any(|folder| in_folder(folder))
        || matches!(stem, "build.rs" | "tests.rs")
        || stem.ends_with("_tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_as_editors_read_it() {
        let finding = Finding::new("sizes", "a/b.rs", 7, "too long");
        assert_eq!(finding.to_string(), "a/b.rs:7: too long (sizes)");
        assert_eq!(
            Finding::note("s", "a", 0, "hm").to_string(),
            "a:1: note: hm (s)"
        );
    }

    #[test]
    fn paths_belong_to_crates() {
        assert_eq!(crate_of("crates/kiln-oci/src/lib.rs"), Some("kiln-oci"));
        assert_eq!(crate_of("crates/README.md"), None);
        assert_eq!(crate_of("xtask/src/main.rs"), Some("xtask"));
        assert_eq!(crate_of("README.md"), None);
    }

    #[test]
    fn tests_and_helpers_are_free() {
        assert!(is_free_code("crates/kiln-oci/tests/it/main.rs"));
        assert!(is_free_code("crates/kiln-oci/src/digest/tests.rs"));
        assert!(is_free_code("crates/kiln-oci/build.rs"));
        assert!(is_free_code("xtask/src/main.rs"));
        assert!(!is_free_code("crates/kiln-oci/src/digest.rs"));
        assert!(!is_free_code("crates/kiln-oci/src/contests.rs"));
    }
}
