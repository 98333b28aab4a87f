//! Everything that a server needs, from a configuration and a directory.

use std::path::{Path, PathBuf};

use super::backing::{BackingError, open_database, open_storage};
use super::{Log, Server, ServerError};
use crate::access::{Access, AccessError, AccessOptions, FirstAdministrator};
use crate::api::{ApiState, router};
use crate::clock::Clock;
use crate::config::Config;
use crate::content::{Content, ContentOptions};
use crate::database::DatabaseError;
use crate::storage::StorageError;

/// Why a server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory cannot be made.
    #[error("cannot make the data directory {path}")]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("the registry's database cannot be opened")]
    Database(#[from] DatabaseError),
    /// The blobs' directory cannot be used.
    #[error("the registry's blobs cannot be kept")]
    Storage(#[from] StorageError),
    /// A file that the settings name, for the database or the store, cannot be used.
    #[error(transparent)]
    Backing(#[from] BackingError),
    /// The accounts cannot be read or made.
    #[error("the registry's accounts cannot be opened")]
    Access(#[from] AccessError),
    /// Listening or TLS.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Server {
    /// Opens or makes the state in `data`, and takes the addresses of `config`. At the first start
    /// with accounts, an administrator is made; its password is nowhere else: show it once. Needs a
    /// runtime around it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        config: Config,
        data: &Path,
        log: Log,
    ) -> Result<(Self, Option<FirstAdministrator>), OpenError> {
        Self::check(&config)?;
        make_directory(data)?;
        let database = open_database(&config, data).await?;
        let storage = open_storage(&config, data).await?;
        let clock = Clock::system();
        let (access, administrator) = match config.open {
            true => (Access::open(), None),
            false => Access::start(database.clone(), access_options(&config, &clock)).await?,
        };
        let content = Content::new(database, storage, clock, content_options(&config));
        let api = router(ApiState::new(access.clone(), content.clone()));
        let server = Self::bind(config, data, content, access, api, log).await?;
        Ok((server, administrator))
    }

    /// Gives the administrator `admin` a new random password, or makes him if he is not there, without
    /// serving anything. With SQLite, no server may be running on `data`. Needs a runtime around it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing listens and no blob is touched.
    pub async fn reset_administrator(
        config: &Config,
        data: &Path,
    ) -> Result<FirstAdministrator, OpenError> {
        Self::check(config)?;
        make_directory(data)?;
        let database = open_database(config, data).await?;
        let clock = Clock::system();
        let (access, first) = Access::start(database, access_options(config, &clock)).await?;
        let administrator = match first {
            Some(first) => first,
            None => access.reset_administrator().await?,
        };
        access.close().await?;
        Ok(administrator)
    }
}

fn make_directory(data: &Path) -> Result<(), OpenError> {
    std::fs::create_dir_all(data).map_err(|source| OpenError::Directory {
        path: data.to_owned(),
        source,
    })
}

fn access_options(config: &Config, clock: &Clock) -> AccessOptions {
    // Tokens are for one registry: by its name, if it has one.
    let host = config.public_url.split_once("://").map(|(_, host)| host);
    let defaults = AccessOptions::default();
    AccessOptions {
        service: host.map_or(defaults.service, str::to_owned),
        keep_audit: (!config.accounts.keep_audit.0.is_zero())
            .then_some(config.accounts.keep_audit.0),
        refresh_lifetime: config.accounts.keep_logins.0,
        clock: clock.clone(),
        ..AccessOptions::default()
    }
}

fn content_options(config: &Config) -> ContentOptions {
    let blob = config.limits.blob.0;
    ContentOptions {
        blob_lease: config.content.blob_lease.0,
        manifest_lease: config.content.undo.0,
        upload_patience: config.content.upload_patience.0,
        max_blob: if blob == 0 { u64::MAX } else { blob },
        memory: usize::try_from(config.content.memory.0).unwrap_or(usize::MAX),
        // A file that is open can be read when it is gone; an object of a store cannot.
        reading_patience: match config.s3.bucket.is_empty() {
            true => std::time::Duration::ZERO,
            false => config.s3.reading.0.max(config.s3.redirect_for.0),
        },
        ..ContentOptions::default()
    }
}
