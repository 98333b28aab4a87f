//! Images into and out of docker's daemon, as archives.
//!
//! Source: Docker Engine API, "Export several images" (`GET /images/get`) and "Import images" (`POST /images/load`),
//! which podman's service has, too. Both stream: no archive is ever whole in memory.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use kiln_fetch::{
    Client, ClientError, ClientOptions, FetchError, Request, RequestBody, Response, ResponseBody,
    Url,
};
use serde::Deserialize;

use crate::answer::{clean, reason};
use crate::auth::form;
use crate::error::Reason;

/// A daemon that unpacks says nothing for a long time.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// The most that is read of what a daemon says about an archive, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// Why a daemon did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The text is no address of a daemon.
    #[error(
        "`{address}` is no address of a docker daemon: expected unix:///path, tcp://host:port or http(s)://host:port"
    )]
    Address {
        /// The text.
        address: String,
    },
    /// The client's options cannot be used.
    #[error("the docker daemon at {address} cannot be reached with these settings")]
    Client {
        /// The daemon.
        address: String,
        /// What is wrong with them.
        #[source]
        source: Box<ClientError>,
    },
    /// There was no answer.
    #[error("the docker daemon at {address} cannot be reached")]
    Fetch {
        /// The daemon.
        address: String,
        /// Why not.
        #[source]
        source: Box<FetchError>,
    },
    /// The daemon has no such image.
    #[error("the docker daemon at {address} has no image {names}{reason}")]
    NotFound {
        /// The daemon.
        address: String,
        /// What was asked for.
        names: String,
        /// The daemon's words.
        reason: Box<Reason>,
    },
    /// Any other refusal.
    #[error("the docker daemon at {address} answered {status}{reason}")]
    Status {
        /// The daemon.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The daemon's words.
        reason: Box<Reason>,
    },
    /// The daemon took the archive and could not use it.
    #[error("the docker daemon at {address} did not load the archive: {message}")]
    Load {
        /// The daemon.
        address: String,
        /// Its words.
        message: String,
    },
    /// The archive that was to be sent could not be read.
    #[error("the archive for the docker daemon cannot be read")]
    Archive(#[source] io::Error),
}

impl DaemonError {
    /// Advice for the person who sees the error, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fetch { .. } => Some("is the daemon running, and may you use its socket?"),
            _ => None,
        }
    }
}

/// A docker daemon.
#[derive(Debug)]
pub struct Daemon {
    client: Client,
    base: Url,
    address: String,
}

impl Daemon {
    /// The daemon at an address as `DOCKER_HOST` has it: `unix:///var/run/docker.sock`, `tcp://host:port` (plain HTTP),
    /// `http://host:port`, `https://host:port`. Nothing is opened yet.
    ///
    /// # Errors
    /// When the address or the options cannot be used.
    pub fn new(address: &str, mut options: ClientOptions) -> Result<Self, DaemonError> {
        let bad = || DaemonError::Address {
            address: clean(address),
        };
        let url = match address.split_once("://").ok_or_else(bad)? {
            ("unix", path) if path.starts_with('/') => {
                options.socket = Some(PathBuf::from(path));
                // The name has no meaning, but HTTP asks for one.
                "http://docker".to_owned()
            }
            ("tcp" | "http", host) => format!("http://{host}"),
            ("https", host) => format!("https://{host}"),
            _ => return Err(bad()),
        };
        options.timeouts.stall = options.timeouts.stall.max(SILENCE);
        let base = Url::parse(&url).map_err(|_| bad())?;
        let client = Client::new(options).map_err(|source| DaemonError::Client {
            address: address.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            client,
            base,
            address: kiln_fetch::redact(address),
        })
    }

    /// An archive of images as `docker save` makes it, by their names or ids. Read it to its end.
    ///
    /// # Errors
    /// When the daemon does not have them or cannot be reached.
    pub fn export(&self, names: &[&str]) -> Result<ResponseBody, DaemonError> {
        let query: Vec<String> = names
            .iter()
            .map(|name| format!("names={}", form(name)))
            .collect();
        let request = self.request(&format!("/images/get?{}", query.join("&")))?;
        let mut response = self
            .client
            .get(&request)
            .map_err(|error| self.failed(error))?;
        match response.status {
            200 => Ok(response.body),
            404 => Err(DaemonError::NotFound {
                address: self.address.clone(),
                names: names.join(", "),
                reason: Box::new(reason(&mut response)),
            }),
            _ => Err(self.refused(&mut response)),
        }
    }

    /// Gives the daemon an archive as `docker save` makes it. Returns what it says about what it loaded: `Loaded image:
    /// NAME`.
    ///
    /// # Errors
    /// When `archive` cannot be read, or the daemon cannot be reached or does not take it.
    pub fn import(&self, archive: &mut dyn Read) -> Result<Vec<String>, DaemonError> {
        #[derive(Deserialize)]
        struct Message {
            stream: Option<String>,
            error: Option<String>,
        }
        let request = self
            .request("/images/load?quiet=1")?
            .header("content-type", "application/x-tar");
        let body = RequestBody::Chunked { reader: archive };
        let mut response = self
            .client
            .post(&request, body)
            .map_err(|error| self.failed(error))?;
        if response.status != 200 {
            return Err(self.refused(&mut response));
        }
        let body = BufReader::new(response.body.take(MAX_ANSWER));
        let mut said = Vec::new();
        for message in serde_json::Deserializer::from_reader(body).into_iter::<Message>() {
            let load = |message: &str| DaemonError::Load {
                address: self.address.clone(),
                message: clean(message),
            };
            let message =
                message.map_err(|error| load(&format!("its answer breaks off: {error}")))?;
            if let Some(error) = message.error {
                return Err(load(&error));
            }
            said.extend(
                message
                    .stream
                    .map(|line| clean(&line))
                    .filter(|line| !line.is_empty()),
            );
        }
        Ok(said)
    }

    fn request(&self, path: &str) -> Result<Request, DaemonError> {
        let url = self.base.join(path).map_err(|error| self.failed(error))?;
        Ok(Request::new(url.to_string()))
    }

    fn failed(&self, error: FetchError) -> DaemonError {
        match error {
            FetchError::RequestBody { source, .. } => DaemonError::Archive(source),
            error => DaemonError::Fetch {
                address: self.address.clone(),
                source: Box::new(error),
            },
        }
    }

    fn refused(&self, response: &mut Response) -> DaemonError {
        DaemonError::Status {
            address: self.address.clone(),
            status: response.status,
            reason: Box::new(reason(response)),
        }
    }
}
