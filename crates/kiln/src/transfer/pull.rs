//! From a registry into the store.
//!
//! Documents come first, then blobs, several at a time, and the name last: an image that was interrupted on its
//! way is not there, and what had arrived of it is not fetched again.

use kiln_oci::{Descriptor, Document, Index, Manifest, Platform, Reference, SourceError};
use kiln_remote::{Name, Repository};
use kiln_store::{Lease, Store};

use super::moving::Transfers;
use super::parallel;
use crate::registries;
use crate::ui::report::Report;

/// How deep indexes may nest. The specification sets no bound, and nobody writes more than two.
const MAX_DEPTH: usize = 8;

/// Which images of an index are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The one for this platform.
    Platform(Platform),
    /// All, and whatever else the index lists.
    All,
}

/// What a pull needs.
pub(crate) struct Pull<'a> {
    /// Where to.
    pub(crate) store: &'a Store,
    /// Keeps what arrived until it has a name.
    pub(crate) lease: &'a Lease,
    /// Where from.
    pub(crate) repository: &'a Repository,
    /// Who is told.
    pub(crate) transfers: &'a Transfers<'a>,
    /// How many blobs move at once.
    pub(crate) parallel: usize,
}

impl Pull<'_> {
    /// Fetches what `reference` names and gives it that name. The name leads to the same digest as in the
    /// registry, so for an index to the index, even if one of its images is here only.
    ///
    /// # Errors
    /// If it is not there or not for the platform, is damaged, or cannot be stored.
    pub(crate) fn run(&self, reference: &Reference, wanted: &Wanted) -> Result<Descriptor, Report> {
        let named = self.repository.manifest(Name::from(reference));
        let (descriptor, bytes) = named.map_err(registries::failed)?;
        self.content(&descriptor, bytes, reference, wanted)?;
        self.store.sync_all()?;
        self.store.set_reference(reference, &descriptor)?;
        Ok(descriptor)
    }

    /// Fetches what `descriptor` stands for, with all that it needs.
    fn content(
        &self,
        descriptor: &Descriptor,
        bytes: Vec<u8>,
        reference: &Reference,
        wanted: &Wanted,
    ) -> Result<(), Report> {
        let mut documents = vec![];
        let mut blobs = vec![];
        let mut pending = vec![(descriptor.clone(), Some(bytes), 0)];
        while let Some((descriptor, bytes, depth)) = pending.pop() {
            let bytes = match bytes {
                Some(bytes) => bytes,
                None => self.document(&descriptor)?,
            };
            match Document::parse(&bytes)? {
                Document::Manifest(manifest) => blobs.extend(parts(&manifest)),
                Document::Index(_) if depth == MAX_DEPTH => {
                    return Err(Report::new(format!(
                        "{} nests indexes too deeply",
                        reference.familiar()
                    )));
                }
                Document::Index(index) => {
                    for child in choose(&index, reference, wanted)? {
                        let kind = child.media_type.as_str();
                        if kiln_oci::media_type::is_manifest(kind)
                            || kiln_oci::media_type::is_index(kind)
                        {
                            pending.push((child, None, depth + 1));
                        } else {
                            blobs.push(child);
                        }
                    }
                }
            }
            documents.push(bytes);
        }
        parallel::each(self.parallel, blobs, |descriptor| self.blob(descriptor))?;
        for bytes in &documents {
            self.store.put_document(self.lease, bytes)?;
        }
        self.index_layers(&documents)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Report> {
        self.lease.hold_blob(&descriptor.digest)?;
        if self.store.has_blob(&descriptor.digest)? {
            return Ok(self.store.read_document(&descriptor.digest)?);
        }
        let fetched = self.repository.manifest(&descriptor.digest);
        Ok(fetched.map_err(registries::failed)?.1)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<(), Report> {
        let moving = self.transfers.begin(descriptor);
        self.lease.hold_blob(&descriptor.digest)?;
        if self.store.has_blob(&descriptor.digest)? {
            moving.existed();
            return Ok(());
        }
        let content = self.repository.open(descriptor);
        let mut content = moving.counted(content.map_err(registries::failed)?);
        self.store.put_blob(self.lease, descriptor, &mut content)?;
        drop(content);
        moving.arrived();
        Ok(())
    }

    /// Tells the store which blob is which layer, so that layers are found by their diff ids.
    fn index_layers(&self, documents: &[Vec<u8>]) -> Result<(), Report> {
        for bytes in documents {
            let Document::Manifest(manifest) = Document::parse(bytes)? else {
                continue;
            };
            let kind = manifest.media_type.as_deref();
            let kind = kind.unwrap_or(kiln_oci::media_type::OCI_MANIFEST);
            if let Ok(image) = self.store.image_at(&Descriptor::of(kind, bytes)) {
                self.store.adopt(self.lease, &image)?;
            }
        }
        Ok(())
    }
}

/// What a manifest needs beside itself.
fn parts(manifest: &Manifest) -> impl Iterator<Item = Descriptor> {
    let config = std::iter::once(manifest.config.clone());
    config.chain(manifest.layers.clone())
}

fn choose(
    index: &Index,
    reference: &Reference,
    wanted: &Wanted,
) -> Result<Vec<Descriptor>, SourceError> {
    let platform = match wanted {
        Wanted::All => return Ok(index.manifests.clone()),
        Wanted::Platform(platform) => platform,
    };
    if let Some(chosen) = index.select(platform) {
        return Ok(vec![chosen.clone()]);
    }
    let available = index.manifests.iter();
    let available: Vec<String> = available
        .filter_map(|manifest| manifest.platform.as_ref())
        .filter(|platform| platform.os != "unknown")
        .map(ToString::to_string)
        .collect();
    Err(SourceError::Platform {
        name: reference.familiar(),
        wanted: Box::new(platform.clone()),
        available: available.join(", "),
    })
}
