//! Objects in an S3-compatible store.
//!
//! An object is `PREFIX objects/ab/KEY`, beginning with the first two digits of its key. It is written
//! in one request if it is small, else as a multipart upload of parts of one size, so that stores which
//! want equal parts are content. Nobody sees it before the last of them is there: completing an upload
//! is one step of the store.
//!
//! A part cannot be smaller than 5 MiB, and chunks that clients send can. What is left over at the end of
//! a request waits in an object of its own, the *tail* `PREFIX objects/ab/KEY.SUFFIX`, until the next
//! request goes on with it; nothing else is ever read again. The upload's row says which parts there are
//! and which tail, so any server goes on where another stopped. Each tail has a new name: what a request
//! leaves behind that was killed is not what the row says, and goes when the object does.

mod calls;
mod reader;
mod sign;
mod writer;
mod xml;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kiln_fetch::Retries;
use tokio::sync::Semaphore;

use super::{ObjectKey, StorageError, blocking};

pub(super) use reader::S3Reader;
pub(super) use writer::S3Writer;

use calls::{CallError, Calls};

/// The least that a part may have which is not the last (Amazon S3 API Reference, "Multipart upload
/// limits").
pub const LEAST_PART: u64 = 5 << 20;

/// The most parts of an object.
pub const MOST_PARTS: u64 = 10_000;

/// Which store, and how it is used.
#[derive(Clone)]
pub struct S3Options {
    /// Scheme, host and port, such as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket. It must be there.
    pub bucket: String,
    /// What all names in the bucket begin with, such as `registry/`.
    pub prefix: String,
    /// Whether the bucket stands in the path, not in the host's name.
    pub path_style: bool,
    /// Whose requests these are.
    pub access_key: String,
    /// The secret that they are signed with.
    pub secret_key: String,
    /// PEM text of further authorities of the store's certificate.
    pub ca_certificates: Vec<Vec<u8>>,
    /// Bytes of a part: at least [`LEAST_PART`], and [`MOST_PARTS`] of them are the largest object.
    pub part: u64,
    /// Bytes of parts that are held in memory by all uploads together; at least two parts.
    pub memory: u64,
    /// Whether clients are sent to the store for blobs.
    pub redirect: Option<Redirect>,
    /// How often what may pass is tried again.
    pub retries: Retries,
}

/// How clients are sent to the store.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// What the store is called outside; empty if the same as here.
    pub endpoint: String,
    /// How long the URL is good for.
    pub good_for: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            bucket: String::new(),
            prefix: String::new(),
            path_style: true,
            access_key: String::new(),
            secret_key: String::new(),
            ca_certificates: vec![],
            part: 8 << 20,
            memory: 512 << 20,
            redirect: None,
            retries: Retries::default(),
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secret.
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A bucket. Clones share it.
#[derive(Clone)]
pub(super) struct S3(Arc<Inner>);

struct Inner {
    calls: Calls,
    /// `s3://BUCKET/PREFIX`, for messages.
    place: String,
    prefix: String,
    part: usize,
    /// One permit for each writer: it holds at most two parts.
    writers: Arc<Semaphore>,
    redirect: Option<Redirect>,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3").field(&self.0.place).finish()
    }
}

impl S3 {
    /// Looks whether the bucket can be read.
    pub(super) async fn open(options: S3Options) -> Result<Self, StorageError> {
        let place = format!("s3://{}/{}", options.bucket, options.prefix);
        let failed = |error: CallError| StorageError::new("open", &place, error.into_io());
        let calls = Calls::new(&options)
            .map_err(|error| StorageError::new("open", &place, std::io::Error::other(error)))?;
        let part = usize::try_from(options.part).unwrap_or(usize::MAX).max(1);
        let writers = (options.memory / options.part.max(1) / 2).clamp(1, 1 << 20);
        let this = Self(Arc::new(Inner {
            calls,
            place: place.clone(),
            prefix: options.prefix,
            part,
            writers: Arc::new(Semaphore::new(writers as usize)),
            redirect: options.redirect,
        }));
        let probe = this.clone();
        blocking(move || {
            let name = probe.name(&ObjectKey::unique());
            Ok(probe.0.calls.list(&name))
        })
        .await?
        .map_err(failed)?;
        Ok(this)
    }

    /// Parts stay until they are given up, whoever is started anew.
    pub(super) fn epoch(&self) -> &str {
        "s3"
    }

    /// The most bytes of an object.
    pub(super) fn largest(&self) -> u64 {
        (self.0.part as u64).saturating_mul(MOST_PARTS)
    }

    /// The name of an object in the bucket; those of its tails begin so, too.
    fn name(&self, key: &ObjectKey) -> String {
        let key = key.as_str();
        format!("{}objects/{}/{key}", self.0.prefix, &key[..2])
    }

    fn tail_name(&self, key: &ObjectKey, suffix: &str) -> String {
        format!("{}.{suffix}", self.name(key))
    }

    /// Turns a failure into the storage's.
    fn failed(&self, action: &'static str, name: &str, error: CallError) -> StorageError {
        let place = format!("{}: {name}", self.0.place);
        StorageError::new(action, &place, error.into_io())
    }

    /// Whether clients are sent to the store.
    pub(super) fn shares(&self) -> bool {
        self.0.redirect.is_some()
    }

    /// A URL that clients can read an object from, where they are to be sent there.
    pub(super) fn shared_url(&self, key: &ObjectKey) -> Option<String> {
        let redirect = self.0.redirect.as_ref()?;
        self.0.calls.shared_url(&self.name(key), redirect.good_for)
    }

    pub(super) async fn reader(&self, key: &ObjectKey) -> Result<Option<S3Reader>, StorageError> {
        let (this, name) = (self.clone(), self.name(key));
        blocking(move || match this.0.calls.size(&name) {
            Ok(size) => Ok(size.map(|size| S3Reader::new(this, name, size))),
            Err(error) => Err(this.failed("open", &name, error)),
        })
        .await
    }

    /// Removes an object, its tails, and what was begun of it.
    pub(super) fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let name = self.name(key);
        let calls = &self.0.calls;
        let remove = || {
            for unfinished in calls.unfinished(&name)? {
                calls.abort(&unfinished.name, &unfinished.id)?;
            }
            for listed in calls.list(&name)? {
                calls.delete(&listed.name)?;
            }
            Ok(())
        };
        remove().map_err(|error| self.failed("remove", &name, error))
    }

    /// The keys of finished and unfinished objects and of tails in one of 256 parts, each once.
    pub(super) fn list(&self, part: u8) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        // Sixteen lists are enough, and each is a request.
        if part & 0x0f != 0 {
            return Ok(vec![]);
        }
        let root = format!("{}objects/", self.0.prefix);
        let prefix = format!("{root}{:x}", part >> 4);
        let failed = |error| self.failed("list", &prefix, error);
        let mut found = std::collections::BTreeMap::new();
        let unfinished = self.0.calls.unfinished(&prefix).map_err(failed)?;
        let names = unfinished.into_iter().map(|upload| (upload.name, 0));
        let objects = self.0.calls.list(&prefix).map_err(failed)?;
        let objects = objects.into_iter().map(|object| (object.name, object.size));
        for (name, size) in names.chain(objects) {
            // What has no key's name is not ours.
            let rest = name.strip_prefix(&root).unwrap_or_default();
            let (_, rest) = rest.split_once('/').unwrap_or_default();
            let key = rest.split('.').next().unwrap_or_default();
            if let Ok(key) = key.parse::<ObjectKey>() {
                *found.entry(key).or_default() += size;
            }
        }
        Ok(found.into_iter().collect())
    }
}
