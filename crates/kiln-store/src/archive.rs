//! Docker's image archives, what `docker save` writes and `docker load` reads, and root file system
//! archives.
//!
//! Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format":
//! `manifest.json` names the config and the layers; layers are tar archives, compressed or not. Since
//! version 25 Docker writes an OCI layout that has a `manifest.json`, too, and so does kiln: whoever
//! reads only one of both finds it.

mod import;
mod read;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use kiln_layer::TarWriter;
use kiln_oci::{Descriptor, Image, Manifest, OpenError, Raw, Reference, media_type};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::layout::{self, LayoutError, blob_name};

pub use import::{ImportOptions, import};
pub use read::{DockerArchive, open_docker, open_docker_into, open_images};

/// An archive that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the archive is empty: an image needs a root file system")]
    Empty,
    /// It is not what it should be.
    #[error("`{}` is not an image archive: {reason}", path.display())]
    NotAnArchive {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// It is not a tar archive, or a damaged one.
    #[error("the archive is damaged")]
    Tar(#[from] kiln_layer::LayerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layout in it could not be written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
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
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Writes an image so that `docker load` and `podman load` read it. Docker before version 23 reads
/// no zstd layers.
///
/// # Errors
/// If a layer cannot be read, or the archive not be written.
pub fn write_docker(
    image: &Image,
    names: &[Reference],
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let mut tar = TarWriter::new(out);
    layout::add_layout(&mut tar, std::slice::from_ref(image), names)?;
    let layers = image.layers.iter();
    let layers = layers.map(|layer| blob_name(&layer.descriptor().digest));
    let tags = names.iter().filter(|name| name.tag().is_some());
    let items = [Item {
        config: blob_name(&image.config.digest()),
        repo_tags: Some(tags.map(tagged).collect()),
        layers: Some(layers.collect()),
    }];
    let manifest = serde_json::to_vec(&items).expect("because the list has a JSON form");
    let size = manifest.len() as u64;
    layout::add(&mut tar, "manifest.json", size, &mut &manifest[..])?;
    tar.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Docker wants the familiar form here, with a tag and without a digest.
fn tagged(name: &Reference) -> String {
    let name = name.familiar();
    name.split('@').next().unwrap_or_default().to_owned()
}

/// A manifest for parts that came without one.
fn manifest(config: &[u8], layers: Vec<Descriptor>) -> Raw<Manifest> {
    Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, config),
        layers,
        subject: None,
        annotations: BTreeMap::new(),
    })
}
