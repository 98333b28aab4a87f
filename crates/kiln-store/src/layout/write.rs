//! Writes layouts.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

use kiln_layer::{Entry, Kind, TarWriter};
use kiln_oci::{Descriptor, Digest, Image, Index, Raw, Reference, media_type};

use super::directory::{LayoutDirectory, named};
use super::{LayoutError, blob_name};
use crate::store::LAYOUT;

/// The documents of a new layout: `index.json`, and an index of the platforms if there are several.
struct Documents {
    entries: Vec<Descriptor>,
    platforms: Option<Vec<u8>>,
}

impl Documents {
    /// Each name leads to all images. Without a name, so does the one entry of the index.
    fn of(images: &[Image], names: &[Reference]) -> Self {
        let mut descriptors: Vec<Descriptor> = images.iter().map(descriptor).collect();
        let mut platforms = None;
        if descriptors.len() > 1 {
            let inner = Raw::new(Index::new(descriptors));
            descriptors = vec![Descriptor::of(media_type::OCI_INDEX, inner.bytes())];
            platforms = Some(inner.bytes().to_vec());
        }
        let entries = descriptors.iter();
        let entries = entries.flat_map(|descriptor| named(descriptor, names));
        Self {
            entries: entries.collect(),
            platforms,
        }
    }

    /// `index.json`.
    fn index(&self) -> Vec<u8> {
        Raw::new(Index::new(self.entries.clone())).bytes().to_vec()
    }

    /// All documents that are blobs.
    fn blobs<'a>(&'a self, images: &'a [Image]) -> impl Iterator<Item = &'a [u8]> {
        let documents = images
            .iter()
            .flat_map(|image| [image.config.bytes(), image.manifest.bytes()]);
        documents.chain(self.platforms.as_deref())
    }
}

fn descriptor(image: &Image) -> Descriptor {
    let kind = image.manifest.media_type.as_deref();
    let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
    let mut descriptor = Descriptor::of(kind, image.manifest.bytes());
    descriptor.platform = Some(image.config.platform.clone());
    descriptor
}

/// Writes a layout as a directory. What is there already stays: content is found by its digest, and
/// images under other names keep theirs. The index is replaced last, and as a whole.
///
/// # Errors
/// If it cannot be written, or a layer not be read.
pub fn write_directory(
    path: &Path,
    images: &[Image],
    names: &[Reference],
) -> Result<(), LayoutError> {
    let directory = LayoutDirectory::create(path)?;
    let documents = Documents::of(images, names);
    for layer in images.iter().flat_map(|image| &image.layers) {
        if !directory.has(layer.descriptor()) {
            directory.put(layer.descriptor(), &mut layer.open()?)?;
        }
    }
    for document in documents.blobs(images) {
        directory.put(&Descriptor::of("", document), &mut &document[..])?;
    }
    directory.list(&documents.entries, names)
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
    add_layout(&mut tar, images, names)?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Adds a whole layout to an archive, each content once.
pub(crate) fn add_layout<W: Write>(
    tar: &mut TarWriter<W>,
    images: &[Image],
    names: &[Reference],
) -> Result<(), LayoutError> {
    let documents = Documents::of(images, names);
    let layers = images.iter().flat_map(|image| &image.layers);
    let algorithms: HashSet<_> = layers
        .clone()
        .map(|layer| layer.descriptor().digest.algorithm())
        .chain([kiln_oci::Algorithm::Sha256])
        .collect();
    let mut directories: Vec<String> = algorithms
        .iter()
        .map(|algorithm| format!("blobs/{}", algorithm.name()))
        .chain(["blobs".to_owned()])
        .collect();
    directories.sort_unstable();
    for directory in directories {
        let entry = Entry::directory(directory, 0o755);
        tar.entry(&entry).map_err(io::Error::from)?;
    }
    let mut written = HashSet::new();
    for layer in layers {
        let Descriptor { digest, size, .. } = *layer.descriptor();
        if written.insert(digest) {
            add(tar, &blob_name(&digest), size, &mut layer.open()?)?;
        }
    }
    for document in documents.blobs(images) {
        let digest = Digest::sha256(document);
        if written.insert(digest) {
            let size = document.len() as u64;
            add(tar, &blob_name(&digest), size, &mut &document[..])?;
        }
    }
    let index = documents.index();
    add(tar, "index.json", index.len() as u64, &mut &index[..])?;
    add(tar, "oci-layout", LAYOUT.len() as u64, &mut &LAYOUT[..])?;
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
