//! COPY and ADD with their variables expanded.

use super::{StageScope, clean};
use crate::chmod::Mode;
use crate::diagnostic::Diagnostic;
use crate::evaluate::{
    AddSource, CopySource, Destination, EvaluatedAdd, EvaluatedCopy, HeredocFile, PathSource,
};
use crate::expand;
use crate::git::GitSource;
use crate::glob;
use crate::syntax::{Add, Copy, Heredoc, Source, Word};

/// The flags that COPY and ADD have in common.
struct Flags<'a> {
    dest: &'a Word,
    chown: Option<&'a Word>,
    chmod: Option<&'a Word>,
    link: bool,
    excludes: &'a [Word],
}

impl StageScope {
    pub(super) fn copy(&mut self, copy: &Copy) -> Result<EvaluatedCopy, Diagnostic> {
        let from = match &copy.from {
            Some(word) => Some(self.fixed.names.copy_source(word, self.stage)?),
            None => None,
        };
        let mut paths = Vec::new();
        let mut files = Vec::new();
        for source in &copy.sources {
            match source {
                Source::Heredoc(heredoc) => {
                    files.push(CopySource::Heredoc(self.heredoc(heredoc)?));
                }
                Source::Path(word) => {
                    let text = self.expand(word)?;
                    refuse_remote(&text, word)?;
                    paths.push(CopySource::Path(path_source(text, copy.parents)));
                }
            }
        }
        paths.append(&mut files);
        let to = self.destination(&Flags {
            dest: &copy.dest,
            chown: copy.chown.as_ref(),
            chmod: copy.chmod.as_ref(),
            link: copy.link,
            excludes: &copy.excludes,
        })?;
        Ok(EvaluatedCopy {
            sources: paths,
            from,
            to,
            parents: copy.parents,
        })
    }

    pub(super) fn add(&mut self, add: &Add) -> Result<EvaluatedAdd, Diagnostic> {
        let mut sources = Vec::new();
        let mut files = Vec::new();
        let mut keep_git_dir = add.keep_git_dir;
        let mut checksum = self.expand_optional(add.checksum.as_ref())?;
        for source in &add.sources {
            let word = match source {
                Source::Heredoc(heredoc) => {
                    files.push(AddSource::Heredoc(self.heredoc(heredoc)?));
                    continue;
                }
                Source::Path(word) => word,
            };
            let text = self.expand(word)?;
            let source = add_source(text, word)?;
            if let AddSource::Git(git) = &source {
                agree(&mut keep_git_dir, git.keep_git_dir, word, "keep-git-dir")?;
                agree(&mut checksum, git.checksum.clone(), word, "checksum")?;
            }
            sources.push(source);
        }
        if let (Some(word), Some(checksum)) = (&add.checksum, &checksum) {
            check_checksum(word, checksum, &sources)?;
        }
        sources.append(&mut files);
        let to = self.destination(&Flags {
            dest: &add.dest,
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            link: add.link,
            excludes: &add.excludes,
        })?;
        Ok(EvaluatedAdd {
            sources,
            to,
            checksum,
            unpack: add.unpack,
            keep_git_dir,
        })
    }

    fn destination(&mut self, flags: &Flags<'_>) -> Result<Destination, Diagnostic> {
        let written = self.expand(flags.dest)?;
        let mut path = clean(&self.absolute(&written));
        // "." and "" mean the working directory, and a directory it is.
        let directory = matches!(written.as_str(), "" | ".") || written.ends_with(['/']);
        if (directory || written.ends_with("/.")) && path != "/" {
            path.push('/');
        }
        let chmod = self.expand_optional(flags.chmod)?;
        if let (Some(word), Some(mode)) = (flags.chmod, &chmod) {
            Mode::parse(mode).map_err(|error| Diagnostic::error(word.span, error.to_string()))?;
        }
        Ok(Destination {
            written,
            path,
            chown: self.expand_optional(flags.chown)?,
            chmod,
            link: flags.link,
            excludes: self.expand_all(flags.excludes)?,
        })
    }

    fn heredoc(&mut self, heredoc: &Heredoc) -> Result<HeredocFile, Diagnostic> {
        let text = heredoc.stripped();
        let content = match heredoc.expand {
            false => text,
            true => {
                let expanded = expand::expand_heredoc(&text, &self.visible)
                    .map_err(|error| Diagnostic::error(heredoc.span, error.to_string()))?;
                self.note_undefined(&expanded.unset, heredoc.span);
                expanded.value
            }
        };
        Ok(HeredocFile {
            name: heredoc.name.clone(),
            content,
        })
    }
}

/// COPY takes nothing from the network.
fn refuse_remote(text: &str, word: &Word) -> Result<(), Diagnostic> {
    let what = match GitSource::parse(text) {
        Some(_) => "a git repository",
        None if is_http(text) => "a URL",
        None => return Ok(()),
    };
    let message = format!("COPY cannot take {what} as its source");
    Err(Diagnostic::error(word.span, message).with_help("ADD can"))
}

fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn add_source(text: String, word: &Word) -> Result<AddSource, Diagnostic> {
    match GitSource::parse(&text) {
        Some(Ok(git)) => Ok(AddSource::Git(git)),
        Some(Err(error)) => Err(Diagnostic::error(word.span, error.to_string())),
        None if is_http(&text) => Ok(AddSource::Http {
            file_name: url_file_name(&text),
            url: text,
        }),
        None => Ok(AddSource::Local(path_source(text, false))),
    }
}

/// The last part of a URL's path, percent escapes decoded.
fn url_file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let decoded = crate::git::percent_decode(path);
    let clean = clean(&decoded);
    match clean.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => "__unnamed__".to_string(),
    }
}

/// A path or pattern, split at the pivot if `--parents` asks for that.
pub(super) fn path_source(written: String, parents: bool) -> PathSource {
    let (base, path) = match parents.then(|| written.split_once("/./")).flatten() {
        Some((base, path)) => (clean(&format!("/{base}")), path),
        None => ("/".to_string(), written.as_str()),
    };
    let path = clean(&format!("/{path}"));
    let wildcard = glob::has_wildcards(&path) || (parents && glob::has_wildcards(&base));
    PathSource {
        base: base[1..].to_string(),
        path: path[1..].to_string(),
        wildcard,
        written,
    }
}

/// Two places may say the same thing, but not different things.
fn agree<T: PartialEq>(
    flag: &mut Option<T>,
    query: Option<T>,
    word: &Word,
    name: &str,
) -> Result<(), Diagnostic> {
    match (&flag, query) {
        (_, None) => Ok(()),
        (Some(flag), Some(query)) if *flag != query => {
            let message = format!("--{name} and the URL's {name} contradict each other");
            Err(Diagnostic::error(word.span, message))
        }
        (_, query) => {
            *flag = query;
            Ok(())
        }
    }
}

fn check_checksum(word: &Word, checksum: &str, sources: &[AddSource]) -> Result<(), Diagnostic> {
    let refuse = |reason: &str| Err(Diagnostic::error(word.span, reason));
    let [source] = sources else {
        return refuse("--checksum needs exactly one source");
    };
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match source {
        AddSource::Http { .. } => match checksum.strip_prefix("sha256:") {
            Some(digits) if digits.len() == 64 && hex(digits) => Ok(()),
            _ => refuse("--checksum of a URL must be sha256: and 64 hexadecimal digits"),
        },
        AddSource::Git(_) if hex(checksum) && checksum.len() <= 64 => Ok(()),
        AddSource::Git(_) => refuse("--checksum of a git repository must be a commit"),
        _ => refuse("--checksum needs an HTTP(S) or git source"),
    }
}
