//! `hosts.toml`, and folders of certificates.
//!
//! Source: containerd's documentation, "Registry Configuration" (`docs/hosts.md`); docker's, "Use certificates for
//! repository client verification".

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{Capabilities, CertificateAndKey, HostSpec, HostsError, RegistrySpec};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

#[derive(Deserialize)]
struct File {
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Settings>,
    #[serde(flatten)]
    own: Settings,
}

/// Settings of a host. Others, such as time limits, are passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    capabilities: Option<Vec<String>>,
    ca: OneOrMore,
    client: Option<Clients>,
    skip_verify: bool,
    override_path: bool,
    header: BTreeMap<String, OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(vec![])
    }
}

impl OneOrMore {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// `"both.pem"`, `["a.pem", "b.pem"]`, or `[["a.cert", "a.key"]]`, where a key may be missing from a pair or empty.
#[derive(Deserialize)]
#[serde(untagged)]
enum Clients {
    Files(OneOrMore),
    Pairs(Vec<Vec<String>>),
}

/// What a folder of folders says of a registry; `None` if nothing.
pub(super) fn find(root: &Path, registry: &str) -> Result<Option<RegistrySpec>, HostsError> {
    for name in names(registry) {
        let folder = root.join(name);
        let path = folder.join("hosts.toml");
        if let Some(bytes) = read(&path)? {
            return parse(&folder, &path, &bytes).map(Some);
        }
        if folder.is_dir() {
            return certificates(&folder, registry).map(Some);
        }
    }
    Ok(None)
}

/// What a registry's folder may be called. A colon cannot stand in names everywhere.
fn names(registry: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some((host, port)) = registry.rsplit_once(':') {
        names.push(format!("{host}_{port}_"));
    }
    names.extend([registry.to_owned(), "_default".to_owned()]);
    names
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, HostsError> {
    let fail = |source| HostsError::Read {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(data) if data.len() > MAX_FILE => Err(fail(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => fs::read(path).map(Some).map_err(fail),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(fail(error)),
    }
}

/// A file that must be there.
fn must_read(path: &Path) -> Result<Vec<u8>, HostsError> {
    let missing = || HostsError::Read {
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    };
    read(path)?.ok_or_else(missing)
}

fn parse(folder: &Path, path: &Path, bytes: &[u8]) -> Result<RegistrySpec, HostsError> {
    let file: File = toml::from_slice(bytes).map_err(|source| HostsError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let context = Context { folder, path };
    let mut mirrors: Vec<_> = file.host.into_iter().collect();
    // They are asked in the order in which they stand in the file.
    mirrors.sort_by_key(|(address, _)| address.span().start);
    let mirrors: Result<Vec<_>, _> = mirrors
        .iter()
        .map(|(address, settings)| context.host(address.get_ref(), settings))
        .collect();
    let server = file
        .server
        .map(|address| context.host(&address, &file.own))
        .transpose()?;
    Ok(RegistrySpec {
        mirrors: mirrors?,
        server,
    })
}

/// The file that is read.
struct Context<'a> {
    folder: &'a Path,
    path: &'a Path,
}

impl Context<'_> {
    fn host(&self, address: &str, settings: &Settings) -> Result<HostSpec, HostsError> {
        let bad = || HostsError::Address {
            path: self.path.to_owned(),
            url: address.to_owned(),
        };
        let mut spec = HostSpec::parse(address, settings.override_path).ok_or_else(bad)?;
        if let Some(words) = &settings.capabilities {
            spec.capabilities = self.capabilities(words)?;
        }
        for name in settings.ca.as_slice() {
            spec.authorities.push(must_read(&self.folder.join(name))?);
        }
        spec.identities = self.identities(settings.client.as_ref())?;
        spec.skip_verify = settings.skip_verify;
        for (name, values) in &settings.header {
            spec.headers.extend(
                values
                    .as_slice()
                    .iter()
                    .map(|value| (name.clone(), value.clone())),
            );
        }
        Ok(spec)
    }

    fn capabilities(&self, words: &[String]) -> Result<Capabilities, HostsError> {
        let mut capabilities = Capabilities {
            pull: false,
            resolve: false,
        };
        for word in words {
            match word.as_str() {
                "pull" => capabilities.pull = true,
                "resolve" => capabilities.resolve = true,
                // Uploads go to the registry itself. Referrers are asked of it, too.
                "push" | "referrers" => {}
                word => {
                    return Err(HostsError::Capability {
                        path: self.path.to_owned(),
                        word: word.to_owned(),
                    });
                }
            }
        }
        Ok(capabilities)
    }

    fn identities(&self, clients: Option<&Clients>) -> Result<Vec<CertificateAndKey>, HostsError> {
        let pairs: Vec<(&String, Option<&String>)> = match clients {
            None => vec![],
            Some(Clients::Files(files)) => {
                files.as_slice().iter().map(|file| (file, None)).collect()
            }
            Some(Clients::Pairs(pairs)) => pairs
                .iter()
                .filter_map(|pair| Some((pair.first()?, pair.get(1))))
                .collect(),
        };
        pairs
            .into_iter()
            .map(|(certificate, key)| {
                let certificate = must_read(&self.folder.join(certificate))?;
                let key = match key.filter(|key| !key.is_empty()) {
                    Some(key) => must_read(&self.folder.join(key))?,
                    // One file has both.
                    None => certificate.clone(),
                };
                Ok((certificate, key))
            })
            .collect()
    }
}

/// A folder without `hosts.toml`.
fn certificates(folder: &Path, registry: &str) -> Result<RegistrySpec, HostsError> {
    let fail = |source| HostsError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries: Result<Vec<PathBuf>, _> = fs::read_dir(folder)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut paths = entries.map_err(fail)?;
    paths.sort();
    let host = if registry == "docker.io" {
        "registry-1.docker.io"
    } else {
        registry
    };
    let Some(mut server) = HostSpec::parse(host, false) else {
        return Ok(RegistrySpec::default());
    };
    for path in &paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => server.authorities.push(must_read(path)?),
            Some("cert") => server
                .identities
                .push((must_read(path)?, must_read(&path.with_extension("key"))?)),
            _ => {}
        }
    }
    let any = !server.authorities.is_empty() || !server.identities.is_empty();
    Ok(RegistrySpec {
        mirrors: vec![],
        server: any.then_some(server),
    })
}
