//! OCI image layouts, as directories and as tar archives.
//!
//! Source: OCI image specification 1.1, "image-layout.md". In `index.json` the annotation
//! `org.opencontainers.image.ref.name` holds the tag and `io.containerd.image.name` the full name,
//! as containerd, Docker and podman write them.

mod directory;
mod members;
mod stream;
mod write;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_oci::{
    Descriptor, Digest, Document, Hasher, Image, ImageConfig, Index, Layer, MAX_DOCUMENT_SIZE,
    Manifest, OpenError, Platform, Raw, SourceError, media_type,
};

use crate::blob::ReadAt;
use crate::error::StoreError;
use crate::store::Store;

pub use directory::LayoutDirectory;
pub(crate) use members::{Members, MembersError};
pub use stream::LayoutArchive;
pub(crate) use write::{add, add_layout};
pub use write::{write_directory, write_tar};

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
/// On the manifests that BuildKit puts beside images.
pub(crate) const ATTESTATION: &str = "vnd.docker.reference.type";

/// How deep indexes may nest. The specification sets no bound, and nobody writes more than two.
const MAX_DEPTH: usize = 8;

/// A layout that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A file could not be read or written.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no layout.
    #[error("`{}` is not an OCI image layout: {reason}", path.display())]
    NotALayout {
        /// The directory or archive.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// Content is missing or not what its name says.
    #[error("{digest} in the layout {reason}")]
    Blob {
        /// The content.
        digest: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A layer could not be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store could not take what is in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[from] io::Error),
}

/// Where a layout's files are.
#[derive(Debug)]
pub(crate) enum Files {
    Directory(PathBuf),
    Archive(Arc<Members>),
}

/// An open layout.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    files: Arc<Files>,
    index: Index,
}

/// Opens a layout: a directory, or an uncompressed tar archive of one.
///
/// # Errors
/// If it is not there or is no layout.
pub fn open(path: &Path) -> Result<Layout, LayoutError> {
    open_files(path, None)
}

/// As [`open`]; the archive may also be compressed as a whole, with gzip, bzip2, xz or zstd. Then it is
/// decoded once, and what is large in it goes into `store` right away, held as long as the layout or a
/// layer of it lives.
///
/// # Errors
/// The same, or if the store cannot take it.
pub fn open_into(path: &Path, store: &Store) -> Result<Layout, LayoutError> {
    open_files(path, Some(store))
}

fn open_files(path: &Path, store: Option<&Store>) -> Result<Layout, LayoutError> {
    let failed = |source| LayoutError::Io {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.is_dir() {
        return of(path, Files::Directory(path.to_owned()));
    }
    match Members::open_archive(path, store) {
        Ok(members) => of(path, Files::Archive(Arc::new(members))),
        Err(MembersError::Store(error)) => Err(error.into()),
        Err(MembersError::Read(error)) => Err(failed(error)),
        Err(error) => Err(LayoutError::NotALayout {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The layout whose files are there.
pub(crate) fn of(path: &Path, files: Files) -> Result<Layout, LayoutError> {
    let wrong = |reason: String| LayoutError::NotALayout {
        path: path.to_owned(),
        reason,
    };
    let index = files.read("index.json", MAX_DOCUMENT_SIZE);
    let index = index.map_err(|error| wrong(format!("index.json: {error}")))?;
    let index = match Document::parse(&index) {
        Ok(Document::Index(index)) => *index,
        Ok(Document::Manifest(_)) => return Err(wrong("index.json is a manifest".to_owned())),
        Err(error) => return Err(wrong(format!("index.json: {error}"))),
    };
    Ok(Layout {
        path: path.to_owned(),
        files: Arc::new(files),
        index,
    })
}

impl Files {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Directory(root) => {
                let file = Arc::new(File::open(root.join(name))?);
                Ok(Box::new(ReadAt::start(file)))
            }
            Self::Archive(members) => members.open(name),
        }
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        self.open(name)?.take(limit + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > limit {
            true => Err(io::Error::other(format!("larger than {limit} bytes"))),
            false => Ok(bytes),
        }
    }
}

/// Where content lies in a layout.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// A layer of a layout.
struct LayoutLayer {
    files: Arc<Files>,
    descriptor: Descriptor,
    diff_id: Digest,
}

impl Layer for LayoutLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        open_blob(&self.files, &self.descriptor)
    }
}

fn open_blob(files: &Files, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OpenError> {
    let digest = descriptor.digest;
    let opened = files.open(&blob_name(&digest));
    let content = opened.map_err(|source| OpenError {
        digest,
        source: source.into(),
    })?;
    Ok(Box::new(Verifying::new(content, descriptor)))
}

fn read_document(files: &Files, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
    let wrong = |reason: String| LayoutError::Blob {
        digest: *digest,
        reason,
    };
    let bytes = files.read(&blob_name(digest), MAX_DOCUMENT_SIZE);
    let bytes = bytes.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(&bytes);
    match hasher.finish() {
        actual if actual == *digest => Ok(bytes),
        actual => Err(wrong(format!(
            "has other content than its name says: {actual}"
        ))),
    }
}

/// Passes content on and compares it with its descriptor: the end of other content is an error.
pub(crate) struct Verifying<R> {
    content: R,
    digest: Digest,
    left: u64,
    hasher: Option<Hasher>,
}

impl<R: Read> Verifying<R> {
    pub(crate) fn new(content: R, descriptor: &Descriptor) -> Self {
        Self {
            content,
            digest: descriptor.digest,
            left: descriptor.size,
            hasher: Some(Hasher::new(descriptor.digest.algorithm())),
        }
    }
}

impl<R: Read> Read for Verifying<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(hasher) = &mut self.hasher else {
            return Ok(0);
        };
        let read = self.content.read(buffer)?;
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let digest = self.digest;
        if read == 0 && !buffer.is_empty() {
            let actual = self.hasher.take().map_or(digest, kiln_oci::Hasher::finish);
            return match (self.left, actual == digest) {
                (0, true) => Ok(0),
                (0, false) => Err(wrong(format!("the content of {digest} is {actual}"))),
                (left, _) => Err(wrong(format!("{digest} is {left} bytes too short"))),
            };
        }
        hasher.update(&buffer[..read]);
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| wrong(format!("{digest} is too long")))?;
        Ok(read)
    }
}

impl Layout {
    /// The image called `wanted` (a tag, a full name, or `@sha256:…`) for `platform`; without a name
    /// the first for the platform.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn find(&self, wanted: Option<&str>, platform: &Platform) -> Result<Image, SourceError> {
        let name = wanted.unwrap_or("image").to_owned();
        let invalid = |error: LayoutError| SourceError::Invalid {
            name: name.clone(),
            source: error.into(),
        };
        let is_wanted =
            |descriptor: &&Descriptor| wanted.is_none_or(|wanted| is_called(descriptor, wanted));
        let mut available = vec![];
        let mut is_found = false;
        for descriptor in self.index.manifests.iter().filter(is_wanted) {
            is_found = true;
            for manifest in self.manifests(descriptor, 0).map_err(invalid)? {
                let image = self.image(&manifest).map_err(invalid)?;
                if image.config.platform.satisfies(platform) {
                    return Ok(image);
                }
                available.push(image.config.platform.to_string());
            }
        }
        if !is_found {
            let place = self.path.display().to_string();
            return Err(SourceError::NotFound { name, place });
        }
        Err(SourceError::Platform {
            name,
            wanted: Box::new(platform.clone()),
            available: available.join(", "),
        })
    }

    /// Every image of the layout with the names it has there.
    ///
    /// # Errors
    /// If a document is missing or not valid.
    pub fn images(&self) -> Result<Vec<(Image, Vec<String>)>, LayoutError> {
        let mut found: Vec<(Descriptor, Vec<String>)> = vec![];
        for descriptor in &self.index.manifests {
            let annotation = |key| descriptor.annotations.get(key).cloned();
            let name = annotation(FULL_NAME).or_else(|| annotation(REF_NAME));
            for manifest in self.manifests(descriptor, 0)? {
                let same = |(known, _): &&mut (Descriptor, _)| known.digest == manifest.digest;
                match found.iter_mut().find(same) {
                    Some((_, names)) => names.extend(name.clone()),
                    None => found.push((manifest, name.clone().into_iter().collect())),
                }
            }
        }
        let images = found.into_iter();
        images
            .map(|(manifest, names)| Ok((self.image(&manifest)?, names)))
            .collect()
    }

    /// What `index.json` lists, as it stands there.
    #[must_use]
    pub fn entries(&self) -> &[Descriptor] {
        &self.index.manifests
    }

    /// The entry called `wanted` (a tag, a full name, or `@sha256:…`); without a name the only one.
    ///
    /// # Errors
    /// If there is none, or more than one and no name.
    pub fn entry(&self, wanted: Option<&str>) -> Result<&Descriptor, SourceError> {
        let is_wanted = |entry: &&Descriptor| wanted.is_none_or(|wanted| is_called(entry, wanted));
        let mut found = self.index.manifests.iter().filter(is_wanted);
        let place = self.path.display().to_string();
        let first = found.next().ok_or_else(|| SourceError::NotFound {
            name: wanted.unwrap_or("image").to_owned(),
            place: place.clone(),
        })?;
        match found.find(|other| other.digest != first.digest) {
            Some(_) if wanted.is_none() => Err(SourceError::Invalid {
                name: place,
                source: "it holds several images; name one behind a colon".into(),
            }),
            _ => Ok(first),
        }
    }

    /// Bytes of a manifest, index or config, verified.
    ///
    /// # Errors
    /// If it is missing, damaged, or too large for a document.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        read_document(&self.files, digest)
    }

    /// Opens any content. The reader verifies it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, OpenError> {
        open_blob(&self.files, descriptor)
    }

    /// The image manifests that a descriptor leads to. Attestations and other artifacts are passed
    /// over.
    fn manifests(
        &self,
        descriptor: &Descriptor,
        depth: usize,
    ) -> Result<Vec<Descriptor>, LayoutError> {
        let wrong = |reason: String| LayoutError::Blob {
            digest: descriptor.digest,
            reason,
        };
        if depth > MAX_DEPTH {
            return Err(wrong("nests indexes too deeply".to_owned()));
        }
        let bytes = self.document(&descriptor.digest)?;
        match Document::parse(&bytes).map_err(|error| wrong(format!("is not valid: {error}")))? {
            Document::Manifest(manifest) => {
                let config = manifest.config.media_type.as_str();
                let is_image = matches!(config, media_type::OCI_CONFIG | media_type::DOCKER_CONFIG)
                    && !descriptor.annotations.contains_key(ATTESTATION);
                Ok(is_image.then(|| descriptor.clone()).into_iter().collect())
            }
            Document::Index(index) => {
                let mut manifests = vec![];
                for inner in &index.manifests {
                    // A layout may hold some platforms of an index only.
                    if self.has(&inner.digest) {
                        manifests.extend(self.manifests(inner, depth + 1)?);
                    }
                }
                Ok(manifests)
            }
        }
    }

    fn has(&self, digest: &Digest) -> bool {
        self.files.open(&blob_name(digest)).is_ok()
    }

    fn image(&self, descriptor: &Descriptor) -> Result<Image, LayoutError> {
        let wrong = |reason: String| LayoutError::Blob {
            digest: descriptor.digest,
            reason,
        };
        let manifest: Raw<Manifest> = Raw::parse(self.document(&descriptor.digest)?)
            .map_err(|error| wrong(format!("is not valid: {error}")))?;
        let config: Raw<ImageConfig> = Raw::parse(self.document(&manifest.config.digest)?)
            .map_err(|error| wrong(format!("has a config that is not valid: {error}")))?;
        let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| -> Arc<dyn Layer> {
            Arc::new(LayoutLayer {
                files: Arc::clone(&self.files),
                descriptor: descriptor.clone(),
                diff_id: *diff_id,
            })
        };
        let pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
        let layers = pairs.map(layer).collect();
        Image::new(manifest, config, layers).map_err(|error| wrong(error.to_string()))
    }
}

fn is_called(descriptor: &Descriptor, wanted: &str) -> bool {
    if let Some(digest) = wanted.strip_prefix('@') {
        return descriptor.digest.to_string() == digest;
    }
    let names = [REF_NAME, FULL_NAME].iter();
    let mut names = names.filter_map(|key| descriptor.annotations.get(*key));
    names.any(|name| name == wanted)
}
