//! A repository: from its signed text to the packages that it has.
//!
//! Source: "DebianRepository/Format" on the Debian wiki. The chain of trust has three links: the keyring
//! vouches for `InRelease` (or `Release` by `Release.gpg`), that for the indexes by their SHA-256, and those for the archives.

use std::io::{BufReader, Read};

use kiln_layer::decompress;
use kiln_oci::Digest;
use kiln_packages::deb::{InvalidPackage, InvalidRelease, Package, Release, StanzaError, Stanzas};

use crate::cache::{CacheError, Downloads, Wanted};
use crate::keyring::{Keyring, SignatureError};
use crate::spec::{Architecture, RepositorySpec};

/// The most bytes of an `InRelease`; Debian's has 150,000.
const MAX_RELEASE: u64 = 32 << 20;
/// The most bytes of an index, compressed and not; Debian's has 60 MB.
const MAX_INDEX: u64 = 1 << 30;
/// How an index may be compressed, the best first.
const COMPRESSIONS: &[&str] = &[".xz", ".zst", ".gz", ""];

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A file is not to be had.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The signed text is not signed by who should.
    #[error("{url} is not trusted")]
    Signature {
        /// The signed text.
        url: String,
        /// Why not.
        #[source]
        source: SignatureError,
    },
    /// What was signed is no release file.
    #[error("{url} cannot be used")]
    Release {
        /// The signed text.
        url: String,
        /// Why not.
        #[source]
        source: InvalidRelease,
    },
    /// It is of another suite than was asked for: a mirror shows an old or another one.
    #[error("{url} is of the suite {found}, not {wanted}")]
    Suite {
        /// The signed text.
        url: String,
        /// What it says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It may no longer be used.
    #[error(
        "{url} has expired {days} days ago: the mirror is not kept up to date, or holds back updates"
    )]
    Expired {
        /// The signed text.
        url: String,
        /// For how long.
        days: i64,
    },
    /// It is older than what was seen before.
    #[error("{url} is {days} days older than what the lock file was made from")]
    Older {
        /// The signed text.
        url: String,
        /// By how much.
        days: i64,
    },
    /// There is no index for a component and an architecture.
    #[error("{url} has no packages for {architecture} in the component `{component}`")]
    NoIndex {
        /// The signed text.
        url: String,
        /// The component.
        component: String,
        /// The architecture.
        architecture: Architecture,
    },
    /// An index was damaged after it was fetched.
    #[error("{url} is damaged in the cache: remove `{path}`")]
    Damaged {
        /// Where it came from.
        url: String,
        /// Where it is kept.
        path: String,
    },
    /// An index cannot be decompressed or read.
    #[error("{url} cannot be read")]
    Stanza {
        /// The index.
        url: String,
        /// Why not.
        #[source]
        source: StanzaError,
    },
    /// The bytes of an index cannot be had.
    #[error("{url} cannot be read")]
    Read {
        /// The index.
        url: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// An index has a package that makes no sense.
    #[error("{url} cannot be used")]
    Package {
        /// The index.
        url: String,
        /// Why not.
        #[source]
        source: Box<InvalidPackage>,
    },
}

/// A suite whose signature was checked.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) release: Release,
    /// The repository's address without a slash at its end.
    pub(crate) base: String,
    pub(crate) name: String,
    /// Where its indexes are, with a slash at the end.
    directory: String,
}

/// An index: its address and what it holds.
pub(crate) type Opened = (String, Box<dyn Read + Send>);

/// A package and where its archive is.
#[derive(Debug)]
pub(crate) struct Available {
    pub(crate) package: Package,
    pub(crate) url: String,
}

/// What is checked beside the signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// The date that the lock file has of this suite.
    pub(crate) seen: Option<i64>,
}

impl Suite {
    /// Fetches the signed text of a suite and checks it.
    pub(crate) fn fetch(
        downloads: &Downloads<'_>,
        repository: &RepositorySpec,
        name: &str,
        keyring: &Keyring,
        freshness: Freshness,
    ) -> Result<Self, RepositoryError> {
        let base = repository.url.trim_end_matches('/').to_owned();
        let directory = format!("{base}/dists/{name}/");
        let (url, text, documents) = signed(downloads, &directory, keyring, freshness.now)?;
        let release =
            Release::parse(text.as_bytes()).map_err(|source| RepositoryError::Release {
                url: url.clone(),
                source,
            })?;
        check(&release, repository, name, &url, freshness)?;
        for (url, bytes) in documents {
            downloads.keep_latest(&url, &bytes)?;
        }
        Ok(Self {
            release,
            base,
            name: name.to_owned(),
            directory,
        })
    }

    /// The packages of a component for an architecture, those for all included.
    pub(crate) fn packages(
        &self,
        downloads: &Downloads<'_>,
        component: &str,
        architecture: Architecture,
    ) -> Result<Vec<Available>, RepositoryError> {
        let mut packages = self.index(downloads, component, architecture.debian())?;
        let all = match self.release.separate_all {
            true => self.index(downloads, component, "all")?,
            false => None,
        };
        if packages.is_none() && all.is_none() {
            return Err(RepositoryError::NoIndex {
                url: format!("{}InRelease", self.directory),
                component: component.to_owned(),
                architecture,
            });
        }
        packages
            .get_or_insert_default()
            .extend(all.unwrap_or_default());
        Ok(packages.unwrap_or_default())
    }

    fn index(
        &self,
        downloads: &Downloads<'_>,
        component: &str,
        architecture: &str,
    ) -> Result<Option<Vec<Available>>, RepositoryError> {
        let stem = format!("{component}/binary-{architecture}/Packages");
        let index = self.open(downloads, &stem)?;
        index
            .map(|(url, content)| self.parse(&url, content))
            .transpose()
    }

    /// The list of files of all packages of a component for an architecture, with its address; nothing where
    /// the repository has none. Debian has one for each component, others one for all.
    pub(crate) fn contents(
        &self,
        downloads: &Downloads<'_>,
        component: &str,
        architecture: Architecture,
    ) -> Result<Option<Opened>, RepositoryError> {
        let name = format!("Contents-{architecture}");
        match self.open(downloads, &format!("{component}/{name}"))? {
            Some(opened) => Ok(Some(opened)),
            None => self.open(downloads, &name),
        }
    }

    /// An index by its name without the compression, with its address, decompressed and checked.
    fn open(
        &self,
        downloads: &Downloads<'_>,
        stem: &str,
    ) -> Result<Option<Opened>, RepositoryError> {
        let listed = COMPRESSIONS.iter().find_map(|compression| {
            let path = format!("{stem}{compression}");
            self.release.files.get(&path).map(|file| (path, file))
        });
        let Some((path, file)) = listed else {
            return Ok(None);
        };
        let plain = format!("{}{path}", self.directory);
        let url = match (self.release.by_hash, path.rsplit_once('/')) {
            (true, Some((parent, _))) => {
                format!("{}{parent}/by-hash/SHA256/{}", self.directory, file.sha256)
            }
            _ => plain.clone(),
        };
        let wanted = Wanted {
            url,
            sha256: file.sha256.clone(),
            size: file.size.min(MAX_INDEX),
        };
        let kept = match downloads.have(&wanted) {
            // A proxy or a copy of a mirror may know only the plain names; the digest is checked alike.
            Err(error) if error.is_missing() && wanted.url != plain => {
                let url = plain.clone();
                downloads.have(&Wanted { url, ..wanted })?
            }
            other => other?,
        };
        let read = |source| RepositoryError::Read {
            url: plain.clone(),
            source,
        };
        let bytes = std::fs::read(&kept).map_err(read)?;
        if Digest::sha256(&bytes).hex() != file.sha256 {
            return Err(RepositoryError::Damaged {
                url: plain,
                path: kept.display().to_string(),
            });
        }
        let (_, content) = decompress(std::io::Cursor::new(bytes)).map_err(read)?;
        Ok(Some((plain, content)))
    }

    fn parse(&self, url: &str, content: impl Read) -> Result<Vec<Available>, RepositoryError> {
        let mut packages = vec![];
        for stanza in Stanzas::new(BufReader::with_capacity(1 << 16, content.take(MAX_INDEX))) {
            let stanza = stanza.map_err(|source| RepositoryError::Stanza {
                url: url.to_owned(),
                source,
            })?;
            let package = Package::new(stanza).map_err(|source| RepositoryError::Package {
                url: url.to_owned(),
                source: Box::new(source),
            })?;
            // What cannot be verified cannot be used.
            let Some(filename) = package
                .filename
                .as_ref()
                .filter(|_| package.sha256.is_some())
            else {
                continue;
            };
            let url = format!("{}/{}", self.base, filename.trim_start_matches("./"));
            packages.push(Available { url, package });
        }
        Ok(packages)
    }
}

/// A signed text: its address, the text, and the documents that it was taken from, with their addresses.
type Signed = (String, String, Vec<(String, Vec<u8>)>);

/// The signed text of the suite in `directory`. Where there is no `InRelease`, it is `Release` with the signature
/// in `Release.gpg`. The documents are to be kept if all is well.
fn signed(
    downloads: &Downloads<'_>,
    directory: &str,
    keyring: &Keyring,
    now: i64,
) -> Result<Signed, RepositoryError> {
    let untrusted = |url: &str| {
        let url = url.to_owned();
        move |source| RepositoryError::Signature { url, source }
    };
    let inline = format!("{directory}InRelease");
    let missing = match downloads.latest(&inline, MAX_RELEASE) {
        Ok(bytes) => {
            let text = keyring.verify(&bytes, now).map_err(untrusted(&inline))?;
            return Ok((inline.clone(), text, vec![(inline, bytes)]));
        }
        Err(error) if error.is_missing() || matches!(error, CacheError::Offline { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    let (url, beside) = (
        format!("{directory}Release"),
        format!("{directory}Release.gpg"),
    );
    // The file that every repository should have is the one to miss.
    let (Ok(bytes), Ok(signature)) = (
        downloads.latest(&url, MAX_RELEASE),
        downloads.latest(&beside, MAX_RELEASE),
    ) else {
        return Err(missing.into());
    };
    keyring
        .verify_detached(&bytes, &signature, now)
        .map_err(untrusted(&url))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok((url.clone(), text, vec![(url, bytes), (beside, signature)]))
}

fn check(
    release: &Release,
    repository: &RepositorySpec,
    name: &str,
    url: &str,
    freshness: Freshness,
) -> Result<(), RepositoryError> {
    const DAY: i64 = 86_400;
    let names = [&release.suite, &release.codename];
    // `stable/updates` is how security suites were called: only the first part names the release.
    let first = name.split('/').next().unwrap_or(name);
    let is_named = names.iter().any(|known| {
        let known = known.as_deref();
        known.is_some_and(|known| known == name || known.split('/').next() == Some(first))
    });
    if !is_named && names.iter().any(|known| known.is_some()) {
        let found: Vec<_> = names.iter().filter_map(|known| known.as_deref()).collect();
        return Err(RepositoryError::Suite {
            url: url.to_owned(),
            found: found.join(" or "),
            wanted: name.to_owned(),
        });
    }
    let end = release.valid_until.filter(|_| repository.check_valid_until);
    if let Some(end) = end.filter(|end| *end < freshness.now) {
        return Err(RepositoryError::Expired {
            url: url.to_owned(),
            days: (freshness.now - end) / DAY,
        });
    }
    if let Some(seen) = freshness.seen.filter(|seen| *seen > release.date) {
        return Err(RepositoryError::Older {
            url: url.to_owned(),
            days: (seen - release.date + DAY - 1) / DAY,
        });
    }
    Ok(())
}
