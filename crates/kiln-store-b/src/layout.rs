//! OCI image layouts, as directories and as tar archives.
//!
//! Source: OCI image specification, "image-layout.md"; the annotation `org.opencontainers.image.ref.name`
//! holds the tag, `io.containerd.image.name` the full name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{Dialect, Entry, Kind, TarReader, TarWriter};
use kiln_oci::{
    Descriptor, Digest, DigestReader, Document, Image, ImageConfig, Index, Layer, Manifest,
    OpenError, Platform, Raw, Reference, SourceError, media_type,
};

use crate::blob::ReadAt;

const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// A layout that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file could not be read or written.
    #[error("cannot use `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no layout.
    #[error("`{path}` is not an OCI image layout: {reason}")]
    NotALayout {
        /// The directory or archive.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// Content is missing or not what its name says.
    #[error("`{digest}` of the layout {reason}")]
    Blob {
        /// The content.
        digest: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A layer could not be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[from] io::Error),
}

/// Where a layout's files are.
#[derive(Debug)]
enum Files {
    Directory(PathBuf),
    /// An archive: where in it each file lies.
    Archive {
        file: Arc<File>,
        members: BTreeMap<Vec<u8>, (u64, u64)>,
    },
}

/// An open layout.
#[derive(Debug)]
pub struct Layout {
    path: PathBuf,
    files: Arc<Files>,
    index: Index,
}

/// Opens a layout, a directory or an uncompressed tar archive.
///
/// # Errors
/// If it is not there or is no layout.
pub fn open(path: &Path) -> Result<Layout, LayoutError> {
    let failed = |source| LayoutError::Io {
        path: path.to_owned(),
        source,
    };
    let files = if fs::metadata(path).map_err(failed)?.is_dir() {
        Files::Directory(path.to_owned())
    } else {
        let file = Arc::new(File::open(path).map_err(failed)?);
        let members = members(&file).map_err(|error| LayoutError::NotALayout {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Files::Archive { file, members }
    };
    let not_a_layout = |reason: String| LayoutError::NotALayout {
        path: path.to_owned(),
        reason,
    };
    let index = files.read("index.json", kiln_oci::MAX_DOCUMENT_SIZE);
    let index = index.map_err(|error| not_a_layout(format!("index.json: {error}")))?;
    let index = serde_json::from_slice(&index).map_err(|error| not_a_layout(error.to_string()))?;
    Ok(Layout {
        path: path.to_owned(),
        files: Arc::new(files),
        index,
    })
}

/// Where the regular files of an archive lie.
pub(crate) fn members(
    file: &Arc<File>,
) -> Result<BTreeMap<Vec<u8>, (u64, u64)>, kiln_layer::TarError> {
    let mut reader = TarReader::new(
        ReadAt {
            file: Arc::clone(file),
            position: 0,
        },
        Dialect::Archive,
    );
    let mut members = BTreeMap::new();
    while let Some(entry) = reader.next_entry()? {
        match entry.kind {
            Kind::File { size } if reader.extents().is_empty() => {
                members.insert(entry.path, (reader.offset(), size));
            }
            // Old `docker save` archives link equal layers to each other.
            Kind::Hardlink { target } => {
                if let Some(place) = members.get(&target).copied() {
                    members.insert(entry.path, place);
                }
            }
            Kind::Symlink { target } => {
                let name = String::from_utf8_lossy(&target).into_owned();
                let name = name.trim_start_matches("../").as_bytes().to_vec();
                if let Some(place) = members.get(&name).copied() {
                    members.insert(entry.path, place);
                }
            }
            _ => {}
        }
    }
    Ok(members)
}

impl Files {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Directory(root) => Ok(Box::new(File::open(root.join(name))?)),
            Self::Archive { file, members } => {
                let (position, size) = *members
                    .get(name.as_bytes())
                    .ok_or(io::ErrorKind::NotFound)?;
                Ok(Box::new(
                    ReadAt {
                        file: Arc::clone(file),
                        position,
                    }
                    .take(size),
                ))
            }
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

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// A layer of a layout. What is read is verified at its end.
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
        let opened = self.files.open(&blob_name(&self.descriptor.digest));
        opened.map_err(|source| OpenError {
            digest: self.descriptor.digest,
            source: source.into(),
        })
    }
}

impl Layout {
    /// The image called `wanted` (a tag, a full name, or `@sha256:…`) for `platform`; without a name the only
    /// one, or the first for the platform.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn find(&self, wanted: Option<&str>, platform: &Platform) -> Result<Image, SourceError> {
        let place = self.path.display().to_string();
        let name = wanted.unwrap_or("image").to_owned();
        let invalid = |error: LayoutError| SourceError::Invalid {
            name: name.clone(),
            source: error.into(),
        };
        let mut available = vec![];
        let named = self
            .index
            .manifests
            .iter()
            .filter(|d| wanted.is_none_or(|w| is_called(d, w)));
        let mut any = false;
        for descriptor in named {
            any = true;
            for manifest in self.manifests(descriptor).map_err(invalid)? {
                let image = self.image(&manifest).map_err(invalid)?;
                if image.config.platform.satisfies(platform) {
                    return Ok(image);
                }
                available.push(image.config.platform.to_string());
            }
        }
        if !any {
            return Err(SourceError::NotFound { name, place });
        }
        let (wanted, available) = (Box::new(platform.clone()), available.join(", "));
        Err(SourceError::Platform {
            name,
            wanted,
            available,
        })
    }

    /// Every image of the layout with the names it has there.
    ///
    /// # Errors
    /// If a document is missing or not valid.
    pub fn images(&self) -> Result<Vec<(Image, Vec<String>)>, LayoutError> {
        let mut images = vec![];
        for descriptor in &self.index.manifests {
            let annotation = |key| descriptor.annotations.get(key).cloned();
            let names: Vec<String> = annotation(FULL_NAME)
                .or_else(|| annotation(REF_NAME))
                .into_iter()
                .collect();
            for manifest in self.manifests(descriptor)? {
                images.push((self.image(&manifest)?, names.clone()));
            }
        }
        Ok(images)
    }

    fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let wrong = |reason: String| LayoutError::Blob {
            digest: *digest,
            reason,
        };
        let bytes = self
            .files
            .read(&blob_name(digest), kiln_oci::MAX_DOCUMENT_SIZE);
        let bytes = bytes.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let mut check = DigestReader::new(&bytes[..], digest.algorithm());
        io::copy(&mut check, &mut io::sink())?;
        match check.finish().0 == *digest {
            true => Ok(bytes),
            false => Err(wrong("has other content than its name says".to_owned())),
        }
    }

    /// The image manifests that a descriptor leads to. Attestations and other artifacts are passed over.
    fn manifests(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>, LayoutError> {
        let wrong = |error: kiln_oci::InvalidDocument| LayoutError::Blob {
            digest: descriptor.digest,
            reason: error.to_string(),
        };
        match Document::parse(&self.document(&descriptor.digest)?).map_err(wrong)? {
            Document::Manifest(manifest) => {
                let image = matches!(
                    manifest.config.media_type.as_str(),
                    media_type::OCI_CONFIG | media_type::DOCKER_CONFIG
                );
                let attestation = descriptor
                    .annotations
                    .contains_key("vnd.docker.reference.type");
                Ok(if image && !attestation {
                    vec![descriptor.clone()]
                } else {
                    vec![]
                })
            }
            Document::Index(index) => {
                let mut manifests = vec![];
                for inner in index
                    .manifests
                    .iter()
                    .filter(|inner| !media_type::is_index(&inner.media_type))
                {
                    manifests.extend(self.manifests(inner)?);
                }
                Ok(manifests)
            }
        }
    }

    fn image(&self, descriptor: &Descriptor) -> Result<Image, LayoutError> {
        let wrong = |reason: String| LayoutError::Blob {
            digest: descriptor.digest,
            reason,
        };
        let manifest: Raw<Manifest> = Raw::parse(self.document(&descriptor.digest)?)
            .map_err(|error| wrong(error.to_string()))?;
        let config: Raw<ImageConfig> = Raw::parse(self.document(&manifest.config.digest)?)
            .map_err(|error| wrong(error.to_string()))?;
        let layer = |(descriptor, diff_id): (&Descriptor, &Digest)| -> Arc<dyn Layer> {
            let (descriptor, diff_id) = (descriptor.clone(), *diff_id);
            Arc::new(LayoutLayer {
                files: Arc::clone(&self.files),
                descriptor,
                diff_id,
            })
        };
        let layers = manifest
            .layers
            .iter()
            .zip(&config.rootfs.diff_ids)
            .map(layer)
            .collect();
        Image::new(manifest, config, layers).map_err(|error| wrong(error.to_string()))
    }
}

fn is_called(descriptor: &Descriptor, wanted: &str) -> bool {
    if let Some(digest) = wanted.strip_prefix('@') {
        return descriptor.digest.to_string() == digest;
    }
    [REF_NAME, FULL_NAME].iter().any(|key| {
        descriptor
            .annotations
            .get(*key)
            .is_some_and(|n| n == wanted)
    })
}

/// The index of a new layout: each image under each name.
fn index(images: &[Image], names: &[Reference]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut descriptors: Vec<Descriptor> = images
        .iter()
        .map(|image| {
            let kind = image
                .manifest
                .media_type
                .as_deref()
                .unwrap_or(media_type::OCI_MANIFEST);
            let mut descriptor = Descriptor::of(kind, image.manifest.bytes());
            descriptor.platform = Some(image.config.platform.clone());
            descriptor
        })
        .collect();
    let mut documents = vec![];
    if let [_, _, ..] = &descriptors[..] {
        let inner = Raw::new(Index::new(descriptors));
        descriptors = vec![Descriptor::of(media_type::OCI_INDEX, inner.bytes())];
        documents.push(inner.bytes().to_vec());
    }
    let named = |descriptor: &Descriptor| -> Vec<Descriptor> {
        if names.is_empty() {
            return vec![descriptor.clone()];
        }
        names
            .iter()
            .map(|name| {
                let mut descriptor = descriptor.clone();
                let tag = name.tag().unwrap_or("latest").to_owned();
                descriptor.annotations.insert(REF_NAME.to_owned(), tag);
                descriptor
                    .annotations
                    .insert(FULL_NAME.to_owned(), name.to_string());
                descriptor
            })
            .collect()
    };
    let top = Index::new(descriptors.iter().flat_map(named).collect());
    (Raw::new(top).bytes().to_vec(), documents)
}

/// Writes a layout as a directory. What is there already stays; the index is replaced last.
///
/// # Errors
/// If it cannot be written, or a layer not be read.
pub fn write_directory(
    path: &Path,
    images: &[Image],
    names: &[Reference],
) -> Result<(), LayoutError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LayoutError::Io { path, source }
    };
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(failed(&blobs))?;
    let write = |name: &Path, content: &mut dyn Read| -> Result<(), LayoutError> {
        let partial = name.with_extension("partial");
        let mut file = File::create(&partial).map_err(failed(&partial))?;
        io::copy(content, &mut file).map_err(failed(&partial))?;
        fs::rename(&partial, name).map_err(failed(name))
    };
    let (index, documents) = index(images, names);
    for document in documents.iter().map(Vec::as_slice).chain(
        images
            .iter()
            .flat_map(|image| [image.config.bytes(), image.manifest.bytes()]),
    ) {
        write(
            &path.join(blob_name(&Digest::sha256(document))),
            &mut &document[..],
        )?;
    }
    for layer in images.iter().flat_map(|image| &image.layers) {
        let name = path.join(blob_name(&layer.descriptor().digest));
        if !name.exists() {
            fs::create_dir_all(name.parent().unwrap_or(path)).map_err(failed(&name))?;
            write(&name, &mut layer.open()?)?;
        }
    }
    write(&path.join("oci-layout"), &mut &LAYOUT[..])?;
    write(&path.join("index.json"), &mut &index[..])
}

/// Writes a layout as a tar archive. The same images always give the same archive.
///
/// # Errors
/// If it cannot be written, or a layer not be read.
pub fn write_tar(
    images: &[Image],
    names: &[Reference],
    out: &mut dyn Write,
) -> Result<(), LayoutError> {
    let mut tar = TarWriter::new(out);
    let (index, documents) = index(images, names);
    for directory in ["blobs", "blobs/sha256"] {
        tar.entry(&Entry::directory(directory, 0o755))
            .map_err(io::Error::from)?;
    }
    let mut written = std::collections::HashSet::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        let descriptor = layer.descriptor();
        if written.insert(descriptor.digest) {
            let name = blob_name(&descriptor.digest);
            add(&mut tar, &name, descriptor.size, &mut layer.open()?)?;
        }
    }
    for document in images
        .iter()
        .flat_map(|image| [image.config.bytes(), image.manifest.bytes()])
        .chain(documents.iter().map(Vec::as_slice))
    {
        let digest = Digest::sha256(document);
        if written.insert(digest) {
            add(
                &mut tar,
                &blob_name(&digest),
                document.len() as u64,
                &mut &document[..],
            )?;
        }
    }
    add(&mut tar, "index.json", index.len() as u64, &mut &index[..])?;
    add(
        &mut tar,
        "oci-layout",
        LAYOUT.len() as u64,
        &mut &LAYOUT[..],
    )?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Adds a file, readable by all, at the epoch.
pub(crate) fn add<W: Write>(
    tar: &mut TarWriter<W>,
    name: &str,
    size: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    let entry = Entry {
        mode: 0o644,
        ..Entry::new(name, Kind::File { size })
    };
    tar.file(&entry, content).map_err(io::Error::from)
}
