//! Results of steps outside of the store: `--cache-from` and `--cache-to`.

mod export;
mod format;
mod import;
mod spec;

use kiln_oci::{Document, Manifest};

pub(super) use self::export::export;
pub(super) use self::import::Caches;
use self::spec::{CachePlace, CacheTo};
use super::BuildArgs;
use crate::environment::Environment;
use crate::ui::report::Report;

/// The name that a cache has in a directory.
const LAYOUT_NAME: &str = "kiln.cache/steps:latest";

/// What the flags say.
pub(super) struct Flags {
    from: Vec<CachePlace>,
    to: Vec<CacheTo>,
}

impl Flags {
    /// Reads `--cache-from` and `--cache-to`.
    pub(super) fn of(args: &BuildArgs, environment: &Environment) -> Result<Self, Report> {
        let from = args.cache_from.iter();
        let to = args.cache_to.iter();
        Ok(Self {
            from: from
                .map(|spec| spec::cache_from(spec, environment))
                .collect::<Result<_, _>>()?,
            to: to
                .map(|spec| spec::cache_to(spec, environment))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether results are to be kept anywhere.
    pub(super) fn keeps_any(&self) -> bool {
        !self.to.is_empty()
    }
}

fn manifest(bytes: &[u8]) -> Result<Manifest, Report> {
    match Document::parse(bytes)? {
        Document::Manifest(manifest) => Ok(*manifest),
        Document::Index(_) => Err(Report::new(
            "it is not a cache that kiln wrote, but an index",
        )),
    }
}
