//! COPY and ADD: choosing files ([`select`]), placing them ([`place`]) and writing the layer (`write`).
//!
//! Both work on trees of entries. No root file system is touched: what lies below comes from the layer
//! indexes, what is copied goes straight into the new layer.

mod attributes;
pub(crate) mod place;
pub(crate) mod select;
mod write;

pub use attributes::AttributeError;
pub(crate) use attributes::{Attributes, Times};
pub use place::PlaceError;
pub use select::SelectError;
