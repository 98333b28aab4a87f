//! `RedundantTargetPlatform`: the target platform is what FROM takes anyway.

use super::{Report, Rule, Subject};
use crate::expand::Variables;

/// See the module.
pub(super) struct RedundantTargetPlatform;

impl Rule for RedundantTargetPlatform {
    fn name(&self) -> &'static str {
        "RedundantTargetPlatform"
    }

    fn description(&self) -> &'static str {
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(globals) = &subject.globals else {
            return;
        };
        for word in subject
            .file
            .stages
            .iter()
            .filter_map(|stage| stage.from.platform.as_ref())
        {
            let Ok(expanded) = globals.expand(word, subject.file.escape()) else {
                continue;
            };
            let only = expanded.unset.is_empty()
                && expanded.used.len() == 1
                && expanded.used.contains("TARGETPLATFORM");
            if only && globals.get("TARGETPLATFORM").as_deref() == Some(expanded.value.as_str()) {
                let message = format!("--platform={} is the default", word.text);
                report.add_with_help(word.span, message, Some("leave it out".to_string()));
            }
        }
    }
}
