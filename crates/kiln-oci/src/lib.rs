//! The vocabulary of OCI images: digests, references, platforms, descriptors, manifests, indexes,
//! image configs, and the small traits that everything else composes around.
//!
//! Nothing here knows a path or a socket. Documents keep the raw bytes they were read from, so that
//! passing an image on never changes its digest.
//!
//! Sources: the OCI image specification 1.1 (<https://github.com/opencontainers/image-spec>), the
//! distribution specification 1.1, and Docker's image specification v1.2 for the config fields that
//! OCI leaves out.

mod config;
mod descriptor;
mod digest;
mod image;
mod manifest;
pub mod media_type;
mod platform;
mod reference;

pub use config::{ContainerConfig, Healthcheck, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestReader, DigestWriter, Hasher, InvalidDigest};
pub use image::{Image, InvalidImage, Layer, OpenError, Raw, Sink, SinkError, Source, SourceError};
pub use manifest::{Document, Index, InvalidDocument, MAX_DOCUMENT_SIZE, Manifest};
pub use platform::{InvalidPlatform, Platform};
pub use reference::{InvalidReference, Reference};
