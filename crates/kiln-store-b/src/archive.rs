//! Docker's image archives, what `docker save` writes and `docker load` reads, and root file system archives.
//!
//! Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format":
//! `manifest.json` names the config and the layers; layers are tar archives, compressed or not. Archives of
//! Docker 25 and newer are OCI layouts as well; their `manifest.json` is read all the same.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{TarWriter, decompress, index_tar, sniff};
use kiln_oci::{
    Descriptor, Digest, DigestWriter, History, Image, ImageConfig, Layer, Manifest, OpenError,
    Platform, Raw, Reference, SourceError, media_type,
};
use serde::{Deserialize, Serialize};

use crate::blob::ReadAt;
use crate::error::StoreError;
use crate::layout;
use crate::lease::Lease;
use crate::store::Store;

/// An archive that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("`{path}` is not an image archive: {reason}")]
    NotAnArchive {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// There is nothing in it.
    #[error("the archive is empty: an image needs a root file system")]
    Empty,
    /// It is not a tar archive, or a damaged one.
    #[error("the archive is damaged")]
    Tar(#[from] kiln_layer::LayerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The archive could not be read or written.
    #[error("cannot read or write the archive")]
    Stream(#[from] io::Error),
}

/// One image in `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An open archive.
#[derive(Debug)]
pub struct DockerArchive {
    path: PathBuf,
    images: Vec<(Image, Vec<String>)>,
}

/// A member of an archive as a layer.
struct MemberLayer {
    descriptor: Descriptor,
    diff_id: Digest,
    file: Arc<File>,
    position: u64,
}

impl Layer for MemberLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        let content = ReadAt {
            file: Arc::clone(&self.file),
            position: self.position,
        };
        Ok(Box::new(content.take(self.descriptor.size)))
    }
}

/// Opens what `docker save` wrote. Compressed archives are not read in place; load them instead.
///
/// # Errors
/// If it is not there, or no such archive.
pub fn open_docker(path: &Path) -> Result<DockerArchive, ArchiveError> {
    let file = File::open(path).map_err(|source| ArchiveError::Io {
        path: path.into(),
        source,
    })?;
    let file = Arc::new(file);
    let wrong = |reason: String| ArchiveError::NotAnArchive {
        path: path.into(),
        reason,
    };
    let members = layout::members(&file).map_err(|error| wrong(error.to_string()))?;
    let read = |name: &str| -> Result<Vec<u8>, ArchiveError> {
        let place = members.get(name.as_bytes()).copied();
        let (position, size) = place.ok_or_else(|| wrong(format!("it has no `{name}`")))?;
        if size > kiln_oci::MAX_DOCUMENT_SIZE {
            return Err(wrong(format!("`{name}` is too large")));
        }
        let mut bytes = vec![];
        ReadAt {
            file: Arc::clone(&file),
            position,
        }
        .take(size)
        .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let items: Vec<Item> = serde_json::from_slice(&read("manifest.json")?)
        .map_err(|error| wrong(format!("manifest.json: {error}")))?;
    let mut images = vec![];
    for item in items {
        let config: Raw<ImageConfig> = Raw::parse(read(&item.config)?)
            .map_err(|error| wrong(format!("{}: {error}", item.config)))?;
        if item.layers.len() != config.rootfs.diff_ids.len() {
            return Err(wrong(
                "the config and the manifest name different numbers of layers".to_owned(),
            ));
        }
        let mut layers: Vec<Arc<dyn Layer>> = vec![];
        for (name, diff_id) in item.layers.iter().zip(&config.rootfs.diff_ids) {
            let place = members.get(name.as_bytes()).copied();
            let (position, size) = place.ok_or_else(|| wrong(format!("it has no `{name}`")))?;
            let descriptor = member_descriptor(&file, position, size, diff_id)?;
            let (file, diff_id) = (Arc::clone(&file), *diff_id);
            layers.push(Arc::new(MemberLayer {
                descriptor,
                diff_id,
                file,
                position,
            }));
        }
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
            layers: layers
                .iter()
                .map(|layer| layer.descriptor().clone())
                .collect(),
            subject: None,
            annotations: BTreeMap::new(),
        });
        let image =
            Image::new(manifest, config, layers).map_err(|error| wrong(error.to_string()))?;
        images.push((image, item.repo_tags.unwrap_or_default()));
    }
    Ok(DockerArchive {
        path: path.to_owned(),
        images,
    })
}

/// An uncompressed layer's digest is its diff id, which is verified when it is stored. A compressed one has to
/// be read to know its digest.
fn member_descriptor(
    file: &Arc<File>,
    position: u64,
    size: u64,
    diff_id: &Digest,
) -> io::Result<Descriptor> {
    let mut head = vec![];
    ReadAt {
        file: Arc::clone(file),
        position,
    }
    .take(size.min(512))
    .read_to_end(&mut head)?;
    let media_type = match sniff(&head) {
        kiln_layer::Encoding::Gzip => media_type::OCI_LAYER_GZIP,
        kiln_layer::Encoding::Zstd => media_type::OCI_LAYER_ZSTD,
        _ => return Ok(Descriptor::new(media_type::OCI_LAYER_TAR, *diff_id, size)),
    };
    let mut hash = DigestWriter::new(io::sink());
    io::copy(
        &mut ReadAt {
            file: Arc::clone(file),
            position,
        }
        .take(size),
        &mut hash,
    )?;
    let (_, digest, size) = hash.finish();
    Ok(Descriptor::new(media_type, digest, size))
}

impl DockerArchive {
    /// The images and their names.
    #[must_use]
    pub fn images(&self) -> &[(Image, Vec<String>)] {
        &self.images
    }

    /// The image called `wanted`, or the only one.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn find(&self, wanted: Option<&str>, platform: &Platform) -> Result<Image, SourceError> {
        let name = wanted.unwrap_or("image").to_owned();
        let is_wanted = |names: &Vec<String>| match wanted {
            None => true,
            Some(wanted) => names
                .iter()
                .any(|name| name == wanted || name.rsplit(':').next() == Some(wanted)),
        };
        let found: Vec<&Image> = self
            .images
            .iter()
            .filter(|(_, names)| is_wanted(names))
            .map(|(image, _)| image)
            .collect();
        if found.is_empty() {
            return Err(SourceError::NotFound {
                name,
                place: self.path.display().to_string(),
            });
        }
        let fits = found
            .iter()
            .find(|image| image.config.platform.satisfies(platform));
        fits.map(|image| (*image).clone())
            .ok_or_else(|| SourceError::Platform {
                name,
                wanted: Box::new(platform.clone()),
                available: found
                    .iter()
                    .map(|i| i.config.platform.to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// Writes an image so that `docker load` and `podman load` read it.
///
/// # Errors
/// If a layer cannot be read, or the archive not be written.
pub fn write_docker(
    image: &Image,
    names: &[Reference],
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let mut tar = TarWriter::new(out);
    let config = format!("{}.json", image.config.digest().hex());
    let mut written = HashSet::new();
    let mut layers = vec![];
    for layer in &image.layers {
        let name = format!("{}.tar", layer.diff_id().hex());
        if written.insert(*layer.diff_id()) {
            layout::add(&mut tar, &name, layer.descriptor().size, &mut layer.open()?)?;
        }
        layers.push(name);
    }
    let bytes = image.config.bytes();
    layout::add(&mut tar, &config, bytes.len() as u64, &mut &bytes[..])?;
    let tags = names
        .iter()
        .filter(|name| name.digest().is_none())
        .map(Reference::familiar)
        .collect();
    let items = vec![Item {
        config,
        repo_tags: Some(tags),
        layers,
    }];
    let manifest = serde_json::to_vec(&items).expect("because the list has a JSON form");
    layout::add(
        &mut tar,
        "manifest.json",
        manifest.len() as u64,
        &mut &manifest[..],
    )?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// How a root file system becomes an image.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What its programs run on.
    pub platform: Platform,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// The remark in its history.
    pub comment: String,
}

/// Makes a base image of one layer from a root file system archive, compressed or not.
///
/// # Errors
/// If the archive is damaged, truncated or hostile, or the store cannot take it.
pub fn import(
    store: &Store,
    lease: &Lease,
    content: impl Read + Send + 'static,
    options: &ImportOptions,
) -> Result<Image, ArchiveError> {
    let (_, plain) = decompress(content)?;
    let mut blob = store.blob_writer(lease)?;
    let index = Arc::new(index_tar(plain, &mut blob)?);
    if index.entries.is_empty() {
        return Err(ArchiveError::Empty);
    }
    // Held before it can be seen.
    lease.hold_blob(&index.diff_id)?;
    blob.commit(Some(&index.diff_id))?;
    store.keep_index(&index)?;
    let mut config = ImageConfig::scratch(options.platform.clone());
    config.created.clone_from(&options.created);
    config.rootfs.diff_ids.push(index.diff_id);
    config.history.push(History {
        created: options.created.clone(),
        created_by: Some("kiln import".to_owned()),
        comment: Some(options.comment.clone()),
        ..History::default()
    });
    let config = Raw::new(config);
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
        layers: vec![Descriptor::new(
            media_type::OCI_LAYER_TAR,
            index.diff_id,
            index.size,
        )],
        subject: None,
        annotations: BTreeMap::new(),
    });
    store.put_document(lease, config.bytes())?;
    store.put_document(lease, manifest.bytes())?;
    Ok(store.image_at(&Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes()))?)
}
