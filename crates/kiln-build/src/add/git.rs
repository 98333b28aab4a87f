//! Git repositories for ADD and as contexts: fetched with the `git` program, because it knows every
//! transport, credential helper and repository format that a person may have set up.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kiln_dockerfile::git::GitSource;

use crate::cancel::Cancel;
use crate::error::StepError;

/// How git is run.
#[derive(Clone, Copy)]
pub(crate) struct Git<'a> {
    /// How it is stopped.
    pub(crate) cancel: &'a Cancel,
    /// The ssh command, if the person has set none.
    pub(crate) ssh: Option<&'a str>,
}

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
/// If git is not there, the repository cannot be reached or has no such reference, or the commit is not the one
/// that the source's `checksum` demands.
pub(crate) fn resolve_commit(source: &GitSource, how: Git<'_>) -> Result<String, StepError> {
    let commit = match (
        &source.checksum,
        source.reference.as_deref().unwrap_or("HEAD"),
    ) {
        (Some(checksum), _) if source.fetch_by_commit == Some(true) && is_commit(checksum) => {
            checksum.clone()
        }
        (_, reference) if is_commit(reference) => reference.to_owned(),
        (_, reference) => {
            let listing = git(source, None, &["ls-remote", "--", &source.remote], how)?;
            let commit = commit_of(&listing, reference).map(str::to_owned);
            commit.ok_or_else(|| {
                failure(source, &format!("there is no branch or tag `{reference}`"))
            })?
        }
    };
    let commit = commit.to_ascii_lowercase();
    match source
        .checksum
        .as_ref()
        .map(|checksum| checksum.to_ascii_lowercase())
    {
        Some(checksum) if !commit.starts_with(&checksum) => Err(failure(
            source,
            &format!("its commit is {commit}, not {checksum}"),
        )),
        _ => Ok(commit),
    }
}

/// The commit that `reference` means in the output of `git ls-remote`. As with `git checkout`, a branch goes
/// before a tag of the same name. An annotated tag is listed twice; the line with `^{}` names the commit.
fn commit_of<'a>(listing: &'a str, reference: &str) -> Option<&'a str> {
    let find = |name: &str| {
        let lines = listing.lines().filter_map(|line| line.split_once('\t'));
        lines
            .clone()
            .find(|(_, listed)| listed.strip_suffix("^{}") == Some(name))
            .or_else(|| lines.clone().find(|(_, listed)| *listed == name))
    };
    let names =
        ["", "refs/", "refs/heads/", "refs/tags/"].map(|prefix| format!("{prefix}{reference}"));
    names
        .iter()
        .find_map(|name| find(name))
        .map(|(commit, _)| commit)
}

/// Checks `source` out below `scratch`, at `commit`.
///
/// # Errors
/// If it cannot be fetched, or there is no such subdirectory.
pub(crate) fn checkout(
    source: &GitSource,
    commit: &str,
    keep_git_dir: bool,
    scratch: &Path,
    how: Git<'_>,
) -> Result<Checkout, StepError> {
    let directory = scratch.join("git");
    std::fs::create_dir(&directory).map_err(|source| StepError::Io {
        what: format!("cannot create `{}`", directory.display()),
        source,
    })?;
    let run = |arguments: &[&str]| git(source, Some(&directory), arguments, how);
    match commit.len() {
        64 => run(&["init", "--quiet", "--object-format=sha256"])?,
        _ => run(&["init", "--quiet"])?,
    };
    run(&["remote", "add", "origin", &source.remote])?;
    fetch(commit, &run)?;
    run(&[
        "-c",
        "advice.detachedHead=false",
        "checkout",
        "--quiet",
        commit,
    ])?;
    if source.submodules.unwrap_or(true) && directory.join(".gitmodules").exists() {
        let update = ["submodule", "update", "--quiet", "--init", "--recursive"];
        // Servers that cannot give a single commit give the whole history.
        let shallow = run(&[&update[..], &["--depth=1"]].concat());
        shallow.or_else(|error| run(&update).map_err(|_| error))?;
    }
    let committed = run(&["show", "-s", "--format=%ct", "HEAD"])?;
    if !keep_git_dir {
        remove_git_dirs(&directory);
    }
    let root = subdirectory(source, &directory)?;
    let committed = committed.trim().parse().unwrap_or(0);
    Ok(Checkout { root, committed })
}

/// Many servers give a single commit; those that do not give the whole repository.
fn fetch(
    commit: &str,
    run: &dyn Fn(&[&str]) -> Result<String, StepError>,
) -> Result<(), StepError> {
    let Err(error) = run(&["fetch", "--quiet", "--depth=1", "origin", commit]) else {
        return Ok(());
    };
    if matches!(error, StepError::Cancelled) {
        return Err(error);
    }
    let all = [
        "fetch",
        "--quiet",
        "--tags",
        "origin",
        "+refs/heads/*:refs/remotes/origin/*",
    ];
    run(&all)?;
    Ok(())
}

/// Removes `.git`, which is a directory at the top and a file in each submodule.
fn remove_git_dirs(directory: &Path) {
    let _ = std::fs::remove_dir_all(directory.join(".git"));
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                pending.push(entry.path());
            } else if entry.file_name() == ".git" {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The directory of the checkout that was asked for.
fn subdirectory(source: &GitSource, directory: &Path) -> Result<PathBuf, StepError> {
    let Some(subdir) = source.subdir.as_deref() else {
        return Ok(directory.to_owned());
    };
    let missing = || failure(source, &format!("there is no directory `{subdir}` in it"));
    // A link in the repository must not lead out of it.
    let whole = directory.canonicalize().map_err(|_| missing())?;
    let root = directory
        .join(subdir)
        .canonicalize()
        .map_err(|_| missing())?;
    if !root.starts_with(&whole) {
        return Err(failure(
            source,
            &format!("the subdirectory `{subdir}` leads out of it"),
        ));
    }
    if !root.is_dir() {
        return Err(missing());
    }
    Ok(root)
}

fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where git would look for its repository if kiln runs in a hook of another one.
const OF_ANOTHER_REPOSITORY: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// Runs git without prompts and without the person's templates and hooks, so that the same commit gives the
/// same files.
fn git(
    source: &GitSource,
    directory: Option<&Path>,
    arguments: &[&str],
    how: Git<'_>,
) -> Result<String, StepError> {
    let cancel = how.cancel;
    let mut command = Command::new("git");
    if let Some(ssh) = how.ssh.filter(|_| !has_ssh_command()) {
        command.args(["-c", &format!("core.sshCommand={ssh}")]);
    }
    for setting in [
        "core.hooksPath=/dev/null",
        "init.templateDir=",
        "core.symlinks=true",
        "core.autocrlf=false",
        "protocol.ext.allow=never",
    ] {
        command.args(["-c", setting]);
    }
    for variable in OF_ANOTHER_REPOSITORY {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failure(source, "the program `git` is not installed"),
        _ => failure(source, &error.to_string()),
    })?;
    let (success, output, errors) =
        finish(child, cancel).map_err(|error| failure(source, &error.to_string()))?;
    match success {
        _ if cancel.is_cancelled() => Err(StepError::Cancelled),
        true => Ok(output),
        false => Err(failure(source, errors.trim())),
    }
}

/// Whether the person's git settings name an ssh command. (A variable would go before any setting.)
fn has_ssh_command() -> bool {
    let mut command = Command::new("git");
    command
        .args(["config", "--get", "core.sshCommand"])
        .stdin(Stdio::null());
    command.output().is_ok_and(|output| output.status.success())
}

/// Waits for the end of `child`, or ends it if the build is being stopped. Whether it went well, what it wrote,
/// and what it complained about.
fn finish(mut child: Child, cancel: &Cancel) -> std::io::Result<(bool, String, String)> {
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        move || {
            let mut bytes = vec![];
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let output = child
        .stdout
        .take()
        .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let errors = child
        .stderr
        .take()
        .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let (output, errors) = (
        std::thread::spawn(read(output)),
        std::thread::spawn(read(errors)),
    );
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if cancel.is_cancelled() {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // A reader ends when the last holder of its pipe does, which may be a child that git has left behind.
    if cancel.is_cancelled() {
        return Ok((false, String::new(), String::new()));
    }
    Ok((
        status.success(),
        output.join().unwrap_or_default(),
        errors.join().unwrap_or_default(),
    ))
}

fn failure(source: &GitSource, reason: &str) -> StepError {
    StepError::Git {
        url: kiln_fetch::redact(&source.remote).to_string(),
        reason: reason.replace(&source.remote, &kiln_fetch::redact(&source.remote)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "aaa\tHEAD\n\
        bbb\trefs/heads/main\n\
        ccc\trefs/heads/v1\n\
        ddd\trefs/pull/7/head\n\
        eee\trefs/tags/v1\n\
        fff\trefs/tags/v2\n\
        999\trefs/tags/v2^{}\n";

    #[test]
    fn references_mean_what_git_checkout_takes_them_for() {
        for (reference, commit) in [
            ("HEAD", "aaa"),
            ("main", "bbb"),
            ("heads/main", "bbb"),
            ("v1", "ccc"),
            ("refs/tags/v1", "eee"),
            ("tags/v1", "eee"),
            ("v2", "999"),
            ("refs/tags/v2", "999"),
            ("pull/7/head", "ddd"),
        ] {
            assert_eq!(commit_of(LISTING, reference), Some(commit), "{reference}");
        }
        for missing in ["mai", "refs", "v2^{}x", ""] {
            assert_eq!(commit_of(LISTING, missing), None, "{missing}");
        }
    }
}
