//! Writes layouts.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use kiln_layer::{Entry, Kind, TarWriter};
use kiln_oci::{Descriptor, Digest, Image, Index, Raw, Reference, media_type};

use super::{FULL_NAME, LayoutError, REF_NAME, blob_name};
use crate::store::LAYOUT;

/// The documents of a new layout: `index.json`, and an index of the platforms if there are several.
struct Documents {
    index: Vec<u8>,
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
        let mut named = vec![];
        for descriptor in descriptors {
            for name in names {
                let mut descriptor = descriptor.clone();
                let tag = name.tag().unwrap_or("latest").to_owned();
                let annotations = &mut descriptor.annotations;
                annotations.insert(REF_NAME.to_owned(), tag);
                annotations.insert(FULL_NAME.to_owned(), name.to_string());
                named.push(descriptor);
            }
            if names.is_empty() {
                named.push(descriptor);
            }
        }
        let index = Raw::new(Index::new(named)).bytes().to_vec();
        Self { index, platforms }
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
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| LayoutError::Io { path, source }
    };
    let write = |name: &str, content: &mut dyn Read| -> Result<(), LayoutError> {
        let file = path.join(name);
        let partial = path.join(format!("{name}.partial"));
        let result = fill(&partial, content).and_then(|()| fs::rename(&partial, &file));
        if result.is_err() {
            let _ = fs::remove_file(&partial);
        }
        result.map_err(failed(&file))
    };
    let put = |digest: &Digest, content: &mut dyn Read| {
        let name = blob_name(digest);
        let folder = path.join("blobs").join(digest.algorithm().name());
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        write(&name, content)
    };
    let documents = Documents::of(images, names);
    for layer in images.iter().flat_map(|image| &image.layers) {
        let descriptor = layer.descriptor();
        let there = fs::metadata(path.join(blob_name(&descriptor.digest)));
        if !there.is_ok_and(|there| there.len() == descriptor.size) {
            put(&descriptor.digest, &mut layer.open()?)?;
        }
    }
    for document in documents.blobs(images) {
        put(&Digest::sha256(document), &mut &document[..])?;
    }
    let index = with_others(path, &documents.index, names);
    write("oci-layout", &mut &LAYOUT[..])?;
    write("index.json", &mut &index[..])
}

/// The new index and, behind its entries, what the index that is there lists under other names.
fn with_others(path: &Path, new: &[u8], names: &[Reference]) -> Vec<u8> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Index>(bytes).ok();
    let before = fs::read(path.join("index.json")).ok();
    let (Some(before), Some(mut index)) = (before.as_deref().and_then(parse), parse(new)) else {
        return new.to_vec();
    };
    let full: HashSet<String> = names.iter().map(ToString::to_string).collect();
    let tags: HashSet<&str> = names
        .iter()
        .map(|name| name.tag().unwrap_or("latest"))
        .collect();
    let stays = |descriptor: &Descriptor| {
        let annotations = &descriptor.annotations;
        match (annotations.get(FULL_NAME), annotations.get(REF_NAME)) {
            (Some(name), _) => !full.contains(name),
            (None, Some(tag)) => !tags.contains(tag.as_str()),
            // Without a name there is one image in a layout: the last that was written.
            (None, None) => false,
        }
    };
    index
        .manifests
        .extend(before.manifests.into_iter().filter(stays));
    Raw::new(index).bytes().to_vec()
}

fn fill(path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => file.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
    let index = &documents.index;
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
