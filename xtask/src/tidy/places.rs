//! No file names the machine it was written on, or the host of a package registry.
//!
//! A path of one developer's disk breaks for the next; a mirror's name in a script or an example
//! breaks behind another mirror. What the product itself must know (image registries such as
//! Docker Hub) is not in the list. Container paths that merely look like a home directory
//! (`/root/.cache/pip` as a cache mount's target) are common in Dockerfiles and stay allowed.

use super::tree::{Finding, Tree};

const RULE: &str = "foreign-place";

/// Each pattern in two parts, so that this file does not hold what it forbids.
const PLACES: &[(&str, &str)] = &[
    ("/work/", "main"),
    ("/work/", "shared"),
    ("/work/", ".library"),
    ("/root/", ".rustup"),
    ("/root/", ".pyenv"),
    ("/root/", ".cargo/bin"),
    ("/var/tmp/", "peers"),
    ("/var/tmp/", "brief"),
    ("/tmp/", "bash_jobs"),
];

const HOSTS: &[(&str, &str)] = &[
    ("static.", "crates.io"),
    ("index.", "crates.io"),
    ("crates.io", "-index"),
    ("pypi", ".org"),
    ("files.python", "hosted.org"),
    ("registry.", "npmjs.org"),
    ("registry.", "yarnpkg.com"),
    ("deb.", "debian.org"),
    ("ftp.", "debian.org"),
    ("security.", "debian.org"),
    ("snapshot.", "debian.org"),
    ("archive.", "ubuntu.com"),
    ("security.", "ubuntu.com"),
    ("dl-cdn.", "alpinelinux.org"),
    ("proxy.", "golang.org"),
    ("sum.", "golang.org"),
    ("api.", "rubygems.org"),
    ("repo1.", "maven.org"),
    ("repo.maven.", "apache.org"),
    ("conda.", "anaconda.org"),
    ("api.", "nuget.org"),
];

/// Files that cargo writes: every lock file names the index.
const WRITTEN_BY_CARGO: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock"];

/// Looks at every line of every text file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let join = |pair: &(&str, &str)| format!("{}{}", pair.0, pair.1);
    let places: Vec<String> = PLACES.iter().map(join).collect();
    let hosts: Vec<String> = HOSTS.iter().map(join).collect();
    for (path, text) in tree
        .files()
        .filter(|(path, _)| !WRITTEN_BY_CARGO.contains(path))
    {
        for (index, line) in text.lines().enumerate() {
            if let Some(place) = places.iter().find(|place| contains_path(line, place)) {
                let message = format!("`{place}` is a place on one machine");
                findings.push(Finding::new(RULE, path, index + 1, message));
            }
            if let Some(host) = hosts.iter().find(|host| line.contains(host.as_str())) {
                let message = format!(
                    "`{host}` is a package registry's host: let the tool's own settings name it, \
                     or use example.com"
                );
                findings.push(Finding::new(RULE, path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether `line` holds the absolute path `place`, not as the tail of a longer path.
fn contains_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn every_pattern_is_found() {
        for (left, right) in PLACES.iter().chain(HOSTS) {
            let text = format!("first\nsee {left}{right} there\n");
            assert_eq!(lines("docs/a.md", &text), [2], "{left}{right}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_left() {
        let text = format!(
            "/src{0}{1} {0}{1}tenance /root/.cache/pip",
            "/work/", "main"
        );
        assert!(lines("examples/Dockerfile", &text).is_empty());
        assert!(lines("Cargo.lock", &format!("{}{}", "crates.io", "-index")).is_empty());
        assert!(lines("a.rs", "docker.io/library/debian").is_empty());
    }
}
