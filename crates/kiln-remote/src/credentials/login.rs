//! Keeping a login, and forgetting it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_fetch::base64;
use serde_json::{Map, Value, json};

use super::config::{ConfigFiles, host_of, read, read_bytes, server_of};
use super::program::Login;
use super::{Credential, CredentialsError};

/// Where a login is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// In a file that only its owner may read, not encrypted.
    File(PathBuf),
    /// By a helper program.
    Helper(String),
}

impl ConfigFiles {
    /// Keeps a login for a registry: by the helper that the first file names, else in the first file, which keeps all
    /// else that it holds. The file is replaced in one step and is its owner's alone.
    ///
    /// # Errors
    /// When the helper or the file does not take it; [`CredentialsError::NoFile`] if there are no files.
    pub fn store(
        &self,
        registry: &str,
        credential: &Credential,
    ) -> Result<Keeper, CredentialsError> {
        let path = self.paths.first().ok_or(CredentialsError::NoFile)?;
        let config = read(path)?.unwrap_or_default();
        let server = server_of(registry);
        if let Some(helper) = self.helper(&config, registry)? {
            let (username, secret) = match credential {
                Credential::Password { username, password } => (username.as_str(), password),
                Credential::IdentityToken { token, .. } | Credential::RegistryToken(token) => {
                    ("<token>", token)
                }
            };
            helper.store(&Login {
                server: server.to_owned(),
                username: username.to_owned(),
                secret: secret.clone(),
            })?;
            // Docker looks for the key, and then asks the helper.
            change(path, |auths| {
                remove(auths, registry);
                auths.insert(server.to_owned(), json!({}));
            })?;
            return Ok(Keeper::Helper(helper.program));
        }
        let entry = match credential {
            Credential::Password { username, password } => {
                json!({"auth": base64::encode(format!("{username}:{password}").as_bytes())})
            }
            Credential::IdentityToken { username, token } => {
                json!({"auth": base64::encode(format!("{username}:").as_bytes()), "identitytoken": token})
            }
            Credential::RegistryToken(token) => json!({"registrytoken": token}),
        };
        change(path, |auths| {
            remove(auths, registry);
            auths.insert(server.to_owned(), entry);
        })?;
        Ok(Keeper::File(path.clone()))
    }

    /// Forgets the logins for a registry in the first file and its helper. False if there were none in the file.
    ///
    /// # Errors
    /// As for [`store`](Self::store).
    pub fn erase(&self, registry: &str) -> Result<bool, CredentialsError> {
        let path = self.paths.first().ok_or(CredentialsError::NoFile)?;
        let Some(config) = read(path)? else {
            return Ok(false);
        };
        if let Some(helper) = self.helper(&config, registry)? {
            helper.erase(server_of(registry))?;
        }
        let mut found = false;
        change(path, |auths| found = remove(auths, registry))?;
        Ok(found)
    }
}

/// Removes all keys that mean the registry as a whole.
fn remove(auths: &mut Map<String, Value>, registry: &str) -> bool {
    let before = auths.len();
    auths.retain(|key, _| host_of(key) != registry);
    auths.len() < before
}

/// Changes the logins of a file and nothing else in it.
fn change(path: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> Result<(), CredentialsError> {
    let json = |source| CredentialsError::Json {
        path: path.to_owned(),
        source,
    };
    let mut whole: Map<String, Value> = match read_bytes(path)? {
        Some(bytes) => serde_json::from_slice(&bytes).map_err(json)?,
        None => Map::new(),
    };
    let mut auths = match whole.remove("auths") {
        Some(Value::Object(auths)) => auths,
        _ => Map::new(),
    };
    edit(&mut auths);
    whole.insert("auths".to_owned(), Value::Object(auths));
    let bytes = serde_json::to_vec_pretty(&whole).map_err(json)?;
    replace(path, &bytes).map_err(|source| CredentialsError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Puts a file in the place of another in one step: whoever reads it sees the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // People link their configuration to where they keep it.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.exists() {
        create_private_folder(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}-{number}", process::id()));
    let result = create_private(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    });
    if result.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&temporary);
    }
    result
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn create_private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}
