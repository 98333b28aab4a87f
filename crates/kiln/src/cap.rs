//! The store's cap: whatever a command added, afterwards the store is within what the configuration allows.

use crate::commands::Context;
use crate::ui::{self, report::Report, size::Size};

/// Prunes the store down to its cap, if it has one. The command that went before has done its work, so
/// what goes wrong here is only told.
pub(crate) fn hold(context: &Context) {
    let Some(keep) = context.configuration.store.keep else {
        return;
    };
    // A command that failed early may not have made a store.
    if !context.environment.home.join("oci-layout").exists() {
        return;
    }
    match prune(context, keep) {
        Ok(remaining) if remaining > keep => ui::note(&format!(
            "note: the store takes {remaining}, more than its cap of {keep}; what is left are named \
             images and what running builds use; `kiln rmi` removes images"
        )),
        Ok(_) => {}
        Err(report) => ui::note(&format!(
            "note: the store was not pruned to its cap of {keep}: {}",
            report.message()
        )),
    }
}

/// Gives what the store takes afterwards.
fn prune(context: &Context, keep: Size) -> Result<Size, Report> {
    let pruned = context.store()?.hold_cap(keep.0)?;
    Ok(pruned.map_or(keep, |pruned| Size(pruned.remaining)))
}
