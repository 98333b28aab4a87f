//! ADD of git repositories, and git contexts: fetched with the `git` program, because it knows every
//! transport, credential helper and repository format that a person may have set up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_dockerfile::git::GitSource;

use crate::error::StepError;

/// A repository at one commit, on disk.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// The files, at the subdirectory that was asked for.
    pub(crate) root: PathBuf,
    /// When it was committed, in seconds since 1970.
    pub(crate) committed: i64,
}

/// Finds out which commit `source` means, without fetching it.
///
/// # Errors
/// If git is not there, the repository cannot be reached, or has no such reference.
pub(crate) fn resolve_commit(source: &GitSource) -> Result<String, StepError> {
    let reference = source.reference.as_deref().unwrap_or("HEAD");
    if is_commit(reference) {
        return Ok(reference.to_owned());
    }
    let listing = git(source, None, &["ls-remote", "--", &source.remote])?;
    let lines: Vec<(&str, &str)> = listing
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    // An annotated tag is listed twice; the line with ^{} names the commit.
    let names = [
        format!("{reference}^{{}}"),
        reference.to_owned(),
        format!("refs/tags/{reference}^{{}}"),
        format!("refs/tags/{reference}"),
        format!("refs/heads/{reference}"),
    ];
    let found = names
        .iter()
        .find_map(|name| lines.iter().find(|(_, listed)| listed == name));
    let (commit, _) =
        found.ok_or_else(|| failure(source, format!("there is no branch or tag `{reference}`")))?;
    Ok((*commit).to_owned())
}

/// Checks `source` out below `scratch`, at `commit`.
///
/// # Errors
/// If it cannot be fetched, or the commit is not the one that `checksum` demands, or there is no such
/// subdirectory.
pub(crate) fn checkout(
    source: &GitSource,
    commit: &str,
    keep_git_dir: bool,
    scratch: &Path,
) -> Result<Checkout, StepError> {
    if let Some(checksum) = source
        .checksum
        .as_deref()
        .filter(|sum| !commit.starts_with(*sum))
    {
        return Err(failure(
            source,
            format!("its commit is {commit}, not {checksum}"),
        ));
    }
    let directory = scratch.join("git");
    std::fs::create_dir(&directory).map_err(|source| StepError::Io {
        what: format!("cannot create `{}`", directory.display()),
        source,
    })?;
    let run = |arguments: &[&str]| git(source, Some(&directory), arguments);
    run(&["init", "--quiet"])?;
    run(&["remote", "add", "origin", &source.remote])?;
    // Many servers give a single commit; those that do not give the whole reference.
    let one = run(&["fetch", "--quiet", "--depth=1", "origin", commit]);
    if one.is_err() {
        run(&[
            "fetch",
            "--quiet",
            "--tags",
            "origin",
            "+refs/heads/*:refs/remotes/origin/*",
        ])?;
    }
    run(&[
        "-c",
        "advice.detachedHead=false",
        "checkout",
        "--quiet",
        commit,
    ])?;
    if source.submodules.unwrap_or(true) && directory.join(".gitmodules").exists() {
        run(&[
            "submodule",
            "update",
            "--quiet",
            "--init",
            "--recursive",
            "--depth=1",
        ])?;
    }
    let committed = run(&["show", "-s", "--format=%ct", "HEAD"])?
        .trim()
        .parse()
        .unwrap_or(0);
    if !keep_git_dir {
        let _ = std::fs::remove_dir_all(directory.join(".git"));
    }
    let root = match source
        .subdir
        .as_deref()
        .map(|subdir| subdir.trim_matches('/'))
    {
        None | Some("" | ".") => directory,
        Some(subdir) if subdir.split('/').any(|part| part == "..") => {
            return Err(failure(
                source,
                format!("the subdirectory `{subdir}` leads out of it"),
            ));
        }
        Some(subdir) if directory.join(subdir).is_dir() => directory.join(subdir),
        Some(subdir) => {
            return Err(failure(
                source,
                format!("there is no directory `{subdir}` in it"),
            ));
        }
    };
    Ok(Checkout { root, committed })
}

fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Runs git without prompts, without the person's templates and hooks, and with a fixed file mode mask, so
/// that the same commit gives the same files.
fn git(
    source: &GitSource,
    directory: Option<&Path>,
    arguments: &[&str],
) -> Result<String, StepError> {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "init.templateDir=",
            "-c",
            "core.symlinks=true",
        ])
        .args([
            "-c",
            "protocol.ext.allow=never",
            "-c",
            "core.autocrlf=false",
        ])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            failure(source, "the program `git` is not installed".to_owned())
        }
        _ => failure(source, error.to_string()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failure(
        source,
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

fn failure(source: &GitSource, reason: String) -> StepError {
    StepError::Git {
        url: kiln_fetch::redact(&source.remote).to_string(),
        reason,
    }
}
