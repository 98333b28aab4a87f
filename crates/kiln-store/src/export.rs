//! Images on their way out: compressed, flattened, or as files.

mod files;

use std::collections::HashMap;
use std::io::{self, Read as _, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_layer::{
    Compression, ContentAt as _, Entry, InodeId, Kind, Node, TarWriter, Tree, compressor,
};
use kiln_oci::{Descriptor, Digest, Image, Layer, Manifest, Raw, media_type};

use crate::blob::ReadAt;
use crate::error::{LayerIndexError, StoreError};
use crate::lease::Lease;
use crate::store::Store;

pub use files::to_directory;

/// An image that cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A layer is missing or damaged.
    #[error(transparent)]
    Index(#[from] LayerIndexError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layers do not fit together.
    #[error("the image's layers do not fit together")]
    Tree(#[from] kiln_layer::TreeError),
    /// A layer could not be compressed.
    #[error("cannot compress the layer {diff_id}")]
    Compress {
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The result could not be written.
    #[error("cannot write the result")]
    Write(#[from] io::Error),
    /// A file of the result could not be written.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The same image with its uncompressed layers compressed, on all cores.
///
/// Layers that are compressed already stay as they are, so that a base is still shared. What was
/// compressed before in the same way is not compressed again: the result is kept until it is
/// collected.
///
/// # Errors
/// If a layer cannot be read or compressed.
pub fn compressed(
    store: &Store,
    lease: &Lease,
    image: &Image,
    compression: &Compression,
) -> Result<Image, ExportError> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    compressed_with(store, lease, image, compression, threads, &mut |_| {})
}

/// As [`compressed`], on `threads` threads. `progress` hears how many more bytes of tar went by,
/// those of layers that were compressed before in one piece.
///
/// # Errors
/// The same.
pub fn compressed_with(
    store: &Store,
    lease: &Lease,
    image: &Image,
    compression: &Compression,
    threads: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Image, ExportError> {
    if *compression == Compression::None {
        return Ok(image.clone());
    }
    let mut layers: Vec<Arc<dyn Layer>> = vec![];
    for layer in &image.layers {
        let plain = [media_type::OCI_LAYER_TAR, media_type::DOCKER_LAYER_TAR];
        if !plain.contains(&layer.descriptor().media_type.as_str()) {
            layers.push(Arc::clone(layer));
            continue;
        }
        let diff_id = layer.diff_id();
        let mut descriptor = compress(store, lease, diff_id, compression, threads, progress)?;
        descriptor
            .annotations
            .clone_from(&layer.descriptor().annotations);
        layers.push(Arc::new(store.stored_layer(&descriptor, diff_id)?));
    }
    let descriptors = layers.iter().map(|layer| as_oci(layer.descriptor()));
    let manifest = Raw::new(Manifest {
        // zstd has no Docker media type, so whatever is compressed here is an OCI image.
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        config: Descriptor {
            media_type: media_type::OCI_CONFIG.to_owned(),
            ..image.manifest.config.clone()
        },
        layers: descriptors.collect(),
        ..(*image.manifest).clone()
    });
    Ok(Image {
        manifest,
        config: image.config.clone(),
        layers,
    })
}

/// The same bytes by their OCI name.
fn as_oci(descriptor: &Descriptor) -> Descriptor {
    let media_type = match descriptor.media_type.as_str() {
        media_type::DOCKER_LAYER_TAR => media_type::OCI_LAYER_TAR,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        other => other,
    };
    Descriptor {
        media_type: media_type.to_owned(),
        ..descriptor.clone()
    }
}

/// One layer by itself, compressed as `compression` says; what was compressed so before is found.
///
/// # Errors
/// If it is not there, or cannot be read or compressed.
pub fn layer(
    store: &Store,
    lease: &Lease,
    diff_id: &Digest,
    compression: &Compression,
) -> Result<Descriptor, ExportError> {
    if *compression == Compression::None {
        let size = store.layer_index(diff_id)?.size;
        store.layer_tar(diff_id)?;
        return Ok(Descriptor::new(media_type::OCI_LAYER_TAR, *diff_id, size));
    }
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    compress(store, lease, diff_id, compression, threads, &mut |_| {})
}

fn compress(
    store: &Store,
    lease: &Lease,
    diff_id: &Digest,
    compression: &Compression,
    threads: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Descriptor, ExportError> {
    let text = compression.to_string();
    if let Some(known) = store.find_compressed(lease, diff_id, &text)? {
        progress(store.blob_size(diff_id)?.unwrap_or(0));
        return Ok(known);
    }
    let failed = |source| ExportError::Compress {
        diff_id: *diff_id,
        source,
    };
    let mut tar = ReadAt::start(store.layer_tar(diff_id)?);
    let writer = store.blob_writer(lease)?;
    let mut out = compressor(writer, compression, threads).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = tar.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        out.write_all(&buffer[..read]).map_err(failed)?;
        progress(read as u64);
    }
    let writer = out.finish().map_err(failed)?;
    let (digest, size) = writer.commit_held(lease, None)?;
    let descriptor = Descriptor::new(compression.media_type(), digest, size);
    store.record_compressed(diff_id, &text, &descriptor)?;
    Ok(descriptor)
}

/// The merged view of an image.
///
/// # Errors
/// If a layer is missing or damaged, or the layers do not fit together.
pub fn tree(store: &Store, image: &Image) -> Result<Tree, ExportError> {
    let mut tree = Tree::new();
    for diff_id in &image.config.rootfs.diff_ids {
        tree.apply(&store.layer_index(diff_id)?)?;
    }
    Ok(tree)
}

/// Writes the root file system of an image as one tar archive, as `docker export` does of a
/// container.
///
/// # Errors
/// If a layer cannot be read or the archive not be written.
pub fn flat_tar(store: &Store, image: &Image, out: &mut dyn Write) -> Result<(), ExportError> {
    let tree = tree(store, image)?;
    write_tree(store, &tree, TarWriter::new(out))
}

/// The same with all that a layer can say, so that an image can be made of it again: the root directory,
/// where a layer names it, and times to the nanosecond.
///
/// # Errors
/// The same.
pub fn whole_tar(store: &Store, image: &Image, out: &mut dyn Write) -> Result<(), ExportError> {
    let tree = tree(store, image)?;
    let mut tar = TarWriter::new(out).with_nanos();
    let root = tree.get(b"").filter(|root| root.layer().is_some());
    if let Some(root) = root {
        tar.entry(root.entry()).map_err(io::Error::from)?;
    }
    write_tree(store, &tree, tar)
}

fn write_tree(
    store: &Store,
    tree: &Tree,
    mut tar: TarWriter<&mut dyn Write>,
) -> Result<(), ExportError> {
    each(tree, |entry, node| {
        match (&entry.kind, node.diff_id()) {
            (Kind::File { size: 1.. }, Some(layer)) => {
                let mut content = store.open_at(layer, node.indexed())?;
                tar.file(entry, &mut content).map_err(io::Error::from)?;
            }
            _ => tar.entry(entry).map_err(io::Error::from)?,
        }
        Ok(())
    })?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Visits every entry but the root, sorted by path, with further names of a file as hard links.
fn each(
    tree: &Tree,
    mut act: impl FnMut(&Entry, Node<'_>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut first: HashMap<InodeId, Vec<u8>> = HashMap::new();
    let mut walk = tree.walk(b"");
    while let Some((path, node)) = walk.advance() {
        if path.is_empty() {
            continue;
        }
        let mut entry = node.entry().clone();
        entry.path = path.to_vec();
        if !node.is_directory() {
            let target = first.entry(node.inode()).or_insert_with(|| path.to_vec());
            if target != path {
                entry.kind = Kind::Hardlink {
                    target: target.clone(),
                };
            }
        }
        act(&entry, node)?;
    }
    Ok(())
}
