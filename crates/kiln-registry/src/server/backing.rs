//! The database and the storage that a configuration names, and the files that they need: passwords
//! and authorities.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::OpenError;
use crate::config::Config;
use crate::database::{Database, PostgresOptions};
use crate::storage::{Redirect, S3Options, Storage};

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackingError {
    /// It cannot be read.
    #[error("cannot read {path}, which `{setting}` names")]
    Read {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A secret that is no line of text.
    #[error("{path}, which `{setting}` names, must be one line of text")]
    NoSecret {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// No certificate in PEM form, or one that cannot be read.
    #[error("{path}, which `{setting}` names, has no certificate that can be read")]
    NoCertificate {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Whether the files can be read that the settings of the database and the store name. Nothing is
/// connected to.
///
/// # Errors
/// When one cannot.
pub fn check_backing(config: &Config) -> Result<(), BackingError> {
    postgres_options(config)?;
    s3_options(config)?;
    Ok(())
}

pub(super) async fn open_database(config: &Config, data: &Path) -> Result<Database, OpenError> {
    Ok(match postgres_options(config)? {
        Some(options) => Database::open_postgres(options).await?,
        None => Database::open_sqlite(&data.join("registry.db"))?,
    })
}

pub(super) async fn open_storage(config: &Config, data: &Path) -> Result<Storage, OpenError> {
    Ok(match s3_options(config)? {
        Some(options) => Storage::open_s3(options).await?,
        None => Storage::open_files(&data.join("blobs"))?,
    })
}

fn postgres_options(config: &Config) -> Result<Option<PostgresOptions>, BackingError> {
    let database = &config.database;
    if database.postgres.is_empty() {
        return Ok(None);
    }
    let password = secret("database.password_file", database.password_file.as_deref())?;
    let pem = read("database.authority", database.authority.as_deref())?;
    let authorities = match (&database.authority, pem) {
        (Some(path), Some(pem)) => certificates("database.authority", path, &pem)?,
        _ => vec![],
    };
    Ok(Some(PostgresOptions {
        url: database.postgres.clone(),
        password,
        tls: database.tls,
        authorities,
        readers: database.readers,
    }))
}

fn s3_options(config: &Config) -> Result<Option<S3Options>, BackingError> {
    let s3 = &config.s3;
    if s3.bucket.is_empty() {
        return Ok(None);
    }
    let secret = secret("s3.secret_key_file", s3.secret_key_file.as_deref())?;
    let authority = read("s3.authority", s3.authority.as_deref())?;
    if let (Some(path), Some(pem)) = (&s3.authority, &authority) {
        certificates("s3.authority", path, pem)?;
    }
    Ok(Some(S3Options {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        bucket: s3.bucket.clone(),
        prefix: s3.prefix.clone(),
        path_style: s3.path_style,
        access_key: s3.access_key.clone(),
        secret_key: secret.unwrap_or_default(),
        ca_certificates: authority.into_iter().collect(),
        part: s3.part.0,
        memory: s3.memory.0,
        redirect: s3.redirect.then(|| Redirect {
            endpoint: s3.redirect_endpoint.clone(),
            good_for: s3.redirect_for.0,
        }),
        ..S3Options::default()
    }))
}

fn read(setting: &'static str, path: Option<&Path>) -> Result<Option<Vec<u8>>, BackingError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let read = std::fs::read(path).map_err(|source| BackingError::Read {
        setting,
        path: path.to_owned(),
        source,
    });
    read.map(Some)
}

/// The line that a file holds; editors and `echo` end it with a line break.
fn secret(setting: &'static str, path: Option<&Path>) -> Result<Option<String>, BackingError> {
    let (Some(path), Some(bytes)) = (path, read(setting, path)?) else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).ok();
    let line = text
        .as_deref()
        .map(|text| text.trim_end_matches(['\n', '\r']));
    match line.filter(|line| !line.is_empty() && !line.contains(['\n', '\r'])) {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(BackingError::NoSecret {
            setting,
            path: path.to_owned(),
        }),
    }
}

fn certificates(
    setting: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, BackingError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(BackingError::NoCertificate {
            setting,
            path: path.to_owned(),
        }),
    }
}
