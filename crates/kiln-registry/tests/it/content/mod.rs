//! Content from outside: blobs, uploads, manifests, tags.

mod blobs;
mod collect;
pub(crate) mod fixture;
mod index;
mod manifests;
mod scrub;
mod tags;
mod together;
mod uploads;
