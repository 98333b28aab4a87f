//! OCI layouts, as directories and as archives, as ends of a transfer.

use std::io::{self, Read, Write};

use kiln_oci::Descriptor;
use kiln_remote::{BlobSource, ContentError, ContentSource, ContentTarget, Origin, Uploaded};
use kiln_store::layout::{Layout, LayoutArchive, LayoutDirectory};

use crate::transfer::moving::Counted;

/// A layout that is read.
pub(crate) struct LayoutEnd(pub(crate) Layout);

/// A directory that is written.
pub(crate) struct DirectoryTarget(pub(crate) LayoutDirectory);

/// An archive that is written.
pub(crate) struct ArchiveTarget<W: Write + Send>(pub(crate) LayoutArchive<W>);

/// A blob of a layout.
struct LayoutBlob<'a> {
    layout: &'a Layout,
    descriptor: Descriptor,
}

impl BlobSource for LayoutBlob<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut content = self
            .layout
            .open(&self.descriptor)
            .map_err(io::Error::other)?;
        io::copy(&mut content.by_ref().take(offset), &mut io::sink())?;
        Ok(content)
    }
}

impl ContentSource for LayoutEnd {
    fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ContentError> {
        Ok(self.0.document(&descriptor.digest)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError> {
        Ok(Box::new(LayoutBlob {
            layout: &self.0,
            descriptor: descriptor.clone(),
        }))
    }

    fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, ContentError> {
        Ok(self.0.entry(Some(tag)).ok().cloned())
    }
}

impl ContentTarget for DirectoryTarget {
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        _: Option<Origin<'_>>,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, ContentError> {
        if self.0.has(descriptor) {
            return Ok(Uploaded::Existed);
        }
        self.0
            .put(descriptor, &mut Counted::new(source.open(0)?, progress))?;
        Ok(Uploaded::Sent)
    }

    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        mut bytes: &[u8],
        _: Option<&str>,
    ) -> Result<(), ContentError> {
        Ok(self.0.put(descriptor, &mut bytes)?)
    }
}

impl<W: Write + Send> ContentTarget for ArchiveTarget<W> {
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        _: Option<Origin<'_>>,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, ContentError> {
        if self.0.has(descriptor) {
            return Ok(Uploaded::Existed);
        }
        self.0
            .put(descriptor, &mut Counted::new(source.open(0)?, progress))?;
        Ok(Uploaded::Sent)
    }

    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        mut bytes: &[u8],
        _: Option<&str>,
    ) -> Result<(), ContentError> {
        Ok(self.0.put(descriptor, &mut bytes)?)
    }
}
