//! Git references in ADD and as a context: which URLs are repositories, and what their parts mean.
//!
//! `https://host/repo.git`, `ssh://…`, `git://…` and `user@host:repo`, with a fragment
//! `#ref[:subdir]` or a query `?ref= tag= branch= subdir= checksum=|commit= keep-git-dir= submodules=
//! mtime= fetch-by-commit=`.

use crate::mount::boolean;
use crate::suggest;

/// A repository and what to take of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSource {
    /// The reference as written.
    pub written: String,
    /// What git takes as a remote: no fragment, no query.
    pub remote: String,
    /// A branch, tag or commit, as git names it (`refs/tags/…` and `refs/heads/…` for `tag=` and
    /// `branch=`); the remote's `HEAD` without.
    pub reference: Option<String>,
    /// The directory to take, relative and clean.
    pub subdir: Option<String>,
    /// The commit (or a prefix of it) that must come out.
    pub checksum: Option<String>,
    /// Whether `.git` is kept.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched; they are unless this is false.
    pub submodules: Option<bool>,
    /// Where modification times come from.
    pub mtime: Option<GitMtime>,
    /// Whether the commit itself is fetched, for servers that do not show it in a branch.
    pub fetch_by_commit: Option<bool>,
    /// Whether the connection is neither encrypted nor authenticated.
    pub unencrypted: bool,
}

/// Where modification times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GitMtime {
    /// The time of the checkout.
    Checkout,
    /// The time of the commit.
    Commit,
}

/// A repository's reference with a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// A query key that means nothing.
    #[error("unexpected key {key:?} in the git URL's query{}", .suggestion.as_ref().map(|s| format!("; did you mean {s}?")).unwrap_or_default())]
    Key {
        /// The key.
        key: String,
        /// A key that is spelt nearly the same.
        suggestion: Option<String>,
    },
    /// A value that the key does not take.
    #[error("invalid value {value:?} for {key} in the git URL's query")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Two parts that say different things.
    #[error("conflicting {0} in the git URL")]
    Conflict(&'static str),
    /// A subdirectory outside of the repository.
    #[error("subdirectory {0:?} is outside of the repository")]
    Outside(String),
    /// A remote or reference that git could take for an option.
    #[error("{0:?} must not begin with '-'")]
    Dash(String),
}

const KEYS: [&str; 10] = [
    "ref",
    "tag",
    "branch",
    "subdir",
    "checksum",
    "commit",
    "keep-git-dir",
    "submodules",
    "mtime",
    "fetch-by-commit",
];

impl GitSource {
    /// Reads a reference as ADD does; `None` if the text is no repository at all.
    ///
    /// # Errors
    /// The inner result: see [`GitError`].
    pub fn parse(text: &str) -> Option<Result<GitSource, GitError>> {
        let (base, fragment) = match text.split_once('#') {
            Some((base, fragment)) => (base, Some(fragment)),
            None => (text, None),
        };
        let (remote, query) = match base.split_once('?') {
            Some((remote, query)) => (remote, Some(query)),
            None => (base, None),
        };
        let unencrypted = is_remote(remote)?;
        Some(GitSource::read(text, remote, query, fragment, unencrypted))
    }

    /// Reads a reference as the build context: the old form `github.com/owner/repo` works too.
    ///
    /// # Errors
    /// The inner result: see [`GitError`].
    pub fn parse_context(text: &str) -> Option<Result<GitSource, GitError>> {
        match text.strip_prefix("github.com/") {
            Some(_) => {
                let (base, fragment) = match text.split_once('#') {
                    Some((base, fragment)) => (base, Some(fragment)),
                    None => (text, None),
                };
                let (remote, query) = match base.split_once('?') {
                    Some((remote, query)) => (remote, Some(query)),
                    None => (base, None),
                };
                Some(GitSource::read(
                    text,
                    &format!("https://{remote}"),
                    query,
                    fragment,
                    false,
                ))
            }
            None => GitSource::parse(text),
        }
    }

    /// The repository's own name: the last part of the remote without `.git`.
    pub fn name(&self) -> &str {
        let last = self
            .remote
            .trim_end_matches('/')
            .rsplit(['/', ':'])
            .next()
            .unwrap_or("");
        last.strip_suffix(".git").unwrap_or(last)
    }

    fn read(
        text: &str,
        remote: &str,
        query: Option<&str>,
        fragment: Option<&str>,
        unencrypted: bool,
    ) -> Result<GitSource, GitError> {
        let mut git = GitSource {
            written: text.to_string(),
            remote: remote.to_string(),
            unencrypted,
            ..GitSource::default()
        };
        if let Some(fragment) = fragment {
            let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
            git.reference = Some(reference.to_string()).filter(|text| !text.is_empty());
            git.subdir = subdirectory(subdir)?;
        }
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            if pair.is_empty() {
                continue;
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            git.option(&query_decode(key), &query_decode(value))?;
        }
        for part in [Some(&git.remote), git.reference.as_ref()]
            .into_iter()
            .flatten()
        {
            if part.starts_with('-') {
                return Err(GitError::Dash(part.clone()));
            }
        }
        Ok(git)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), GitError> {
        let bad = |value: &str| GitError::Value {
            key: key.to_string(),
            value: value.to_string(),
        };
        let filled = || match value.is_empty() {
            true => Err(bad("")),
            false => Ok(value.to_string()),
        };
        let switch = || match value {
            "" => Ok(true),
            text => boolean(text).ok_or_else(|| bad(text)),
        };
        match key {
            "ref" => once(&mut self.reference, filled()?, "ref"),
            "tag" => {
                let name = filled()?;
                let name = name.strip_prefix("refs/tags/").unwrap_or(&name);
                once(&mut self.reference, format!("refs/tags/{name}"), "tag")
            }
            "branch" => {
                let name = filled()?;
                let name = name.strip_prefix("refs/heads/").unwrap_or(&name);
                once(&mut self.reference, format!("refs/heads/{name}"), "branch")
            }
            "subdir" => match subdirectory(&filled()?)? {
                Some(subdir) => once(&mut self.subdir, subdir, "subdir"),
                None => Ok(()),
            },
            "checksum" | "commit" => {
                let commit = filled()?;
                let hex = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !hex || commit.len() > 64 {
                    return Err(bad(&commit));
                }
                once(&mut self.checksum, commit, "checksum")
            }
            "keep-git-dir" => once(&mut self.keep_git_dir, switch()?, "keep-git-dir"),
            "submodules" => once(&mut self.submodules, switch()?, "submodules"),
            "fetch-by-commit" => once(&mut self.fetch_by_commit, switch()?, "fetch-by-commit"),
            "mtime" => {
                let mtime = match value {
                    "checkout" => GitMtime::Checkout,
                    "commit" => GitMtime::Commit,
                    other => return Err(bad(other)),
                };
                once(&mut self.mtime, mtime, "mtime")
            }
            other => Err(GitError::Key {
                key: other.to_string(),
                suggestion: suggest::nearest(other, KEYS).map(str::to_string),
            }),
        }
    }
}

/// Sets a part; saying the same thing twice is fine.
fn once<T: PartialEq>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), GitError> {
    match slot {
        Some(known) if *known != value => Err(GitError::Conflict(name)),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

/// Whether a text (without fragment and query) is a remote, and if so whether it is unencrypted. HTTP
/// URLs are repositories only if they end in `.git`.
fn is_remote(text: &str) -> Option<bool> {
    if let Some((scheme, rest)) = text.split_once("://") {
        if rest.is_empty() || rest.starts_with('/') {
            return None;
        }
        let repository = rest
            .split_once('/')
            .is_some_and(|(_, path)| path.ends_with(".git"));
        return match scheme.to_ascii_lowercase().as_str() {
            "https" if repository => Some(false),
            "http" if repository => Some(true),
            "ssh" => Some(false),
            "git" => Some(true),
            _ => None,
        };
    }
    // user@host:path, as scp has it.
    let (user, rest) = text.split_once('@')?;
    let (host, path) = rest.split_once(':')?;
    let word = |text: &str, more: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    (word(user, b"-_") && word(host, b"-_.") && !path.is_empty()).then_some(false)
}

/// A clean relative path; `None` is the root.
fn subdirectory(text: &str) -> Result<Option<String>, GitError> {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts
                    .pop()
                    .ok_or_else(|| GitError::Outside(text.to_string()))?;
            }
            part => parts.push(part),
        }
    }
    Ok(Some(parts.join("/")).filter(|path| !path.is_empty()))
}

fn query_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

/// Decodes `%41`; what is malformed stays as it is, and bad UTF-8 is replaced.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|b| char::from(*b).to_digit(16))
        };
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
