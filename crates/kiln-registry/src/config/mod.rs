//! `kiln-server.toml`: what the server can be told, and its defaults.
//!
//! [`Config::default`] and [`DEFAULTS`], the commented file that documents every setting, say the
//! same; a test holds them together. Unknown settings are errors, because a misspelt limit that is
//! silently ignored is worse than a server that does not start.

mod backing;
mod check;
mod network;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use backing::{Database, S3};
pub use check::Finding;
pub use network::{InvalidNetwork, Network};
pub use values::{ByteSize, InvalidValue, Period};

/// Every setting with its default and what it does, as a file that [`Config::parse`] reads.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// All settings of a server. [`DEFAULTS`] documents each.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where blobs and the database live; none stands for the place that whoever starts the
    /// server chooses.
    pub data: Option<PathBuf>,
    /// Addresses to listen on. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// The origin that clients see, such as `https://registry.example.org`, without a slash at the
    /// end. Empty: taken from each request.
    pub public_url: String,
    /// Everybody may do everything, without accounts. Loopback addresses only.
    pub open: bool,
    /// Networks of reverse proxies whose `X-Forwarded-For`, `X-Forwarded-Proto`,
    /// `X-Forwarded-Host` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Encryption.
    pub tls: Tls,
    /// What one client, or all, may take.
    pub limits: Limits,
    /// How long the server waits.
    pub timeouts: Timeouts,
    /// How long content stays.
    pub content: Content,
    /// How long what belongs to accounts stays.
    pub accounts: Accounts,
    /// Where the database is.
    pub database: Database,
    /// Where blobs are, if not in files.
    pub s3: S3,
    /// `/metrics`.
    pub metrics: Metrics,
    /// What is logged.
    pub log: Log,
}

/// Section `[tls]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with the certificate, then its chain.
    pub certificate: Option<PathBuf>,
    /// PEM file with the private key.
    pub key: Option<PathBuf>,
    /// Make a certificate for trying out and keep it in the data directory.
    pub self_signed: bool,
}

/// Section `[limits]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
    /// Connections at once of one address; 0: no limit. Addresses of trusted proxies are exempt.
    pub connections_per_address: usize,
    /// Requests at once that send a body. More get 503 and `Retry-After`.
    pub uploads: usize,
    /// Bytes of a blob; 0: no limit. Larger ones get 413.
    pub blob: ByteSize,
    /// Bytes of a request's line and headers together. Longer ones get 431.
    pub head: ByteSize,
    /// Entries of one page of tags, repositories or referrers.
    pub page: usize,
    /// Streams at once in one HTTP/2 connection.
    pub streams: u32,
}

/// Section `[timeouts]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From the end of a request, or the start of a connection, to the end of the next request's
    /// headers.
    pub head: Period,
    /// TLS handshake.
    pub handshake: Period,
    /// Without a byte of a body in either direction.
    pub stall: Period,
    /// How long running requests may still take when the server is told to end.
    pub shutdown: Period,
}

/// Section `[content]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// How long a blob stays that no manifest names.
    pub blob_lease: Period,
    /// How long a manifest stays that no tag, index or subject keeps; so long can the change of a tag be
    /// undone.
    pub undo: Period,
    /// How long an upload waits for its next chunk.
    pub upload_patience: Period,
    /// From the end of a collection to the next.
    pub collect_every: Period,
    /// Bytes of manifests and small blobs kept in memory.
    pub memory: ByteSize,
}

/// Section `[accounts]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// How long lines of the audit log stay; 0: for ever.
    pub keep_audit: Period,
    /// How long `docker login` is good for.
    pub keep_logins: Period,
}

/// Section `[metrics]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Whether there is `/metrics`.
    pub enabled: bool,
    /// Networks that may read it. Others get 404.
    pub allow: Vec<Network>,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One line for each request.
    pub requests: bool,
    /// Also requests for `/healthz`, `/readyz` and `/metrics`.
    pub probes: bool,
}

/// A file that is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is no TOML, has an unknown setting, or a value of the wrong kind. The message
    /// shows the line.
    #[error("{path}: {message}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// The parser's words, with the line and a caret.
        message: String,
    },
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or parsed. Whether the settings make sense is told by
    /// [`check`](Self::check).
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text`; errors name `path`. Relative paths in it count from the file's folder.
    ///
    /// # Errors
    ///
    /// When it is no TOML, or has a setting that is not known or of the wrong kind.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let places = [
            &mut config.data,
            &mut config.tls.certificate,
            &mut config.tls.key,
            &mut config.database.password_file,
            &mut config.database.authority,
            &mut config.s3.secret_key_file,
            &mut config.s3.authority,
        ];
        for place in places.into_iter().flatten() {
            *place = folder.join(&*place);
        }
        Ok(config)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5000))],
            public_url: String::new(),
            open: false,
            trusted_proxies: vec![],
            tls: Tls::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            content: Content::default(),
            accounts: Accounts::default(),
            database: Database::default(),
            s3: S3::default(),
            metrics: Metrics::default(),
            log: Log::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 0,
            uploads: 1024,
            blob: ByteSize(0),
            head: ByteSize(64 << 10),
            page: 1000,
            streams: 100,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Period::seconds(60),
            handshake: Period::seconds(10),
            stall: Period::seconds(60),
            shutdown: Period::seconds(30),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self {
            blob_lease: Period::hours(1),
            undo: Period::hours(30 * 24),
            upload_patience: Period::hours(24),
            collect_every: Period::hours(1),
            memory: ByteSize(16 << 20),
        }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            keep_audit: Period::hours(365 * 24),
            keep_logins: Period::hours(90 * 24),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: true,
            allow: Network::loopback(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            requests: true,
            probes: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/kiln-server.toml"))
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        assert_eq!(parse(DEFAULTS).unwrap(), Config::default());
        assert_eq!(parse("").unwrap(), Config::default());
    }

    /// The settings that have no default stand in the file as comments; taken in, they parse.
    #[test]
    fn the_commented_settings_are_settings() {
        let all: String = DEFAULTS
            .lines()
            .map(|line| match line.strip_prefix("#") {
                Some(setting) if !setting.starts_with(' ') && setting.contains('=') => setting,
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = parse(&all).unwrap();
        assert!(config.data.is_some() && config.tls.key.is_some());
    }

    #[test]
    fn an_unknown_setting_is_shown_with_its_line() {
        let error = parse("[limits]\nmanifests = 3\n").unwrap_err().to_string();
        for part in [
            "/etc/kiln-server.toml",
            "line 2",
            "unknown field `manifests`",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn relative_paths_count_from_the_file() {
        let config = parse("data = 'state'\n[tls]\ncertificate = '/c.pem'").unwrap();
        assert_eq!(config.data.unwrap(), Path::new("/etc/state"));
        assert_eq!(config.tls.certificate.unwrap(), Path::new("/c.pem"));
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for text in [
            "listen = ['nowhere']",
            "[timeouts]\nhead = 'soon'",
            "[limits]\nblob = '4 parsec'",
            "[limits]\nblob = -1",
            "trusted_proxies = ['10.0.0.0/99']",
            "[metrics]\nenabled = 1",
            "[",
        ] {
            assert!(
                parse(text).unwrap_err().to_string().contains("line"),
                "{text}"
            );
        }
    }
}
