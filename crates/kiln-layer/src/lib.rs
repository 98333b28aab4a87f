//! Layers: tar entries, compression, the single pass, the layer index and merged trees.
//!
//! The pieces compose around [`Entry`] and [`LayerIndex`]:
//!
//! - [`tar`] reads and writes archives, entry by entry;
//! - [`LayerWriter`] and [`index_tar`] are the single pass that makes an index beside a layer;
//! - [`Tree`] merges indexes into the view that a container sees;
//! - [`squash`] makes one layer of several without unpacking any;
//! - [`compression`] is what happens to a layer on its way out and in.
//!
//! Nothing here knows a path of the host, so all of it works on every platform.

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
pub use merge::{SquashError, squash};
pub use single_pass::{LayerError, LayerWriter, index_tar};
pub use tar::{Dialect, Limits, TarError, TarErrorKind, TarReader, TarWriter};
pub use tree::{InodeId, Node, ResolveError, Resolved, Tree, TreeError};
pub use users::Users;
