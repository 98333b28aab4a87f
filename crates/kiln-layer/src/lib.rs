//! Layers: tar entries, compression, the single pass, the layer index and merged trees.
//!
//! The pieces compose around [`Entry`] and [`LayerIndex`]:
//!
//! - [`tar`] reads and writes archives, entry by entry;
//! - [`LayerWriter`] and [`index_tar`] are the single pass that makes an index beside a layer;
//! - [`Tree`] merges indexes into the view that a container sees;
//! - [`squash`] makes one layer of several without unpacking any, and [`write_difference`] the layer
//!   between any two trees of one line;
//! - [`compression`] is what happens to a layer on its way out and in.
//!
//! Nothing here knows a path of the host, so all of it works on every platform.
//!
//! ```
//! use std::sync::Arc;
//! use kiln_layer::{Entry, Kind, LayerWriter, Tree};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut layer = LayerWriter::new(Vec::new());
//! layer.entry(&Entry::directory("etc", 0o755))?;
//! let hosts = Entry { mode: 0o644, ..Entry::new("etc/hosts", Kind::File { size: 20 }) };
//! let digest = layer.file(&hosts, &mut &b"127.0.0.1 localhost\n"[..])?;
//! let (tar, index) = layer.finish()?;
//! assert_eq!(tar.len() as u64, index.size);
//!
//! let tree = Tree::of([&Arc::new(index)])?;
//! let found = tree.resolve(b"/etc/../etc/hosts", true)?.node.expect("because it was written");
//! assert_eq!(found.content(), Some(&digest));
//! # Ok(())
//! # }
//! ```

pub mod compression;
pub mod content;
pub mod entry;
pub mod index;
pub mod merge;
pub mod single_pass;
pub mod tar;
pub mod tree;
pub mod users;

pub use compression::{Compression, Compressor, Encoding, compressor, decompress, sniff};
pub use content::ContentAt;
pub use entry::{Entry, Kind, Time};
pub use index::{IndexEntry, InvalidIndex, LayerIndex, SCHEMA};
pub use merge::{SquashError, squash, write_difference};
pub use single_pass::{LayerError, LayerWriter, index_tar, index_tar_as};
pub use tar::{Dialect, Limits, TarError, TarErrorKind, TarReader, TarWriter};
pub use tree::{
    InodeId, Node, ResolveError, Resolved, Tree, TreeError, ViewDifference, first_difference,
};
pub use users::Users;
