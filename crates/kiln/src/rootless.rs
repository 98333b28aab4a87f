//! The step that makes an ordinary user root in a namespace of their own. It happens before any thread
//! starts, because the kernel refuses it to a process with several.

use kiln_sandbox::{IdMap, Mapping, UserNamespace, enter_user_namespace, user_namespace_needed};

use crate::ui::{self, report::Report};

/// Enters a user namespace unless this is root already.
pub(crate) fn enter() -> Result<Option<UserNamespace>, Report> {
    if !user_namespace_needed() {
        return Ok(None);
    }
    let namespace = enter_user_namespace(IdMap::Automatic).map_err(|error| {
        Report::from(error).hint("`kiln doctor` says what this machine offers and how to change it")
    })?;
    if let Mapping::Single { why, .. } = &namespace.mapping {
        ui::note(&format!(
            "note: only one user id is available ({why}); files of other owners cannot be made"
        ));
    }
    Ok(Some(namespace))
}
