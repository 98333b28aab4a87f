//! What happens after a build: names, files, registries, caches.

use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;

use kiln_build::{Built, Cancel, ContextSource};
use kiln_oci::{Descriptor, Reference};
use kiln_store::Store;

use super::{BuildArgs, cache, metadata, output};
use crate::commands::Context;
use crate::registries;
use crate::transfer::moving::Transfers;
use crate::transfer::push::Push;
use crate::ui::{self, report::Report};

/// A build that went well, on its way out.
pub(super) struct Finished<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a BuildArgs,
    pub(super) store: &'a Store,
    pub(super) built: &'a Built,
    pub(super) names: &'a [Reference],
}

impl Finished<'_> {
    /// Names the image, writes it where it shall go, and says what it is.
    pub(super) fn finish(
        &self,
        outputs: &[output::Output],
        caches: &cache::Flags,
        source: &ContextSource,
        cancel: &Cancel,
    ) -> Result<ExitCode, Report> {
        let Self {
            args, built, names, ..
        } = self;
        for name in *names {
            self.store.set_reference(name, &built.descriptor)?;
        }
        let mut pushed = None;
        for output in outputs {
            match output.format {
                output::Format::Registry => pushed = Some(self.push(output, cancel)?),
                _ => output::write(self.store, built, names, output)?,
            }
        }
        self.keep(caches, cancel)?;
        let environment = &self.context.environment;
        if let Some(file) = &args.iidfile {
            std::fs::write(environment.absolute(file), built.id().to_string())?;
        }
        if let Some(file) = &args.metadata_file {
            let facts = metadata::metadata(built, pushed.as_ref(), names, source);
            std::fs::write(environment.absolute(file), facts)?;
        }
        let shown: Vec<String> = names.iter().map(Reference::familiar).collect();
        let shown = [built.descriptor.digest.to_string()]
            .into_iter()
            .chain(shown);
        match args.quiet {
            true => ui::print(&format!("{}\n", built.id()))?,
            false => ui::print(&format!("built {}\n", shown.collect::<Vec<_>>().join(" ")))?,
        }
        if let Some(pushed) = pushed.filter(|_| !args.quiet) {
            ui::print(&format!("pushed {}\n", pushed.digest))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the results of the steps to caches.
    fn keep(&self, caches: &cache::Flags, cancel: &Cancel) -> Result<(), Report> {
        if !caches.keeps_any() {
            return Ok(());
        }
        let remote = || registries::remote(self.context, &self.args.registry, cancel.flag());
        let display = self.args.display(self.context);
        let steps = AtomicUsize::new(0);
        let transfers = Transfers::new(&*display, &steps);
        let (store, cancelled) = (self.store, cancel.flag());
        let result = cache::export(store, self.built, caches, remote, &transfers, &cancelled);
        display.finish();
        result
    }

    /// Sends the image under all its names. Gives what it is in the registries.
    fn push(&self, output: &output::Output, cancel: &Cancel) -> Result<Descriptor, Report> {
        let remote = registries::remote(self.context, &self.args.registry, cancel.flag())?;
        let display = self.args.display(self.context);
        let steps = AtomicUsize::new(0);
        let mut pushed = self.built.descriptor.clone();
        for name in &output.names {
            let push = Push {
                store: self.store,
                lease: &self.built.lease,
                repository: &remote.repository(name),
                transfers: &Transfers::new(&*display, &steps),
                cancelled: &cancel.flag(),
                compression: &output.compression,
            };
            let sent = push.run(&self.built.descriptor, name);
            if sent.is_err() {
                display.finish();
            }
            pushed = sent?;
        }
        display.finish();
        Ok(pushed)
    }
}
