//! Images made entry by entry, and what is said of them.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test: what goes wrong in it shall fail loudly"
)]

mod analysis;
mod conservation;
mod diff;
mod dive;
mod explore;
mod load;
mod made;
mod rewrite;
mod traps;
