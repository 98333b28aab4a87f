//! `kiln tags`: what a repository on a registry has.

use std::process::ExitCode;

use kiln_oci::Reference;

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::ui::{self, report::Report};

/// List the tags of a repository on a registry
#[derive(Debug, clap::Args)]
pub(crate) struct TagsArgs {
    /// The repository: `alpine`, `example.org/team/app`
    repository: String,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Begin after this tag
    #[arg(long, value_name = "TAG")]
    after: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Prints the tags, one a line, in the registry's order.
pub(crate) fn tags(context: &Context, args: &TagsArgs) -> Result<ExitCode, Report> {
    let reference: Reference = args.repository.parse()?;
    if reference.digest().is_some() {
        return Err(Report::usage(
            "a digest has no tags; name the repository alone",
        ));
    }
    let remote = registries::remote(context, &args.registry, registries::interruptible()?)?;
    let repository = remote.repository(&reference);
    let all = repository.tags(args.after.as_deref());
    let wanted = all.take(args.limit.unwrap_or(usize::MAX));
    if args.json {
        let tags: Vec<String> = wanted
            .collect::<Result<_, _>>()
            .map_err(registries::failed)?;
        ui::print(&format!("{}\n", serde_json::to_string(&tags)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    for tag in wanted {
        ui::print(&format!("{}\n", tag.map_err(registries::failed)?))?;
    }
    Ok(ExitCode::SUCCESS)
}
