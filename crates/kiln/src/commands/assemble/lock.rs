//! `kiln assemble lock`: finds the packages and writes down exactly which ones they are.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_assemble::{
    Change, Downloads, Lock, LockContext, LockError, LockOptions, RepositoryError, changes,
    lock as resolve,
};

use super::inputs::{self, Inputs};
use crate::commands::Context;
use crate::ui::{self, report::Report, transfer::Transfer};

/// Find the packages and write the lock file
#[derive(Debug, clap::Args)]
pub(super) struct LockArgs {
    /// The image file
    #[arg(default_value = "image.toml")]
    file: PathBuf,
    /// Take the newest versions, also of packages that are locked
    #[arg(long)]
    update: bool,
    /// Use only what was fetched before
    #[arg(long)]
    offline: bool,
    /// Show nothing
    #[arg(long, short)]
    quiet: bool,
}

/// Writes the lock file and says what changed.
pub(super) fn lock(context: &Context, args: &LockArgs) -> Result<ExitCode, Report> {
    let inputs = Inputs::read(context, &args.file)?;
    // One that cannot be read holds nothing to keep, but may be somebody's work: it is not overwritten.
    let previous = inputs.lock()?;
    let request = inputs.spec.request(&inputs.architectures);
    let is_same = previous
        .as_ref()
        .is_some_and(|lock| lock.request == request);
    if is_same && !args.update {
        say(
            args,
            "the lock file is up to date; --update takes newer packages",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let store = context.store()?;
    let lease = store.lease()?;
    let client = inputs::client(&context.environment, args.offline)?;
    let transfer = Transfer::start(args.quiet);
    let on_event = |event: kiln_assemble::Event<'_>| transfer.event(&event);
    let downloads = Downloads::open(&store, &lease, client.as_ref(), &on_event)?;
    let locked = find(&inputs, &downloads, previous.as_ref(), args.update);
    transfer.finish();
    let locked = locked?;
    write(&inputs.lock_path, &locked.to_string())?;
    if let Some(previous) = &previous {
        for change in changes(previous, &locked) {
            say(args, &shown(&change));
        }
    }
    say(args, &summary(&locked, &inputs));
    Ok(ExitCode::SUCCESS)
}

/// Asks the repositories.
pub(super) fn find(
    inputs: &Inputs,
    downloads: &Downloads<'_>,
    previous: Option<&Lock>,
    update: bool,
) -> Result<Lock, Report> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let context = LockContext {
        spec: &inputs.spec,
        architectures: &inputs.architectures,
        directory: &inputs.directory,
        downloads,
        now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        previous,
    };
    resolve(&context, LockOptions { update }).map_err(explained)
}

fn say(args: &LockArgs, text: &str) {
    if !args.quiet {
        ui::note(text);
    }
}

fn summary(lock: &Lock, inputs: &Inputs) -> String {
    let counts = inputs.architectures.iter().map(|architecture| {
        let packages = lock.of(*architecture);
        format!("{} for {architecture}", packages.count())
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("locked packages: {counts}")
}

fn shown(change: &Change) -> String {
    match change {
        Change::Added(one) => format!("+ {} {} ({})", one.name, one.version, one.architecture),
        Change::Removed(one) => format!("- {} {} ({})", one.name, one.version, one.architecture),
        Change::Version { from, to } => {
            format!(
                "  {} {} -> {} ({})",
                to.name, from.version, to.version, to.architecture
            )
        }
        Change::Content(one) => {
            format!(
                "! {} {} has other content ({})",
                one.name, one.version, one.architecture
            )
        }
    }
}

/// Replaces the file as a whole: a crash leaves the old one or the new one.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Report> {
    let partial = path.with_extension(format!("new-{}", std::process::id()));
    let written = std::fs::write(&partial, text).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        Report::new(format!("cannot write `{}`: {error}", path.display()))
    })
}

pub(super) fn explained(error: LockError) -> Report {
    let hint = match &error {
        LockError::Repository(error) => repository_hint(error),
        _ => None,
    };
    let report = Report::from(error);
    hint.into_iter().fold(report, Report::hint)
}

fn repository_hint(error: &RepositoryError) -> Option<String> {
    let text = match error {
        RepositoryError::Cache(error) => return inputs::cache_hint(error),
        RepositoryError::Signature { .. } => {
            "is the keyring that of this repository? If it is, do not go on: somebody may have changed the \
             repository on its way"
        }
        RepositoryError::Expired { .. } => {
            "try another mirror; for an archive of old states set `check-valid-until = false`"
        }
        RepositoryError::Older { .. } => {
            "try another mirror; to go back on purpose, remove the lock file"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
