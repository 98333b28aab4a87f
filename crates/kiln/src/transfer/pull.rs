//! From a registry into the store.
//!
//! Blobs come first, then documents, and the name last: an image that was interrupted on its way is not there, and what
//! had arrived of it is not fetched again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_oci::{Descriptor, Document, Platform, Reference};
use kiln_remote::{Name, Repository};
use kiln_store::{Lease, Store};

use super::end::{Known, MAX_DEPTH, StoreEnd, choose};
use super::moving::Transfers;
use super::{Along, transfer};
use crate::registries;
use crate::ui::report::Report;

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
    /// Once true, it ends soon.
    pub(crate) cancelled: &'a Arc<AtomicBool>,
}

impl Pull<'_> {
    /// Fetches what `reference` names and gives it that name. The name leads to the same digest as in the
    /// registry, so for an index to the index, even if one of its images is here only.
    ///
    /// # Errors
    /// If it is not there or not for the platform, is damaged, or cannot be stored.
    pub(crate) fn run(&self, reference: &Reference, wanted: &Wanted) -> Result<Descriptor, Report> {
        let named = self.repository.manifest(Name::from(reference));
        let (top, bytes) = named.map_err(registries::failed)?;
        let (root, bytes) = match wanted {
            Wanted::All => (top.clone(), bytes),
            Wanted::Platform(platform) => self.descend(&top, bytes, reference, platform)?,
        };
        let source = Known::new(self.repository, root.digest, bytes);
        let end = StoreEnd::new(self.store, self.lease);
        let (transfers, cancelled) = (self.transfers, self.cancelled);
        transfer(
            &source,
            &end,
            &root,
            None,
            Along::Nothing,
            transfers,
            cancelled,
        )?;
        self.store.sync_all()?;
        self.store.set_reference(reference, &top)?;
        Ok(top)
    }

    /// The manifest for `platform` below `top`, and its bytes. The indexes on the way are kept.
    fn descend(
        &self,
        top: &Descriptor,
        bytes: Vec<u8>,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<(Descriptor, Vec<u8>), Report> {
        let (mut descriptor, mut bytes) = (top.clone(), bytes);
        for _ in 0..MAX_DEPTH {
            let Document::Index(index) = Document::parse(&bytes)? else {
                return Ok((descriptor, bytes));
            };
            self.store.put_document(self.lease, &bytes)?;
            descriptor = choose(&index, reference, platform)?;
            let found = self.repository.manifest(&descriptor.digest);
            bytes = found.map_err(registries::failed)?.1;
        }
        Err(Report::new(format!(
            "{} nests indexes too deeply",
            reference.familiar()
        )))
    }
}
