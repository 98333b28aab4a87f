//! Blobs: downloads that go on where they broke, and uploads.

mod ahead;
mod read;
mod upload;

pub use read::BlobReader;
pub use upload::{BlobSource, UploadOptions, Uploaded};
