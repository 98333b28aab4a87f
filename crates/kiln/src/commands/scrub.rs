//! `kiln scrub`: the store is read and compared with what it should be.

use std::process::ExitCode;

use super::Context;
use crate::ui::{self, report::Report};

/// Read all content of the store and compare it with its digests
#[derive(Debug, clap::Args)]
pub(crate) struct ScrubArgs {
    /// Remove damaged content, so that it is made or loaded again
    #[arg(long)]
    repair: bool,
}

/// Lists what is damaged. The exit code says whether anything was left so.
pub(crate) fn scrub(context: &Context, args: &ScrubArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let mut count = 0;
    let damaged = store.verify(|_| count += 1)?;
    for digest in &damaged {
        let what = if args.repair && store.discard(digest)? {
            "removed"
        } else {
            "damaged"
        };
        ui::print(&format!("{what} {digest}\n"))?;
    }
    ui::print(&format!("{count} blobs read, {} damaged\n", damaged.len()))?;
    if damaged.is_empty() || args.repair {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Report::new("the store is damaged").hint(
        "`kiln scrub --repair` removes what is damaged; images that need it must be loaded again",
    ))
}
