//! What all commands have in common that make an image out of an image: where it comes from, the name that
//! it gets, what becomes void, and how the result is shown.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use kiln_analyze::rewrite::{RewriteError, Rewriter, Rewritten};
use kiln_oci::{Image, Platform, Reference};
use kiln_store::{Lease, Store};
use serde_json::{Value, json};

use crate::commands::{Context, platform};
use crate::registries::{self, RegistryArgs};
use crate::transfer::moving::Transfers;
use crate::transfer::place::Place;
use crate::transfer::source::Sources;
use crate::ui::progress::{Progress, display};
use crate::ui::{self, report::Report, size::Size, table::Table};

/// How an image is found that is only looked at.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LookArgs {
    /// Name or id in the store, or any place that `kiln copy` reads
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
    /// How to show progress
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    progress: Progress,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The arguments that all rewriting commands share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RewriteArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// Name of the new image in the store; may be repeated
    #[arg(long, short, value_name = "NAME")]
    tag: Vec<String>,
    /// Let the new image take the name of the old one
    #[arg(long)]
    replace: bool,
    /// Print one JSON object
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Print nothing but the digest
    #[arg(long, short)]
    quiet: bool,
}

/// What a rewrite works with.
pub(crate) struct Desk<'a> {
    pub(crate) context: &'a Context,
    pub(crate) store: &'a Store,
    pub(crate) lease: &'a Lease,
    pub(crate) rewriter: &'a Rewriter<'a>,
    pub(crate) platform: &'a Platform,
    pub(crate) cancelled: &'a Arc<AtomicBool>,
    sources: &'a Sources<'a>,
    transfers: &'a Transfers<'a>,
}

/// What came of it, and what there is to say.
pub(crate) struct Outcome {
    /// The image.
    pub(crate) rewritten: Rewritten,
    /// Further members of the JSON object.
    pub(crate) facts: Value,
    /// Further lines for a person.
    pub(crate) lines: String,
}

impl From<Rewritten> for Outcome {
    fn from(rewritten: Rewritten) -> Self {
        Self {
            rewritten,
            facts: json!({}),
            lines: String::new(),
        }
    }
}

impl Desk<'_> {
    /// Another image that the work needs, such as a base, with all of it in the store.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn other(&self, text: &str) -> Result<Image, Report> {
        let (_, image) = self.find(text)?;
        self.sources.bring(image, self.transfers)
    }

    fn find(&self, text: &str) -> Result<(Place, Image), Report> {
        let environment = &self.context.environment;
        self.sources.find(text, environment, self.platform)
    }
}

/// Fetches the image, does `work`, names what came of it and shows it.
///
/// # Errors
/// The first thing that went wrong. Then nothing has a new name.
pub(crate) fn rewrite(
    context: &Context,
    args: &RewriteArgs,
    work: impl FnOnce(&Desk<'_>, &Image) -> Result<Outcome, Report>,
) -> Result<ExitCode, Report> {
    let names = args.names()?;
    let quiet = args.quiet || args.json;
    let text = at_desk(context, &args.look, quiet, |desk| {
        let (place, image) = desk.find(&args.look.image)?;
        if !args.replace {
            refuse_own_name(&place, &names)?;
        }
        let voided = desk.sources.voided(&place, &image)?;
        tell_voided(&voided);
        let image = desk.sources.bring(image, desk.transfers)?;
        let outcome = work(desk, &image)?;
        let rewritten = &outcome.rewritten;
        let unshared = unshared(desk.store, &image, &rewritten.image)?;
        for name in &names {
            desk.store.set_reference(name, &rewritten.descriptor)?;
        }
        Ok(if args.quiet {
            format!("{}\n", rewritten.descriptor.digest)
        } else if args.json {
            as_json(&outcome, &names, &voided, unshared)
        } else {
            shown(&outcome, &names, unshared)
        })
    })?;
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches the image and only looks at it.
///
/// # Errors
/// The first thing that went wrong.
pub(crate) fn look<T>(
    context: &Context,
    args: &LookArgs,
    work: impl FnOnce(&Desk<'_>, &Image) -> Result<T, Report>,
) -> Result<T, Report> {
    at_desk(context, args, false, |desk| {
        work(desk, &desk.other(&args.image)?)
    })
}

/// Lays out what a rewrite needs.
fn at_desk<T>(
    context: &Context,
    args: &LookArgs,
    quiet: bool,
    work: impl FnOnce(&Desk<'_>) -> Result<T, Report>,
) -> Result<T, Report> {
    let cancelled = registries::interruptible()?;
    let remote = registries::remote(context, &args.registry, Arc::clone(&cancelled))?;
    let store = context.store()?;
    let lease = store.lease()?;
    let platform = platform(args.platform.as_deref())?;
    let mode = match quiet {
        true => Progress::Quiet,
        false => args.progress,
    };
    let display = display(mode, context.environment.color);
    let steps = AtomicUsize::new(0);
    let transfers = Transfers::new(&*display, &steps);
    let sources = Sources {
        remote: &remote,
        store: &store,
        lease: &lease,
        docker_host: &context.environment.docker_host,
        cancelled: &cancelled,
    };
    let rewriter = Rewriter::new(&store, &lease, Arc::clone(&cancelled));
    let worked = work(&Desk {
        context,
        store: &store,
        lease: &lease,
        rewriter: &rewriter,
        platform: &platform,
        cancelled: &cancelled,
        sources: &sources,
        transfers: &transfers,
    });
    display.finish();
    worked
}

impl RewriteArgs {
    /// The names that the new image gets.
    fn names(&self) -> Result<Vec<Reference>, Report> {
        if self.tag.is_empty() {
            return Err(Report::usage("the new image needs a name")
                .hint("give it one with --tag; the old image keeps its own"));
        }
        let names = self.tag.iter().map(|name| name.parse());
        Ok(names.collect::<Result<_, _>>()?)
    }
}

/// A new image must not silently take the place of the one that it was made of.
fn refuse_own_name(place: &Place, names: &[Reference]) -> Result<(), Report> {
    let (Place::Registry(own) | Place::Store(own) | Place::Daemon(own)) = place else {
        return Ok(());
    };
    if !names.contains(own) {
        return Ok(());
    }
    Err(Report::usage(format!(
        "`{}` is the image that is to be rewritten",
        own.familiar()
    ))
    .hint("give the new image another name, or let it take this one with --replace"))
}

/// Says what does not hold for the new image, before it is made.
fn tell_voided(voided: &[String]) {
    if voided.is_empty() {
        return;
    }
    ui::note(
        "The new image has another digest. What was said about the old one does not hold for it:",
    );
    for line in voided {
        ui::note(&format!("  {line}"));
    }
}

/// Bytes of layers that other images of the store share with the old image and do not share with the new.
fn unshared(store: &Store, old: &Image, new: &Image) -> Result<u64, Report> {
    let kept = &new.config.rootfs.diff_ids;
    let ids = old.config.rootfs.diff_ids.iter();
    let gone: Vec<_> = ids
        .zip(&old.manifest.layers)
        .filter(|(id, _)| !kept.contains(id))
        .collect();
    let mut shared = std::collections::BTreeSet::new();
    if gone.is_empty() {
        return Ok(0);
    }
    for other in store.references()? {
        for manifest in store.manifests_of(&other.descriptor)? {
            if manifest.digest == old.manifest.digest() || manifest.digest == new.manifest.digest()
            {
                continue;
            }
            shared.extend(store.image_at(&manifest)?.config.rootfs.diff_ids.clone());
        }
    }
    let lost = gone.iter().filter(|(id, _)| shared.contains(*id));
    Ok(lost.map(|(_, layer)| layer.size).sum())
}

fn as_json(outcome: &Outcome, names: &[Reference], voided: &[String], unshared: u64) -> String {
    let rewritten = &outcome.rewritten;
    let names: Vec<String> = names.iter().map(Reference::familiar).collect();
    let mut all = json!({
        "schema": 1,
        "digest": rewritten.descriptor.digest.to_string(),
        "names": names,
        "before": rewritten.before,
        "after": rewritten.after,
        "no_longer_shared": unshared,
        "voided": voided,
    });
    if let (Value::Object(all), Value::Object(facts)) = (&mut all, &outcome.facts) {
        all.extend(facts.clone());
    }
    format!("{all:#}\n")
}

fn shown(outcome: &Outcome, names: &[Reference], unshared: u64) -> String {
    let rewritten = &outcome.rewritten;
    let mut table = Table::new(&["", "LAYERS", "UNCOMPRESSED", "STORED"]);
    for (what, extent) in [("before", rewritten.before), ("after", rewritten.after)] {
        table.row(vec![
            what.to_owned(),
            extent.layers.to_string(),
            Size(extent.uncompressed).to_string(),
            Size(extent.stored).to_string(),
        ]);
    }
    let names: Vec<String> = names.iter().map(Reference::familiar).collect();
    let mut text = format!(
        "{}{}made {} {}\n",
        table.render(),
        outcome.lines,
        rewritten.descriptor.digest,
        names.join(" ")
    );
    if unshared > 0 {
        text.push_str(&format!(
            "{} of its layers are no longer shared with other images of this store\n",
            Size(unshared)
        ));
    }
    text
}

/// A failure of a rewrite; an interruption is none.
pub(crate) fn failed(error: RewriteError) -> Report {
    match error {
        RewriteError::Cancelled => Report::interrupted(),
        error @ RewriteError::Abi(_) => Report::from(error)
            .hint("rebuild the image on the new base, or rebase it all the same with --force"),
        error => Report::from(error),
    }
}
