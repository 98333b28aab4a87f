//! Repositories as ends of a transfer.

use std::io::{self, Read};

use kiln_oci::{Descriptor, Digest};

use super::{ContentError, ContentSource, ContentTarget, Origin};
use crate::blob::{BlobSource, UploadOptions, Uploaded};
use crate::repository::{Name, Repository};

impl ContentSource for Repository {
    fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ContentError> {
        Ok(Self::manifest(self, &descriptor.digest)?.1)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError> {
        Ok(Box::new(RemoteBlob {
            repository: self,
            descriptor: descriptor.clone(),
        }))
    }

    fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, ContentError> {
        match self.resolve(Name::Tag(tag)) {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        Ok(Self::referrers(self, subject, None)?)
    }

    fn origin(&self, _: &Descriptor) -> Option<Origin<'_>> {
        Some(Origin {
            registry: self.registry(),
            repository: self.name(),
        })
    }
}

impl ContentTarget for Repository {
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        from: Option<Origin<'_>>,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, ContentError> {
        let near = from.filter(|from| from.registry == self.registry());
        let options = UploadOptions {
            mount_from: near
                .map(|from| from.repository.to_owned())
                .into_iter()
                .collect(),
            chunk: None,
        };
        Ok(self.upload(descriptor, source, &options, progress)?)
    }

    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<(), ContentError> {
        let name = tag.map_or(Name::Digest(&descriptor.digest), Name::Tag);
        Self::put_manifest(self, name, &descriptor.media_type, bytes)?;
        Ok(())
    }

    fn put_referrer(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), ContentError> {
        Self::put_referrer(self, &descriptor.media_type, bytes)?;
        Ok(())
    }

    fn leaves_out_foreign_layers(&self) -> bool {
        true
    }
}

/// A blob on a registry, opened when it is needed: if the target has it, it never is.
struct RemoteBlob<'a> {
    repository: &'a Repository,
    descriptor: Descriptor,
}

impl BlobSource for RemoteBlob<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match offset {
            0 => Box::new(self.repository.open(&self.descriptor)?),
            // The rest cannot be verified by itself; whoever had the beginning compares the whole.
            offset => Box::new(self.repository.open_at(&self.descriptor, offset)?),
        })
    }
}
