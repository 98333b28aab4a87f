//! Sections `[database]` and `[s3]`: where the state is when one machine is not enough.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ByteSize, Period, check::Finding};
use crate::storage::{LEAST_PART, MOST_PARTS};

/// Section `[database]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgresql://USER@HOST/DATABASE`. Empty: SQLite in the data directory.
    pub postgres: String,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Whether the connection is encrypted and the server's name and certificate are verified.
    pub tls: bool,
    /// PEM file with the authorities that the server's certificate must lead to.
    pub authority: Option<PathBuf>,
    /// Connections that read.
    pub readers: usize,
}

/// Section `[s3]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// The bucket. Empty: files in the data directory.
    pub bucket: String,
    /// Scheme, host and port of the store.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// What all names in the bucket begin with.
    pub prefix: String,
    /// Whether the bucket stands in the path, not in the host's name.
    pub path_style: bool,
    /// Whose requests these are.
    pub access_key: String,
    /// File with the secret that they are signed with.
    pub secret_key_file: Option<PathBuf>,
    /// PEM file with further authorities of the store's certificate.
    pub authority: Option<PathBuf>,
    /// Bytes of a part of an upload.
    pub part: ByteSize,
    /// Bytes of parts that all uploads together hold in memory.
    pub memory: ByteSize,
    /// Whether clients are sent to the store for blobs.
    pub redirect: bool,
    /// What the store is called outside; empty if the same.
    pub redirect_endpoint: String,
    /// How long the URL is good for that they are sent to.
    pub redirect_for: Period,
    /// How long the object of a deleted blob stays for those who are reading it.
    pub reading: Period,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            postgres: String::new(),
            password_file: None,
            tls: true,
            authority: None,
            readers: 8,
        }
    }
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            prefix: String::new(),
            path_style: true,
            access_key: String::new(),
            secret_key_file: None,
            authority: None,
            part: ByteSize(8 << 20),
            memory: ByteSize(512 << 20),
            redirect: false,
            redirect_endpoint: String::new(),
            redirect_for: Period(Duration::from_secs(15 * 60)),
            reading: Period::hours(1),
        }
    }
}

impl Database {
    pub(super) fn check(&self, findings: &mut Vec<Finding>) {
        let mut wrong = |setting, message: &str| {
            findings.push(Finding {
                setting,
                message: message.to_owned(),
            });
        };
        if self.postgres.is_empty() {
            if self.password_file.is_some() || self.authority.is_some() {
                wrong(
                    "database.postgres",
                    "the other settings of [database] need it",
                );
            }
            return;
        }
        let options = crate::database::PostgresOptions {
            url: self.postgres.clone(),
            ..Default::default()
        };
        if options.check().is_err() {
            let example = "not an address, such as \"postgresql://kiln@db.example.org/kiln\"";
            wrong("database.postgres", example);
        }
        if self.postgres.contains("sslmode") {
            wrong(
                "database.postgres",
                "leave out `sslmode` and set database.tls",
            );
        }
        if self.authority.is_some() && !self.tls {
            wrong("database.authority", "has no use without database.tls");
        }
        if self.readers == 0 {
            wrong("database.readers", "must be at least 1");
        }
    }
}

impl S3 {
    pub(super) fn check(&self, findings: &mut Vec<Finding>) {
        let mut wrong = |setting, message: &str| {
            findings.push(Finding {
                setting,
                message: message.to_owned(),
            });
        };
        if self.bucket.is_empty() {
            if *self != Self::default() {
                wrong("s3.bucket", "the other settings of [s3] need it");
            }
            return;
        }
        let is_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !self.bucket.bytes().all(is_bucket) {
            wrong("s3.bucket", "only letters, digits, `-`, `.` and `_`");
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        if !self.prefix.bytes().all(is_name) || self.prefix.starts_with('/') {
            let message = "only letters, digits, `-`, `.`, `_` and `/`, which is not the first";
            wrong("s3.prefix", message);
        }
        let endpoint = super::check::wrong_origin(&self.endpoint);
        let missing = self.endpoint.is_empty().then_some("name the store's URL");
        if let Some(message) = endpoint.or(missing) {
            wrong("s3.endpoint", message);
        }
        if let Some(message) = super::check::wrong_origin(&self.redirect_endpoint) {
            wrong("s3.redirect_endpoint", message);
        }
        if self.access_key.is_empty() {
            wrong("s3.access_key", "requests have to be signed");
        }
        if self.secret_key_file.is_none() {
            wrong("s3.secret_key_file", "requests have to be signed");
        }
        if !(LEAST_PART..=1 << 30).contains(&self.part.0) {
            let message = format!("from 5 MiB to 1 GiB; {MOST_PARTS} parts are the largest blob");
            wrong("s3.part", &message);
        }
        if self.memory.0 < self.part.0.saturating_mul(2) {
            wrong("s3.memory", "at least two parts");
        }
        // The longest that a signature of version 4 can be good for.
        let longest = Period::hours(7 * 24);
        if self.redirect_for.0.is_zero() || self.redirect_for > longest {
            wrong("s3.redirect_for", "from 1 s to 7 d");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn settings(text: &str) -> Vec<&'static str> {
        let config = Config::parse(text, Path::new("x.toml")).unwrap();
        let findings = config.check();
        findings.iter().map(|finding| finding.setting).collect()
    }

    const RIGHT: &str = "bucket = 'b'\nendpoint = 'http://127.0.0.1:9000'\naccess_key = 'a'\n\
                         secret_key_file = 's'\n";

    #[test]
    fn what_is_right_is_not_named() {
        assert!(settings("[database]\npostgres = 'postgresql://kiln@db/kiln'").is_empty());
        assert!(
            settings("[database]\npostgres = 'host=/run/pg user=kiln'\ntls = false").is_empty()
        );
        assert!(settings(&format!("[s3]\n{RIGHT}prefix = 'a/b-c/'\npart = '5 MiB'")).is_empty());
    }

    #[test]
    fn each_mistake_of_the_database_is_named() {
        for (text, setting) in [
            ("postgres = 'mysql://x'", "database.postgres"),
            (
                "postgres = 'postgresql://x/y?sslmode=disable'",
                "database.postgres",
            ),
            ("password_file = 'p'", "database.postgres"),
            (
                "postgres = 'postgresql://x/y'\nreaders = 0",
                "database.readers",
            ),
            (
                "postgres = 'postgresql://x/y'\ntls = false\nauthority = 'ca.pem'",
                "database.authority",
            ),
        ] {
            assert_eq!(
                settings(&format!("[database]\n{text}")),
                [setting],
                "{text}"
            );
        }
    }

    #[test]
    fn each_mistake_of_the_store_is_named() {
        for (text, setting) in [
            ("prefix = '/a'", "s3.prefix"),
            ("prefix = 'a b'", "s3.prefix"),
            ("part = '4 MiB'", "s3.part"),
            ("part = '2 GiB'\nmemory = '8 GiB'", "s3.part"),
            ("part = '512 MiB'", "s3.memory"),
            ("redirect_for = '0 s'", "s3.redirect_for"),
            ("redirect_for = '8 d'", "s3.redirect_for"),
            ("redirect_endpoint = 'store'", "s3.redirect_endpoint"),
        ] {
            assert_eq!(
                settings(&format!("[s3]\n{RIGHT}{text}")),
                [setting],
                "{text}"
            );
        }
        assert_eq!(settings("[s3]\nregion = 'eu-central-1'"), ["s3.bucket"]);
        let missing = ["s3.endpoint", "s3.access_key", "s3.secret_key_file"];
        assert_eq!(settings("[s3]\nbucket = 'b'"), missing);
        let wrong = RIGHT.replace("'b'", "'a/b'");
        assert_eq!(settings(&format!("[s3]\n{wrong}")), ["s3.bucket"]);
    }
}
