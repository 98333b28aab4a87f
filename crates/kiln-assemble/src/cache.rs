//! What was fetched stays, by its digest: the next build needs no network.
//!
//! ```text
//! $KILN_HOME/downloads/
//!   sha256/<hex>      archives and indexes; whoever reads one checks it again
//!   latest/<hex>      the signed text last seen at the URL with that digest, for work without a network
//! ```
//!
//! Files are written in the lease's directory and renamed into place when they are whole, verified and
//! on disk, so that a crash leaves nothing here.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kiln_fetch::{Client, DownloadError, DownloadOptions, Expected};
use kiln_oci::Digest;
use kiln_store::{Lease, Store, StoreError};

/// How many files are fetched at once.
const CONNECTIONS: usize = 8;

/// Fetches files and keeps them.
pub struct Downloads<'a> {
    root: PathBuf,
    lease: &'a Lease,
    client: Option<&'a Client>,
    on_event: &'a (dyn Fn(Event<'_>) + Sync),
}

/// Something to tell a person who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file is being fetched.
    Begin {
        /// Its last name.
        name: &'a str,
        /// Its length in bytes, where it is known.
        size: Option<u64>,
    },
    /// More of it has arrived.
    More {
        /// Its last name.
        name: &'a str,
        /// How many bytes of it are here.
        bytes: u64,
    },
    /// It is here.
    End {
        /// Its last name.
        name: &'a str,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// A file that should be here by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) url: String,
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

/// Why a file is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The server has it not, or not the right one.
    #[error("cannot fetch {url}")]
    Fetch {
        /// Where it should be.
        url: String,
        /// Why not.
        #[source]
        source: DownloadError,
    },
    /// It has another length than its index says.
    #[error("{url} has {actual} bytes where the index says {expected}")]
    Size {
        /// Where it is.
        url: String,
        /// What should be there.
        expected: u64,
        /// What is.
        actual: u64,
    },
    /// It was never fetched, and now there is no network.
    #[error("{url} was not fetched before, and nothing is fetched with --offline")]
    Offline {
        /// Where it would be.
        url: String,
    },
    /// The digest in the index is none.
    #[error("{url} has no usable digest")]
    Digest {
        /// Where it is.
        url: String,
        /// Why.
        #[source]
        source: kiln_fetch::ExpectedError,
    },
    /// The store gives no room to work in.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk failed.
    #[error("cannot {verb} `{}`", path.display())]
    Disk {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl CacheError {
    /// Whether the server says that there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Fetch { source, .. } if source.status() == Some(404))
    }
}

fn disk(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Disk { verb, path, source }
}

impl<'a> Downloads<'a> {
    /// The downloads of `store`. Without a client, only what is here already can be had.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(
        store: &Store,
        lease: &'a Lease,
        client: Option<&'a Client>,
        on_event: &'a (dyn Fn(Event<'_>) + Sync),
    ) -> Result<Self, CacheError> {
        let root = store.root().join("downloads");
        for directory in ["sha256", "latest"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).map_err(disk("create", &path))?;
        }
        Ok(Self {
            root,
            lease,
            client,
            on_event,
        })
    }

    /// Where a file with that digest is, once it is.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.root.join("sha256").join(sha256)
    }

    /// Whether files can be fetched.
    pub(crate) fn is_online(&self) -> bool {
        self.client.is_some()
    }

    /// Sees to it that a file is here.
    pub(crate) fn have(&self, wanted: &Wanted) -> Result<PathBuf, CacheError> {
        let path = self.path(&wanted.sha256);
        let known = fs::metadata(&path);
        if known.is_ok_and(|data| data.is_file() && data.len() == wanted.size) {
            return Ok(path);
        }
        let url = &wanted.url;
        let expected = Expected::parse(&format!("sha256:{}", wanted.sha256));
        let expected = expected.map_err(|source| CacheError::Digest {
            url: url.clone(),
            source,
        })?;
        let (file, partial) = self.scratch()?;
        self.fetch(url, file, Some(expected), Some(wanted.size), wanted.size)?;
        let actual = fs::metadata(&partial)
            .map_err(disk("look at", &partial))?
            .len();
        if actual != wanted.size {
            return Err(CacheError::Size {
                url: url.clone(),
                expected: wanted.size,
                actual,
            });
        }
        publish(&partial, &path)?;
        Ok(path)
    }

    /// Sees to it that all of these are here, several at a time. The first failure ends it.
    pub(crate) fn have_all(&self, wanted: &[Wanted]) -> Result<(), CacheError> {
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let work = || {
            while let Some(wanted) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.have(wanted) {
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.get_or_insert(error);
                    next.store(usize::MAX / 2, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS.min(wanted.len()) {
                scope.spawn(work);
            }
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }

    /// The document at `url` as it is now; without a network, as it was last. It is not verified here,
    /// and only kept by [`keep_latest`](Self::keep_latest).
    pub(crate) fn latest(&self, url: &str, limit: u64) -> Result<Vec<u8>, CacheError> {
        if !self.is_online() {
            let path = self.latest_path(url);
            return match fs::read(&path) {
                Ok(bytes) => Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CacheError::Offline {
                    url: url.to_owned(),
                }),
                Err(error) => Err(disk("read", &path)(error)),
            };
        }
        let (file, partial) = self.scratch()?;
        self.fetch(url, file, None, None, limit)?;
        let bytes = fs::read(&partial).map_err(disk("read", &partial))?;
        fs::remove_file(&partial).map_err(disk("remove", &partial))?;
        Ok(bytes)
    }

    /// Keeps a document that turned out to be right.
    pub(crate) fn keep_latest(&self, url: &str, bytes: &[u8]) -> Result<(), CacheError> {
        let partial = self.lease.scratch_path()?;
        fs::write(&partial, bytes).map_err(disk("write", &partial))?;
        publish(&partial, &self.latest_path(url))
    }

    fn latest_path(&self, url: &str) -> PathBuf {
        self.root
            .join("latest")
            .join(Digest::sha256(url.as_bytes()).hex())
    }

    fn scratch(&self) -> Result<(File, PathBuf), CacheError> {
        let path = self.lease.scratch_path()?;
        let file = File::create_new(&path).map_err(disk("create", &path))?;
        Ok((file, path))
    }

    fn fetch(
        &self,
        url: &str,
        mut file: File,
        expected: Option<Expected>,
        size: Option<u64>,
        limit: u64,
    ) -> Result<(), CacheError> {
        let client = self.client.ok_or_else(|| CacheError::Offline {
            url: url.to_owned(),
        })?;
        let name = url.rsplit('/').next().unwrap_or(url);
        (self.on_event)(Event::Begin { name, size });
        let mut progress = |progress: kiln_fetch::Progress| {
            (self.on_event)(Event::More {
                name,
                bytes: progress.bytes,
            });
            ControlFlow::Continue(())
        };
        let options = DownloadOptions {
            expected,
            max_bytes: Some(limit),
            progress: Some(&mut progress),
        };
        let fetched = client.download(url, &mut file, options);
        let fetched = fetched.map_err(|source| CacheError::Fetch {
            url: url.to_owned(),
            source,
        })?;
        let bytes = fetched.bytes;
        (self.on_event)(Event::End { name, bytes });
        Ok(())
    }
}

/// Makes a file visible that is whole and verified.
fn publish(partial: &Path, path: &Path) -> Result<(), CacheError> {
    let file = File::open(partial).map_err(disk("open", partial))?;
    file.sync_all().map_err(disk("write", partial))?;
    fs::rename(partial, path).map_err(disk("create", path))
}
