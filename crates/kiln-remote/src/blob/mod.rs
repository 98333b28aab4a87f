//! Blobs: downloads that go on where they broke, and uploads.

mod ahead;
mod content;
mod exists;
mod read;
mod session;
mod source;
mod upload;

pub use read::BlobReader;
pub use source::BlobSource;
pub use upload::{UploadOptions, Uploaded};
