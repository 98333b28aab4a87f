//! Images on their way out: compressed, flattened, or as files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{Compression, ContentAt as _, Entry, Kind, TarWriter, Tree, compressor};
use kiln_oci::{Descriptor, Digest, Image, Layer, Manifest, Raw, media_type};

use crate::blob::ReadAt;
use crate::error::{LayerIndexError, StoreError};
use crate::image::StoredLayer;
use crate::lease::Lease;
use crate::store::Store;

/// An image that cannot be exported.
#[derive(Debug, thiserror::Error)]
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
    #[error("cannot write `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The same image with its uncompressed layers compressed. Layers that are compressed already stay as they
/// are, so that a base is still shared. What was compressed before in the same way is not compressed again.
///
/// # Errors
/// If a layer cannot be read or compressed.
pub fn compressed(
    store: &Store,
    lease: &Lease,
    image: &Image,
    compression: &Compression,
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
        let (diff_id, annotations) = (*layer.diff_id(), layer.descriptor().annotations.clone());
        let mut descriptor = compress(store, lease, &diff_id, compression)?;
        descriptor.annotations = annotations;
        let file = store.open_blob(&descriptor.digest)?;
        layers.push(Arc::new(StoredLayer {
            descriptor,
            diff_id,
            file,
        }));
    }
    let manifest = Raw::new(Manifest {
        // zstd has no Docker media type, so whatever is compressed here is an OCI image.
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        config: Descriptor {
            media_type: media_type::OCI_CONFIG.to_owned(),
            ..image.manifest.config.clone()
        },
        layers: layers
            .iter()
            .map(|layer| layer.descriptor().clone())
            .collect(),
        ..(*image.manifest).clone()
    });
    Ok(Image {
        manifest,
        config: image.config.clone(),
        layers,
    })
}

fn compress(
    store: &Store,
    lease: &Lease,
    diff_id: &Digest,
    compression: &Compression,
) -> Result<Descriptor, ExportError> {
    let text = compression.to_string();
    if let Some(known) = store.find_compressed(lease, diff_id, &text)? {
        return Ok(known);
    }
    let failed = |source| ExportError::Compress {
        diff_id: *diff_id,
        source,
    };
    let mut tar = ReadAt {
        file: store.layer_tar(diff_id)?,
        position: 0,
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut out = compressor(store.blob_writer(lease)?, compression, threads).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut tar, &mut buffer).map_err(failed)? {
            0 => break,
            read => out.write_all(&buffer[..read]).map_err(failed)?,
        }
    }
    let (digest, size) = out.finish().map_err(failed)?.commit(None)?;
    lease.hold_blob(&digest)?;
    let descriptor = Descriptor::new(compression.media_type(), digest, size);
    store.record_blob(diff_id, &descriptor, &text)?;
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

/// Writes the root file system of an image as one tar archive, as `docker export` does of a container.
///
/// # Errors
/// If a layer cannot be read or the archive not be written.
pub fn flat_tar(store: &Store, image: &Image, out: &mut dyn Write) -> Result<(), ExportError> {
    let tree = tree(store, image)?;
    let mut tar = TarWriter::new(out);
    each(&tree, |entry, node| {
        match (&entry.kind, node.diff_id()) {
            (Kind::File { size: 1.. }, Some(layer)) => {
                tar.file(entry, &mut store.open_at(layer, node.indexed())?)
                    .map_err(io::Error::from)?;
            }
            _ => tar.entry(entry).map_err(io::Error::from)?,
        }
        Ok(())
    })?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Visits every entry, with its path and with hard links as such.
fn each(
    tree: &Tree,
    mut act: impl FnMut(&Entry, kiln_layer::Node<'_>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut first = std::collections::HashMap::new();
    let mut walk = tree.walk(b"");
    while let Some((path, node)) = walk.advance() {
        if path.is_empty() {
            continue;
        }
        let mut entry = node.entry().clone();
        entry.path = path.to_vec();
        if matches!(entry.kind, Kind::File { .. }) {
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

/// Writes the root file system of an image as files. Owners stay those of the person who does it unless that
/// is root; devices are left out where they cannot be made.
///
/// # Errors
/// If a layer cannot be read or a file not be written.
pub fn to_directory(store: &Store, image: &Image, dest: &Path) -> Result<(), ExportError> {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = tree(store, image)?;
    let at = |path: &[u8]| dest.join(std::ffi::OsStr::from_bytes(path));
    std::fs::create_dir_all(dest).map_err(|source| ExportError::File {
        path: dest.into(),
        source,
    })?;
    let mut directories = vec![];
    each(&tree, |entry, node| {
        let path = at(&entry.path);
        let failed = |source| ExportError::File {
            path: path.clone(),
            source,
        };
        if entry.kind == Kind::Directory {
            directories.push(entry.clone());
            return match std::fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                    Ok(())
                }
                other => other.map_err(failed),
            };
        }
        if path.symlink_metadata().is_ok() {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        let link_source = match &entry.kind {
            Kind::Hardlink { target } => Some(at(target)),
            _ => None,
        };
        let content = match (&entry.kind, node.diff_id()) {
            (Kind::File { .. }, Some(layer)) => Some(store.open_at(layer, node.indexed())?),
            _ => None,
        };
        write_file(&path, entry, link_source.as_deref(), content).map_err(failed)
    })?;
    for entry in directories.iter().rev() {
        let path = at(&entry.path);
        finish_file(&path, entry).map_err(|source| ExportError::File { path, source })?;
    }
    Ok(())
}

fn write_file(
    path: &Path,
    entry: &Entry,
    link: Option<&Path>,
    content: Option<Box<dyn io::Read + Send>>,
) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    match &entry.kind {
        Kind::Symlink { target } => {
            std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), path)?;
        }
        Kind::Hardlink { .. } => return link.map_or(Ok(()), |link| std::fs::hard_link(link, path)),
        Kind::File { .. } => {
            let mut file = std::fs::File::create_new(path)?;
            if let Some(mut content) = content {
                io::copy(&mut content, &mut file)?;
            }
        }
        Kind::Fifo => {
            let mode = rustix::fs::Mode::from_raw_mode(entry.mode);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)?;
        }
        _ => return Ok(()),
    }
    finish_file(path, entry)
}

fn finish_file(path: &Path, entry: &Entry) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        // In a user namespace some owners cannot be given; the files are what was asked for.
        let _ = std::os::unix::fs::lchown(path, Some(entry.uid), Some(entry.gid));
    }
    if !matches!(entry.kind, Kind::Symlink { .. }) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(entry.mode))?;
    }
    crate::snapshot::set_time(path, entry.mtime)
}
