//! Where the bytes of a file come from.

use std::io::{self, Read};

use kiln_oci::Digest;

use crate::index::IndexEntry;

/// Finds the bytes of a file that a layer index names: in a snapshot, in an uncompressed tar, or by
/// decoding, whichever is cheapest for the implementation.
pub trait ContentAt {
    /// Opens the content of `entry`, a regular file of the layer with the diff id `layer`. The
    /// reader gives exactly the file's size in bytes, holes filled with zeros
    /// ([`IndexEntry::expand`] does that for bytes that come from the tar).
    ///
    /// # Errors
    /// When the layer is not there or cannot be read.
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>>;
}
