//! Content from outside: blobs, uploads, manifests, tags.

pub(crate) mod blobs;
pub(crate) mod collect;
pub(crate) mod fixture;
pub(crate) mod index;
pub(crate) mod manifests;
pub(crate) mod scrub;
pub(crate) mod tags;
pub(crate) mod together;
pub(crate) mod uploads;
