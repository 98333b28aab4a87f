//! Why an image is big, how two images differ, and making them smaller.
//!
//! Two halves share this crate. One states *facts*: where the bytes of an image are, which of them no
//! container can see, what differs between two images. All of it is computed from layer indexes
//! ([`kiln_layer::LayerIndex`]), so a layer is read once in its life and never for a report. The other
//! half ([`rewrite`]) makes an image out of an image: it keeps what the first half calls live, and
//! the config, history and metadata with it.
//!
//! Nothing here prints, reads the environment or knows a registry: images come as values.

pub mod rewrite;
