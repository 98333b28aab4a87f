//! A repository of a registry, as `kiln-trust` wants it.

use std::io::Read as _;

use kiln_oci::{Descriptor, Digest};
use kiln_remote::{RemoteError, Repository, UploadOptions};
use kiln_trust::registry::{AccessError, Name, Registry};

/// Puts the registry client behind the trait.
pub(crate) struct Access(pub(crate) Repository);

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> AccessError {
    AccessError {
        what: what.to_owned(),
        source: Box::new(error),
    }
}

impl Registry for Access {
    fn manifest(&self, name: Name<'_>) -> Result<Option<(Descriptor, Vec<u8>)>, AccessError> {
        let (what, found) = match name {
            Name::Tag(tag) => (tag.to_owned(), self.0.manifest(kiln_remote::Name::Tag(tag))),
            Name::Digest(digest) => (digest.to_string(), self.0.manifest(digest)),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(failed(&format!("cannot read the manifest {what}"), error)),
        }
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, AccessError> {
        let found = self.0.referrers(subject, None);
        found.map_err(|error| failed(&format!("cannot list what refers to {subject}"), error))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, AccessError> {
        let what = format!("cannot read the blob {}", descriptor.digest);
        let reader = self.0.open(descriptor);
        let reader = reader.map_err(|error| failed(&what, error))?;
        let mut content = vec![];
        let read = reader
            .take(descriptor.size + 1)
            .read_to_end(&mut content)
            .map_err(|error| failed(&what, error));
        read.map(|_| content)
    }

    fn put_blob(&self, descriptor: &Descriptor, content: &[u8]) -> Result<(), AccessError> {
        let options = UploadOptions::default();
        let sent = self.0.upload(descriptor, &content, &options, &|_| {});
        let what = format!("cannot store the blob {}", descriptor.digest);
        sent.map(drop).map_err(|error| failed(&what, error))
    }

    fn put_manifest(&self, tag: &str, media_type: &str, content: &[u8]) -> Result<(), AccessError> {
        let name = kiln_remote::Name::Tag(tag);
        let sent: Result<Digest, RemoteError> = self.0.put_manifest(name, media_type, content);
        sent.map(drop)
            .map_err(|error| failed(&format!("cannot write the tag {tag}"), error))
    }

    fn put_referrer(&self, media_type: &str, content: &[u8]) -> Result<(), AccessError> {
        let sent = self.0.put_referrer(media_type, content);
        sent.map(drop)
            .map_err(|error| failed("cannot store what refers to the image", error))
    }
}
