//! The places of this machine as ends of a transfer.

mod image;
mod known;
mod layout;
mod store;

pub(crate) use self::image::{ImageEnd, MAX_DEPTH, choose, remote_image};
pub(crate) use self::known::Known;
pub(crate) use self::layout::{ArchiveTarget, DirectoryTarget, LayoutEnd};
pub(crate) use self::store::StoreEnd;
