//! How far a Debian root has come, read from what the package manager wrote down.
//!
//! No marker file of our own: it could outlive the truth. A root that an earlier run left half-made
//! shows in dpkg's own status.

use std::collections::BTreeSet;
use std::path::Path;

/// The state of a root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// There is none, or its base system never got finished.
    Missing,
    /// The base is there; these packages are not, or not configured.
    Lacks(Vec<&'static str>),
    /// All is there.
    Complete,
}

/// Looks at the root in `sid` for the packages `wanted`.
pub(crate) fn status(sid: &Path, wanted: &[&'static str]) -> Status {
    // debootstrap keeps its working folder until its last step.
    if sid.join("debootstrap").exists() {
        return Status::Missing;
    }
    let Ok(text) = std::fs::read_to_string(sid.join("var/lib/dpkg/status")) else {
        return Status::Missing;
    };
    let installed = installed(&text);
    if !installed.contains("apt") {
        return Status::Missing;
    }
    let missing: Vec<_> = wanted
        .iter()
        .copied()
        .filter(|name| !installed.contains(name))
        .collect();
    if missing.is_empty() {
        Status::Complete
    } else {
        Status::Lacks(missing)
    }
}

/// The names of fully installed packages in dpkg's status file: paragraphs of `Field: value` lines
/// (Debian Policy, chapter "Control files and their fields").
fn installed(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        if field("Status") == Some("install ok installed") {
            names.extend(field("Package"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const DPKG: &str = "Package: apt\nStatus: install ok installed\nDescription: x\n Package: no\n\n\
                        Package: skopeo\nStatus: install ok unpacked\n\n\
                        Package: umoci\nVersion: 1\nStatus: install ok installed\n";

    #[test]
    fn only_finished_packages_count() {
        assert_eq!(installed(DPKG), BTreeSet::from(["apt", "umoci"]));
    }

    #[test]
    fn every_state_is_recognized() {
        let root = std::env::temp_dir().join(format!("xtask-status-{}", std::process::id()));
        let dpkg = root.join("var/lib/dpkg");
        assert_eq!(status(&root, &["umoci"]), Status::Missing);
        std::fs::create_dir_all(&dpkg).expect("a temporary folder");
        assert_eq!(status(&root, &["umoci"]), Status::Missing);
        std::fs::write(dpkg.join("status"), DPKG).expect("a temporary file");
        assert_eq!(status(&root, &["umoci"]), Status::Complete);
        assert_eq!(
            status(&root, &["umoci", "skopeo"]),
            Status::Lacks(vec!["skopeo"])
        );
        std::fs::create_dir(root.join("debootstrap")).expect("a temporary folder");
        assert_eq!(status(&root, &["umoci"]), Status::Missing);
        std::fs::remove_dir_all(&root).expect("the test's own folder");
    }
}
