//! `kiln rmi`: images are no longer wanted.

use std::process::ExitCode;

use kiln_oci::Reference;

use super::Context;
use crate::ui::{self, report::Report};

/// Remove names of images
///
/// Layers that no name and no cached step needs any more go with the next `kiln prune`.
#[derive(Debug, clap::Args)]
pub(crate) struct RmiArgs {
    /// Names to remove
    #[arg(required = true)]
    names: Vec<String>,
}

/// Removes each name. Those that are not there are reported at the end.
pub(crate) fn rmi(context: &Context, args: &RmiArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let mut missing = vec![];
    for name in &args.names {
        let reference: Reference = name.parse()?;
        if store.remove_reference(&reference)? {
            ui::print(&format!("removed {}\n", reference.familiar()))?;
        } else {
            missing.push(name.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(
        Report::new(format!("no image named {}", missing.join(", ")))
            .hint("`kiln images` lists what is there"),
    )
}
