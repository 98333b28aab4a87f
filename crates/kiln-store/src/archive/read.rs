//! Reads what `docker save` wrote.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{Encoding, sniff};
use kiln_oci::{
    Descriptor, Digest, DigestWriter, Image, ImageConfig, Layer, MAX_DOCUMENT_SIZE, OpenError,
    Platform, Raw, SourceError, media_type,
};

use super::{ArchiveError, Item, manifest};
use crate::layout::{self, Files, Members, MembersError, Verifying};
use crate::store::Store;

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
    members: Arc<Members>,
    name: String,
}

impl Layer for MemberLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        let content = self.members.open(&self.name).map_err(|source| OpenError {
            digest: self.descriptor.digest,
            source: source.into(),
        })?;
        Ok(Box::new(Verifying::new(content, &self.descriptor)))
    }
}

/// Opens what `docker save` wrote, by its `manifest.json`.
///
/// # Errors
/// If it is not there, no such archive, or compressed as a whole.
pub fn open_docker(path: &Path) -> Result<DockerArchive, ArchiveError> {
    docker(path, &members(path, None)?)
}

/// As [`open_docker`]; the archive may also be compressed as a whole, with gzip, bzip2, xz or zstd. Then
/// it is decoded once, and what is large in it goes into `store` right away, held as long as an image of
/// it lives.
///
/// # Errors
/// The same, or if the store cannot take it.
pub fn open_docker_into(path: &Path, store: &Store) -> Result<DockerArchive, ArchiveError> {
    docker(path, &members(path, Some(store))?)
}

/// All images in whatever lies at `path`, with the names that they have there: an OCI layout as a directory
/// or an archive, or what `docker save` wrote; archives plain or compressed as for
/// [`open_docker_into`].
///
/// # Errors
/// If it is none of them, damaged, or the store cannot take it.
pub fn open_images(path: &Path, store: &Store) -> Result<Vec<(Image, Vec<String>)>, ArchiveError> {
    if path.is_dir() {
        return Ok(layout::open(path)?.images()?);
    }
    let members = members(path, Some(store))?;
    // Docker writes both since version 25, and the layout tells more.
    if members.size("index.json").is_some() {
        let layout = layout::of(path, Files::Archive(Arc::clone(&members)));
        match layout.and_then(|layout| layout.images()) {
            Ok(images) => return Ok(images),
            Err(error) if members.size("manifest.json").is_none() => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(docker(path, &members)?.images)
}

fn members(path: &Path, store: Option<&Store>) -> Result<Arc<Members>, ArchiveError> {
    let opener = Opener { path };
    let members = Members::open_archive(path, store);
    members.map(Arc::new).map_err(|error| match error {
        MembersError::Read(error) => opener.failed(error),
        MembersError::Store(error) => error.into(),
        MembersError::Layer(error) => error.into(),
        error => opener.wrong(error.to_string()),
    })
}

fn docker(path: &Path, members: &Arc<Members>) -> Result<DockerArchive, ArchiveError> {
    let opener = Opener { path };
    let items: Vec<Item> = serde_json::from_slice(&opener.document(members, "manifest.json")?)
        .map_err(|error| opener.wrong(format!("manifest.json: {error}")))?;
    let mut images = vec![];
    for item in items {
        let names = item.repo_tags.clone().unwrap_or_default();
        images.push((opener.image(members, &item)?, names));
    }
    Ok(DockerArchive {
        path: path.to_owned(),
        images,
    })
}

struct Opener<'a> {
    path: &'a Path,
}

impl Opener<'_> {
    fn failed(&self, source: io::Error) -> ArchiveError {
        ArchiveError::Io {
            path: self.path.into(),
            source,
        }
    }

    fn wrong(&self, reason: String) -> ArchiveError {
        ArchiveError::NotAnArchive {
            path: self.path.into(),
            reason,
        }
    }

    fn size(&self, members: &Members, name: &str) -> Result<u64, ArchiveError> {
        let size = members.size(name);
        size.ok_or_else(|| self.wrong(format!("it has no `{name}`")))
    }

    fn document(&self, members: &Members, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let size = self.size(members, name)?;
        if size > MAX_DOCUMENT_SIZE {
            return Err(self.wrong(format!("`{name}` has more than {MAX_DOCUMENT_SIZE} bytes")));
        }
        let mut bytes = vec![];
        let content = members.open(name);
        let read = content.and_then(|mut content| content.read_to_end(&mut bytes));
        read.map_err(|source| self.failed(source))?;
        Ok(bytes)
    }

    fn image(&self, members: &Arc<Members>, item: &Item) -> Result<Image, ArchiveError> {
        let config: Raw<ImageConfig> = Raw::parse(self.document(members, &item.config)?)
            .map_err(|error| self.wrong(format!("{}: {error}", item.config)))?;
        let names = item.layers.as_deref().unwrap_or_default();
        if names.len() != config.rootfs.diff_ids.len() {
            let (layers, diff_ids) = (names.len(), config.rootfs.diff_ids.len());
            return Err(self.wrong(format!(
                "manifest.json names {layers} layers, the config {diff_ids}"
            )));
        }
        let mut layers: Vec<Arc<dyn Layer>> = vec![];
        for (name, diff_id) in names.iter().zip(&config.rootfs.diff_ids) {
            let size = self.size(members, name)?;
            let descriptor = layer_descriptor(members, name, size, diff_id);
            layers.push(Arc::new(MemberLayer {
                descriptor: descriptor.map_err(|source| self.failed(source))?,
                diff_id: *diff_id,
                members: Arc::clone(members),
                name: name.clone(),
            }));
        }
        let descriptors = layers.iter().map(|layer| layer.descriptor().clone());
        let manifest = manifest(config.bytes(), descriptors.collect());
        Image::new(manifest, config, layers).map_err(|error| self.wrong(error.to_string()))
    }
}

/// An uncompressed layer's digest is its diff id, and that is verified when it is read. A compressed
/// one has to be read to know its digest.
fn layer_descriptor(
    members: &Members,
    name: &str,
    size: u64,
    diff_id: &Digest,
) -> io::Result<Descriptor> {
    let mut begin = vec![];
    members.open(name)?.take(6).read_to_end(&mut begin)?;
    let media_type = match sniff(&begin) {
        Encoding::Gzip => media_type::OCI_LAYER_GZIP,
        Encoding::Zstd => media_type::OCI_LAYER_ZSTD,
        _ => return Ok(Descriptor::new(media_type::OCI_LAYER_TAR, *diff_id, size)),
    };
    if let Some(digest) = members.digest(name) {
        return Ok(Descriptor::new(media_type, digest, size));
    }
    let mut digest = DigestWriter::new(io::sink());
    io::copy(&mut members.open(name)?, &mut digest)?;
    let (_, digest, size) = digest.finish();
    Ok(Descriptor::new(media_type, digest, size))
}

impl DockerArchive {
    /// The images and their names.
    #[must_use]
    pub fn images(&self) -> &[(Image, Vec<String>)] {
        &self.images
    }

    /// The image called `wanted`, by its name or its tag, or without a name the first for the
    /// platform.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn find(&self, wanted: Option<&str>, platform: &Platform) -> Result<Image, SourceError> {
        let name = wanted.unwrap_or("image").to_owned();
        let is_wanted = |names: &[String]| match wanted {
            None => true,
            Some(wanted) => names
                .iter()
                .any(|name| name == wanted || name.rsplit(':').next() == Some(wanted)),
        };
        let found = self.images.iter().filter(|(_, names)| is_wanted(names));
        let found: Vec<&Image> = found.map(|(image, _)| image).collect();
        if found.is_empty() {
            let place = self.path.display().to_string();
            return Err(SourceError::NotFound { name, place });
        }
        let fits = |image: &&&Image| image.config.platform.satisfies(platform);
        if let Some(image) = found.iter().find(fits) {
            return Ok((*image).clone());
        }
        let available = found.iter().map(|image| image.config.platform.to_string());
        Err(SourceError::Platform {
            name,
            wanted: Box::new(platform.clone()),
            available: available.collect::<Vec<_>>().join(", "),
        })
    }
}
