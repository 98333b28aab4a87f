//! The credential files of docker (`config.json`) and podman (`auth.json`), which share one format.
//!
//! Source: docker's CLI reference, "Credential stores" and "Credential helpers"; containers-auth.json(5) for keys that
//! name a part of a registry.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_fetch::base64;
use serde::Deserialize;

use super::program::{Helper, Login};
use super::{Credential, Credentials, CredentialsError};

/// The key under which docker has kept the credentials of its hub since before there were other registries.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The longest credential file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// How long a helper may take: some ask the user.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// Credential files and the helper programs that they name. Files that do not exist are passed over; the first file that
/// has an answer is believed, and logins go to the first.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    pub(super) paths: Vec<PathBuf>,
    helper_path: Vec<PathBuf>,
    timeout: Duration,
}

/// What a file holds; all else in it is left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Without the secrets.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

impl ConfigFiles {
    /// Files in the order in which they are asked.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            helper_path: vec![],
            timeout: HELPER_TIMEOUT,
        }
    }

    /// Looks for helper programs in these folders before those of the process's own search path.
    #[must_use]
    pub fn helper_path(self, folders: Vec<PathBuf>) -> Self {
        Self {
            helper_path: folders,
            ..self
        }
    }

    /// Gives helper programs so long; a minute if this is not called.
    #[must_use]
    pub fn helper_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The helper that a file names for a registry.
    pub(super) fn helper(
        &self,
        config: &Config,
        registry: &str,
    ) -> Result<Option<Helper>, CredentialsError> {
        let own = config
            .cred_helpers
            .iter()
            .find(|(key, _)| host_of(key) == registry);
        let name = own
            .map(|(_, name)| name)
            .or(config.creds_store.as_ref())
            .filter(|name| !name.is_empty());
        name.map(|name| Helper::new(name, &self.helper_path, self.timeout))
            .transpose()
    }
}

impl Credentials for ConfigFiles {
    fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialsError> {
        for path in &self.paths {
            let Some(config) = read(path)? else { continue };
            if let Some(helper) = self.helper(&config, registry)?
                && let Some(login) = helper.get(server_of(registry))?
            {
                return Ok(Some(from_helper(login)));
            }
            if let Some(credential) = config.find(path, registry, repository)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

impl Config {
    /// The entry for the longest part of `registry/repository`.
    fn find(
        &self,
        path: &Path,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialsError> {
        let mut wanted = format!("{registry}/{repository}");
        loop {
            let wanted_key = wanted.trim_end_matches('/');
            for (_, entry) in self
                .auths
                .iter()
                .filter(|(key, _)| normalized(key) == wanted_key)
            {
                // Where a helper keeps the secret, the entry is empty.
                if let Some(credential) = entry.credential(path, registry)? {
                    return Ok(Some(credential));
                }
            }
            match wanted.rfind('/') {
                Some(slash) => wanted.truncate(slash),
                None => return Ok(None),
            }
        }
    }
}

impl Entry {
    fn credential(
        &self,
        path: &Path,
        registry: &str,
    ) -> Result<Option<Credential>, CredentialsError> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = filled(&self.registrytoken) {
            return Ok(Some(Credential::RegistryToken(token)));
        }
        let (username, password) = match filled(&self.auth) {
            Some(auth) => decode(&auth).ok_or_else(|| CredentialsError::Encoding {
                path: path.to_owned(),
                registry: registry.to_owned(),
            })?,
            None => (
                self.username.clone().unwrap_or_default(),
                self.password.clone().unwrap_or_default(),
            ),
        };
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken { username, token }));
        }
        let known = !username.is_empty() && !password.is_empty();
        Ok(known.then_some(Credential::Password { username, password }))
    }
}

/// `auth` is Base64 of `user:password`. Docker pads it with zero bytes at times.
fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(base64::decode(auth.trim())?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((
        username.to_owned(),
        password.trim_end_matches('\0').to_owned(),
    ))
}

/// A helper that knows a token instead of a password has this for a user.
fn from_helper(login: Login) -> Credential {
    match login.username.as_str() {
        "<token>" => Credential::IdentityToken {
            username: String::new(),
            token: login.secret,
        },
        _ => Credential::Password {
            username: login.username,
            password: login.secret,
        },
    }
}

/// The file's content; `None` if there is no such file.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, CredentialsError> {
    let fail = |source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "no credential file is that long",
        )));
    }
    // An empty file is what `touch` and interrupted programs leave.
    Ok((!bytes.trim_ascii().is_empty()).then_some(bytes))
}

pub(super) fn read(path: &Path) -> Result<Option<Config>, CredentialsError> {
    let Some(bytes) = read_bytes(path)? else {
        return Ok(None);
    };
    let config = serde_json::from_slice(&bytes);
    config.map(Some).map_err(|source| CredentialsError::Json {
        path: path.to_owned(),
        source,
    })
}

/// The name by which helpers and files know a registry.
pub(super) fn server_of(registry: &str) -> &str {
    if registry == "docker.io" {
        DOCKER_HUB_KEY
    } else {
        registry
    }
}

/// A key without scheme and without the path of the protocol, the hub by its usual name.
fn normalized(key: &str) -> String {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"))
        .unwrap_or(bare);
    let (host, rest) = bare
        .split_once('/')
        .map_or((bare, ""), |(host, rest)| (host, rest));
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    if rest.is_empty() {
        host.to_owned()
    } else {
        format!("{host}/{rest}")
    }
}

/// The registry that a key is about as a whole.
pub(super) fn host_of(key: &str) -> String {
    normalized(key)
}
