//! A layout archive that content is put into, blob by blob, in any order and from several threads.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use kiln_layer::{Entry, TarWriter};
use kiln_oci::{Descriptor, Digest, Index, MAX_DOCUMENT_SIZE, Raw, Reference};

use super::directory::named;
use super::{LayoutError, Verifying, add, blob_name};
use crate::store::LAYOUT;

/// A tar archive of a layout that is being written. One content is written at a time; whoever else
/// brings some waits.
pub struct LayoutArchive<W: Write> {
    written: Mutex<Written<W>>,
}

struct Written<W: Write> {
    tar: TarWriter<W>,
    digests: HashSet<Digest>,
    /// Small content, which may be asked for again: manifests and configs.
    documents: HashMap<Digest, Vec<u8>>,
}

impl<W: Write> LayoutArchive<W> {
    /// Begins the archive.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(out: W) -> Result<Self, LayoutError> {
        let mut tar = TarWriter::new(out);
        for directory in ["blobs", "blobs/sha256", "blobs/sha512"] {
            let entry = Entry::directory(directory, 0o755);
            tar.entry(&entry).map_err(io::Error::from)?;
        }
        let written = Mutex::new(Written {
            tar,
            digests: HashSet::new(),
            documents: HashMap::new(),
        });
        Ok(Self { written })
    }

    /// Whether the content is in the archive.
    #[must_use]
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.digests.contains(&descriptor.digest)
    }

    /// Adds content, unless it is there. After an error the archive is of no use.
    ///
    /// # Errors
    /// If the content is not what `descriptor` says, cannot be read, or cannot be written.
    pub fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), LayoutError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = descriptor.digest;
        if written.digests.contains(&digest) {
            return Ok(());
        }
        let mut content = Verifying::new(content, descriptor);
        let name = blob_name(&digest);
        if descriptor.size <= MAX_DOCUMENT_SIZE
            && !kiln_oci::media_type::is_layer(&descriptor.media_type)
        {
            let mut bytes = vec![];
            content.read_to_end(&mut bytes)?;
            add(&mut written.tar, &name, descriptor.size, &mut &bytes[..])?;
            written.documents.insert(digest, bytes);
        } else {
            add(&mut written.tar, &name, descriptor.size, &mut content)?;
            // The archive takes as many bytes as were announced; the verdict comes at the end.
            let beyond = content.read(&mut [0])?;
            debug_assert_eq!(beyond, 0, "because more than was announced is an error");
        }
        written.digests.insert(digest);
        Ok(())
    }

    /// Bytes of a document that was put there.
    ///
    /// # Errors
    /// If it was not.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, LayoutError> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let known = written.documents.get(digest).cloned();
        known.ok_or_else(|| LayoutError::Blob {
            digest: *digest,
            reason: "is not in the archive".to_owned(),
        })
    }

    /// Ends the archive with the index, in which `descriptor` has `names`, and the given further files.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(
        self,
        descriptor: &Descriptor,
        names: &[Reference],
        further: &[(&str, &[u8])],
    ) -> Result<W, LayoutError> {
        let written = self
            .written
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut tar = written.tar;
        let index = Raw::new(Index::new(named(descriptor, names)));
        let files = [("index.json", index.bytes()), ("oci-layout", LAYOUT)];
        for (name, bytes) in files.iter().chain(further) {
            add(&mut tar, name, bytes.len() as u64, &mut &bytes[..])?;
        }
        Ok(tar.finish().map_err(io::Error::from)?)
    }
}
