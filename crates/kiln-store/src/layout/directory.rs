//! A layout directory that content is put into, blob by blob, in any order and from several threads.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kiln_oci::{Descriptor, Digest, Index, Raw, Reference};

use super::{FULL_NAME, LayoutError, REF_NAME, Verifying, blob_name};
use crate::store::LAYOUT;

/// A layout directory that is being written. What is there already stays: content is found by its
/// digest, and images under other names keep theirs.
#[derive(Debug)]
pub struct LayoutDirectory {
    path: PathBuf,
    next: AtomicU64,
    naming: Mutex<()>,
}

impl LayoutDirectory {
    /// Makes the directory if it is not there, and marks it as a layout.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path) -> Result<Self, LayoutError> {
        let layout = Self {
            path: path.to_owned(),
            next: AtomicU64::new(0),
            naming: Mutex::new(()),
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        layout.write("oci-layout", &mut &LAYOUT[..])?;
        Ok(layout)
    }

    /// Whether the content is there, as far as its length tells.
    #[must_use]
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        let there = fs::metadata(self.path.join(blob_name(&descriptor.digest)));
        there.is_ok_and(|there| there.len() == descriptor.size)
    }

    /// Puts content there, unless it is there. It becomes visible when it is whole and is what
    /// `descriptor` says.
    ///
    /// # Errors
    /// If it is not, cannot be read, or cannot be written.
    pub fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), LayoutError> {
        if self.has(descriptor) {
            return Ok(());
        }
        let folder = self.path.join("blobs");
        let folder = folder.join(descriptor.digest.algorithm().name());
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let mut content = Verifying::new(content, descriptor);
        self.write(&blob_name(&descriptor.digest), &mut content)
    }

    /// Bytes of a document that is there.
    ///
    /// # Errors
    /// If it is missing, damaged or too large for a document.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        super::read_document(&super::Files::Directory(self.path.clone()), digest)
    }

    /// Lists `descriptor` under `names`, by replacing the index as a whole. Other images that had one of
    /// the names lose it; without names the image is listed without one, instead of the one before.
    ///
    /// # Errors
    /// If the index cannot be written.
    pub fn name(&self, descriptor: &Descriptor, names: &[Reference]) -> Result<(), LayoutError> {
        self.list(&named(descriptor, names), names)
    }

    /// Replaces the index by one that holds `entries` and, behind them, what was listed under other
    /// names than `names`.
    pub(super) fn list(
        &self,
        entries: &[Descriptor],
        names: &[Reference],
    ) -> Result<(), LayoutError> {
        let _alone = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = Index::new(entries.to_vec());
        index.manifests.extend(self.others(names));
        let index = Raw::new(index);
        self.write("index.json", &mut index.bytes())
    }

    /// What the index that is there lists under other names.
    fn others(&self, names: &[Reference]) -> Vec<Descriptor> {
        let bytes = fs::read(self.path.join("index.json")).ok();
        let Some(before) = bytes.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok())
        else {
            return vec![];
        };
        let full: HashSet<String> = names.iter().map(ToString::to_string).collect();
        let tags: HashSet<&str> = names.iter().map(tag).collect();
        let stays = |descriptor: &Descriptor| {
            let annotations = &descriptor.annotations;
            match (annotations.get(FULL_NAME), annotations.get(REF_NAME)) {
                (Some(name), _) => !full.contains(name),
                (None, Some(tag)) => !tags.contains(tag.as_str()),
                // Without a name there is one image in a layout: the last that was written.
                (None, None) => false,
            }
        };
        before.manifests.into_iter().filter(stays).collect()
    }

    fn write(&self, name: &str, content: &mut dyn Read) -> Result<(), LayoutError> {
        let file = self.path.join(name);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let partial = self.path.join(format!("{name}.{id}-{number}.partial"));
        let result = fill(&partial, content).and_then(|()| fs::rename(&partial, &file));
        if result.is_err() {
            let _ = fs::remove_file(&partial);
        }
        result.map_err(failed(&file))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LayoutError + use<> {
    let path = path.to_owned();
    move |source| LayoutError::Io { path, source }
}

/// One entry of an index for each name, or one without a name.
pub(super) fn named(descriptor: &Descriptor, names: &[Reference]) -> Vec<Descriptor> {
    if names.is_empty() {
        return vec![descriptor.clone()];
    }
    let with_name = |name: &Reference| {
        let mut descriptor = descriptor.clone();
        let annotations = &mut descriptor.annotations;
        annotations.insert(REF_NAME.to_owned(), tag(name).to_owned());
        annotations.insert(FULL_NAME.to_owned(), name.to_string());
        descriptor
    };
    names.iter().map(with_name).collect()
}

fn tag(name: &Reference) -> &str {
    name.tag().unwrap_or("latest")
}

fn fill(path: &Path, content: &mut dyn Read) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => io::Write::write_all(&mut file, &buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
