//! Images on their way from one place to another.

pub(crate) mod moving;
mod parallel;
pub(crate) mod pull;
pub(crate) mod push;
