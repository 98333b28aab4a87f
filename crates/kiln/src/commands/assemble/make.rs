//! Making an image: what `kiln assemble` and a `FROM` that names an assembled image have in common.

use std::num::NonZero;

use kiln_assemble::{
    AssembleContext, AssembleError, AssembleOptions, Assembled, Downloads, Lock, assemble,
};
use kiln_store::{Lease, Store};

use super::inputs::{self, Inputs};
use super::lock;
use crate::commands::Context;
use crate::ui::report::Report;

/// What making needs beside what is to be made.
pub(super) struct Making<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) lease: &'a Lease,
    pub(super) downloads: &'a Downloads<'a>,
    /// How many layers at once, if somebody said.
    pub(super) threads: Option<NonZero<usize>>,
}

impl Making<'_> {
    /// Makes the image of `lock`; without one, of the newest packages.
    pub(super) fn make(
        &self,
        inputs: &Inputs,
        lock: Option<Lock>,
    ) -> Result<(Lock, Assembled), Report> {
        let options = AssembleOptions {
            epoch: self.epoch()?,
            threads: self
                .threads
                .or_else(|| std::thread::available_parallelism().ok())
                .map_or(1, NonZero::get),
        };
        let lock = lock.map_or_else(|| lock::find(inputs, self.downloads, None, true), Ok)?;
        let context = AssembleContext {
            spec: &inputs.spec,
            lock: &lock,
            architectures: &inputs.architectures,
            directory: &inputs.directory,
            downloads: self.downloads,
            store: self.store,
            lease: self.lease,
        };
        let made = assemble(&context, options).map_err(|error| explained(error, inputs))?;
        Ok((lock, made))
    }

    fn epoch(&self) -> Result<Option<i64>, Report> {
        let text = self.context.environment.source_date_epoch.as_deref();
        let seconds = text.map(|text| {
            text.parse().map_err(|_| {
                Report::usage(format!(
                    "SOURCE_DATE_EPOCH is `{text}`, not a number of seconds"
                ))
            })
        });
        seconds.transpose()
    }
}

fn explained(error: AssembleError, inputs: &Inputs) -> Report {
    let hint = match &error {
        AssembleError::Stale => Some(format!("make it anew: {}", inputs.lock_command())),
        AssembleError::Cache(error) if error.is_missing() => Some(
            "mirrors keep only the newest versions: `kiln assemble lock --update`, or name an archive of old \
             states as the repository"
                .to_owned(),
        ),
        AssembleError::Cache(error) => inputs::cache_hint(error),
        AssembleError::Sandbox { .. } => {
            Some("`kiln doctor` says what this machine offers and how to change it".to_owned())
        }
        _ => None,
    };
    let report = Report::from(error);
    hint.into_iter().fold(report, Report::hint)
}
