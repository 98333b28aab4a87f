//! COPY and ADD: choosing files ([`select`]) and putting them into a layer ([`place`]).
//!
//! Both work on trees of entries. No root file system is touched: what lies below comes from the layer
//! indexes, what is copied goes straight into the new layer.

mod attributes;
pub(crate) mod place;
pub(crate) mod select;

pub use attributes::AttributeError;
pub(crate) use attributes::{Attributes, Times};
pub use place::PlaceError;
pub use select::SelectError;
