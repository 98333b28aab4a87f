//! Content from outside: blobs, uploads, manifests, tags.

mod blobs;
mod fixture;
mod manifests;
mod tags;
mod uploads;
