//! Tar archives, read from every writer in use and written byte for byte as containerd and BuildKit
//! write layers.
//!
//! Sources: POSIX.1-2017, "pax", sections "ustar Interchange Format" and "pax Interchange Format";
//! the GNU tar manual, appendix "Tar Internals"; the OCI image specification, "layer.md".

mod check;
mod error;
mod extended;
mod fields;
mod header;
mod input;
mod pax;
mod read;
pub(crate) mod sparse;
mod sparse_map;
mod whiteout;
mod write;

pub use error::{TarError, TarErrorKind};
pub use read::{Dialect, Limits, TarReader};
pub use sparse::Extent;
pub use write::TarWriter;

pub(crate) use write::{at_end, encode_header};

/// Tar's unit: headers are one block, data is padded to whole ones.
pub(crate) const BLOCK: usize = 512;

/// Two blocks of zeros end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Zero bytes that follow `size` bytes of data.
pub(crate) fn padding(size: u64) -> usize {
    let past = (size % BLOCK as u64) as usize;
    (BLOCK - past) % BLOCK
}
