//! The layer index: every entry of a layer with its metadata, the digest of its content and where
//! its bytes lie in the uncompressed tar.
//!
//! It is made by the same pass that writes or reads the layer, and answers every later question
//! about it without the layer itself. `docs/design/layer-index.md` draws the encoded form.

use std::collections::HashMap;
use std::io::Read;

use kiln_oci::Digest;

use crate::entry::{Entry, Kind, split_path};
use crate::tar::Extent;
use crate::tar::sparse::{Expanded, Expansion};

mod decode;
mod encode;

pub use decode::InvalidIndex;

/// The version of the encoded form. An index of another version is made anew from its layer.
pub const SCHEMA: u16 = 1;

/// Files that later steps look up and that indexes therefore keep whole.
pub const KEPT_PATHS: &[&[u8]] = &[
    b"etc/group",
    b"etc/os-release",
    b"etc/passwd",
    b"usr/lib/os-release",
];

/// The most bytes of a file that are kept.
pub const MAX_KEPT: u64 = 256 << 10;

/// What is known of a layer once its bytes went by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerIndex {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of the uncompressed tar.
    pub size: u64,
    /// The entries in the order of the archive.
    pub entries: Vec<IndexEntry>,
}

/// An entry of a layer and where its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Path, kind and metadata.
    pub entry: Entry,
    /// The digest of a regular file's content, holes filled; nothing for any other kind. What
    /// kiln indexes has SHA-256.
    pub content: Option<Digest>,
    /// Where its data begins in the uncompressed tar; for an entry without data, where that would
    /// be.
    pub offset: u64,
    /// The stored pieces of a file with holes, which then lie one after the other from `offset` on.
    /// Empty for any other file. One empty extent stands for a file that is nothing but a hole.
    pub extents: Vec<Extent>,
    /// The content of the files in [`KEPT_PATHS`], up to [`MAX_KEPT`] bytes.
    pub kept: Option<Vec<u8>>,
}

impl IndexEntry {
    /// Bytes of content: zero for all but regular files.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.entry.kind {
            Kind::File { size } => size,
            _ => 0,
        }
    }

    /// Bytes that are stored at `offset`: less than `size` for a file with holes.
    #[must_use]
    pub fn stored_size(&self) -> u64 {
        if self.extents.is_empty() {
            self.size()
        } else {
            self.extents.iter().map(|extent| extent.len).sum()
        }
    }

    /// The file's content from `stored`, a reader of the tar that stands at `offset`. It reads
    /// `stored_size` bytes of it and gives `size`.
    pub fn expand<R: Read>(&self, stored: R) -> Expanded<R> {
        let expansion = if self.extents.is_empty() {
            Expansion::dense(self.size())
        } else {
            let extents = self.extents.iter().copied();
            let extents = extents.filter(|extent| extent.len > 0).collect();
            Expansion::new(extents, self.size())
        };
        Expanded::new(stored, expansion)
    }
}

impl LayerIndex {
    /// Whether the layer can be unpacked without those below it: every entry's directory comes
    /// before it in the layer, and no hard link leads out.
    ///
    /// Odd layers, which give one path several kinds, count as not self-contained.
    #[must_use]
    pub fn is_self_contained(&self) -> bool {
        let mut directories: HashMap<&[u8], bool> = HashMap::with_capacity(self.entries.len());
        for IndexEntry { entry, .. } in &self.entries {
            let parent = match entry.kind {
                Kind::Opaque => Some(&entry.path[..]),
                _ => split_path(&entry.path).map(|(parent, _)| parent),
            };
            let parent_is_there = match parent {
                None | Some([]) => true,
                Some(parent) => directories.get(parent) == Some(&true),
            };
            if !parent_is_there {
                return false;
            }
            if let Kind::Hardlink { target } = &entry.kind
                && directories.get(&target[..]) != Some(&false)
            {
                return false;
            }
            if entry.kind.is_removal() {
                continue;
            }
            let is_directory = entry.kind == Kind::Directory;
            let before = directories.insert(&entry.path, is_directory);
            if before.is_some_and(|before| before != is_directory) {
                return false;
            }
        }
        true
    }
}
