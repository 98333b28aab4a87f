//! `kiln assemble --from PROGRAM`: finds out which packages a program needs, and offers to add them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_assemble::{Downloads, LockContext, Needs, needs, providers, with_application};

use super::inputs::{self, Inputs};
use super::new::{self, SourceArgs};
use super::{ask, lock};
use crate::commands::Context;
use crate::ui::{self, report::Report, transfer::Transfer};

/// What was asked for on the command line.
pub(super) struct FromArgs<'a> {
    /// The program, or a directory of an application.
    pub(super) from: &'a Path,
    /// The image file; made if it is not there.
    pub(super) file: &'a Path,
    /// Where packages come from if there is no image file.
    pub(super) source: &'a SourceArgs,
    pub(super) yes: bool,
    pub(super) offline: bool,
    pub(super) quiet: bool,
}

/// Looks, asks, and writes the image file.
pub(super) fn from(context: &Context, args: &FromArgs<'_>) -> Result<ExitCode, Report> {
    let environment = &context.environment;
    let program = environment.absolute(args.from);
    let found = needs(&program)?;
    let path = environment.absolute(args.file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let source = args.source.resolved(context)?;
            let architectures: Vec<_> = found.architectures.iter().copied().collect();
            new::text("static", &source, &architectures)?
        }
        Err(error) => {
            return Err(Report::new(format!(
                "cannot read `{}`: {error}",
                args.file.display()
            )));
        }
    };
    let inputs = Inputs::parse(args.file, &path, &text)?;
    check(&inputs, &found, args.from)?;
    let packages = packages(context, &inputs, &found, args)?;
    let source = shown_from(&inputs.directory, &program);
    // A directory is left to whoever knows where its files belong.
    let name = program
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let target = name
        .filter(|_| program.is_file())
        .map(|name| format!("/usr/local/bin/{name}"));
    let file = target.as_deref().map(|target| (target, source.as_str()));
    let edited = with_application(&text, &packages, file)?;
    if edited == text && path.exists() {
        say(args, "the image file has all of it");
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("add {} to {}?", list(&packages, file), args.file.display());
    if !args.yes && !ask::agrees(&question)? {
        return Err(Report::new("nothing was added").hint("--yes adds without asking"));
    }
    lock::write(&path, &edited)?;
    say(
        args,
        &format!(
            "wrote {}; next: {}",
            args.file.display(),
            inputs.lock_command()
        ),
    );
    Ok(ExitCode::SUCCESS)
}

fn say(args: &FromArgs<'_>, text: &str) {
    if !args.quiet {
        ui::note(text);
    }
}

fn list(packages: &[String], file: Option<(&str, &str)>) -> String {
    let mut all: Vec<&str> = packages.iter().map(String::as_str).collect();
    all.extend(file.map(|(target, _)| target));
    all.join(", ")
}

/// A path as the image file has it: seen from its directory, if it is in there.
fn shown_from(directory: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(directory).unwrap_or(path);
    inside.display().to_string()
}

/// A program for another processor than the image would not run.
fn check(inputs: &Inputs, found: &Needs, program: &Path) -> Result<(), Report> {
    let missing = found
        .architectures
        .iter()
        .find(|architecture| !inputs.architectures.contains(architecture));
    match missing {
        None => Ok(()),
        Some(architecture) => Err(Report::new(format!(
            "`{}` is for {architecture}, which is not among the architectures of `{}`",
            program.display(),
            inputs.file.display()
        ))),
    }
}

/// The packages that have what the program needs. What none has is told.
fn packages(
    context: &Context,
    inputs: &Inputs,
    found: &Needs,
    args: &FromArgs<'_>,
) -> Result<Vec<String>, Report> {
    if found.libraries.is_empty() {
        say(args, "it needs no library");
        return Ok(vec![]);
    }
    let store = context.store()?;
    let lease = store.lease()?;
    let client = inputs::client(&context.environment, args.offline)?;
    let transfer = Transfer::start(args.quiet);
    let on_event = |event: kiln_assemble::Event<'_>| transfer.event(&event);
    let downloads = Downloads::open(&store, &lease, client.as_ref(), &on_event)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let request = LockContext {
        spec: &inputs.spec,
        architectures: &inputs.architectures,
        directory: &inputs.directory,
        downloads: &downloads,
        now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
        previous: None,
    };
    let mut chosen = BTreeSet::new();
    let mut absent = BTreeSet::new();
    for architecture in &found.architectures {
        let providers = providers(&request, *architecture, &found.libraries);
        let providers = providers.map_err(lock::explained)?;
        for (library, packages) in &providers {
            match &packages[..] {
                [] => {
                    absent.insert(library.clone());
                }
                [first, rest @ ..] => {
                    let others = match rest.is_empty() {
                        true => String::new(),
                        false => format!(" (also in {})", rest.join(", ")),
                    };
                    say(args, &format!("{library} is in {first}{others}"));
                    chosen.insert(first.clone());
                }
            }
        }
    }
    transfer.finish();
    if !absent.is_empty() {
        let names: Vec<_> = absent.into_iter().collect();
        return Err(
            Report::new(format!("no package has {}", names.join(", "))).hint(
                "another [[repository]] or component may have it; or bring it along with [[file]]",
            ),
        );
    }
    Ok(chosen.into_iter().collect())
}
