//! Where registries are really reached: mirrors, certificates, plain HTTP.
//!
//! Mirrors are given by the caller or found in folders such as `/etc/containerd/certs.d`, in the form that containerd
//! reads ([`file`]). They are asked for manifests and blobs before the registry itself; uploads and removals go to the
//! registry alone, whatever a file says, because a mirror that takes them is no mirror.

mod file;

use std::io;
use std::path::PathBuf;

use kiln_fetch::Url;

/// The settings of registries cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostsError {
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not valid", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file names a host that is none.
    #[error("{}: `{url}` is no address of a registry", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// The text.
        url: String,
    },
    /// A file names something that a host can do and that is not known.
    #[error("{}: `{word}` is no capability: pull, resolve and push are", path.display())]
    Capability {
        /// The file.
        path: PathBuf,
        /// The word.
        word: String,
    },
    /// A mirror's address is none.
    #[error("`{url}` is no address of a mirror")]
    Mirror {
        /// The text.
        url: String,
    },
}

/// How hosts are reached. `Default` is: HTTPS with the machine's certificates, plain HTTP for this machine only, no
/// mirrors.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Registries (`host` or `host:port`) that are reached by plain HTTP.
    pub plain_http: Vec<String>,
    /// Mirrors, in the order in which they are asked, before those that files name.
    pub mirrors: Vec<Mirror>,
    /// Folders with one folder for each registry in them, as containerd has them below `/etc/containerd/certs.d`:
    /// `docker.io/hosts.toml`, `localhost:5000/hosts.toml` or `localhost_5000_/hosts.toml`, and `_default/hosts.toml` for
    /// all others. Without a `hosts.toml`, `*.crt` are authorities and `*.cert` with `*.key` are our certificates, as
    /// docker has it below `/etc/docker/certs.d`. The first folder that knows a registry is believed.
    pub folders: Vec<PathBuf>,
}

/// A host that has the content of registries, too.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The registry that it mirrors; `None` for all, which it tells apart by `ns=`.
    pub registry: Option<String>,
    /// Its address: `https://mirror.example`, with a path if it lives under one.
    pub url: String,
    /// Whether it is believed about tags, too, and not only asked for what digests verify.
    pub resolve: bool,
}

/// What an endpoint may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Manifests and blobs by digest.
    pub(crate) pull: bool,
    /// Tags: whoever answers decides which image is meant.
    pub(crate) resolve: bool,
}

/// PEM texts of a certificate of ours and of its key.
pub(crate) type CertificateAndKey = (Vec<u8>, Vec<u8>);

/// How one host is reached.
#[derive(Clone, Debug)]
pub(crate) struct HostSpec {
    pub(crate) secure: bool,
    /// `host` or `host:port`.
    pub(crate) host: String,
    /// Before what the protocol says, without a slash at its end: `/v2`.
    pub(crate) path: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identities: Vec<CertificateAndKey>,
    pub(crate) skip_verify: bool,
    pub(crate) headers: Vec<(String, String)>,
}

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegistrySpec {
    pub(crate) mirrors: Vec<HostSpec>,
    /// The registry itself, where it is not to be reached in the usual way.
    pub(crate) server: Option<HostSpec>,
}

impl Hosts {
    /// What is known of a registry.
    pub(crate) fn of(&self, registry: &str) -> Result<RegistrySpec, HostsError> {
        let mut spec = RegistrySpec::default();
        for folder in &self.folders {
            if let Some(found) = file::find(folder, registry)? {
                spec = found;
                break;
            }
        }
        let own = self.mirrors.iter().filter(|mirror| {
            mirror
                .registry
                .as_deref()
                .is_none_or(|name| name == registry)
        });
        let own: Result<Vec<_>, _> = own.map(Mirror::spec).collect();
        spec.mirrors.splice(0..0, own?);
        // A file for all registries may name this one as its own mirror.
        spec.mirrors.retain(|mirror| mirror.host != registry);
        Ok(spec)
    }
}

impl Mirror {
    fn spec(&self) -> Result<HostSpec, HostsError> {
        let spec = HostSpec::parse(&self.url, false).ok_or_else(|| HostsError::Mirror {
            url: self.url.clone(),
        })?;
        Ok(HostSpec {
            capabilities: Capabilities {
                pull: true,
                resolve: self.resolve,
            },
            ..spec
        })
    }
}

impl HostSpec {
    /// A host by its address: a URL, or a host alone, which speaks HTTPS. `whole_path` says that the URL's path is all that
    /// comes before what the protocol says; else it is followed by `/v2`.
    pub(crate) fn parse(address: &str, whole_path: bool) -> Option<Self> {
        let whole = if address.contains("://") {
            address.to_owned()
        } else {
            format!("https://{address}")
        };
        let url = Url::parse(&whole).ok()?;
        let path = url.path_and_query().trim_end_matches('/');
        if path.contains('?') || whole.contains('@') {
            return None;
        }
        let complete = whole_path || path.ends_with("/v2");
        let path = if complete {
            path.to_owned()
        } else {
            format!("{path}/v2")
        };
        let usual = if url.is_secure() { 443 } else { 80 };
        let name = if url.host().contains(':') {
            format!("[{}]", url.host())
        } else {
            url.host().to_owned()
        };
        let host = if url.port() == usual {
            name
        } else {
            format!("{name}:{}", url.port())
        };
        Some(Self {
            secure: url.is_secure(),
            host,
            path,
            capabilities: Capabilities {
                pull: true,
                resolve: true,
            },
            authorities: vec![],
            identities: vec![],
            skip_verify: false,
            headers: vec![],
        })
    }
}
