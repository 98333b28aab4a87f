//! Why an image is big, how two images differ, and making them smaller.
//!
//! Two halves share this crate. One states *facts*: where the bytes of an image are, which of them no
//! container can see, what differs between two images. All of it is computed from layer indexes
//! ([`kiln_layer::LayerIndex`]), so a layer is read once in its life and never for a report. The other
//! half ([`rewrite`]) makes an image out of an image: it keeps what the first half calls live, and
//! the config, history and metadata with it. [`slim`] finds out what a program needs, and proves it.
//!
//! - [`Subject`] is an image with the indexes of its layers;
//! - [`analyze()`] says where its bytes are, [`gate`] and [`dive`] hold that against rules;
//! - [`diff()`] compares two;
//! - [`explore`] looks around in one, in a terminal;
//! - [`render`] makes reports of it.
//!
//! Nothing here prints, reads the environment or knows a registry: images come as values.

pub mod analysis;
pub mod cause;
mod content;
pub mod diff;
pub mod dive;
pub mod explore;
pub mod gate;
pub mod kinds;
pub mod render;
pub mod rewrite;
pub mod slim;
pub mod subject;
pub mod treemap;
pub mod waste;

pub use analysis::{Analysis, analyze};
pub use cause::{Cause, Language};
pub use diff::{Difference, diff};
pub use subject::{Base, BaseSource, Subject};
