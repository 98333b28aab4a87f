//! `UndefinedArgInFrom`: `FROM` sees only the arguments that are declared before the first stage.

use super::{Report, Rule, Subject};
use crate::expand::Variables;
use crate::suggest;

/// See the module.
pub(super) struct UndefinedArgInFrom;

impl Rule for UndefinedArgInFrom {
    fn name(&self) -> &'static str {
        "UndefinedArgInFrom"
    }

    fn description(&self) -> &'static str {
        "FROM command must use declared ARGs"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(globals) = &subject.globals else {
            return;
        };
        for stage in &subject.file.stages {
            for word in std::iter::once(&stage.from.image).chain(&stage.from.platform) {
                let Ok(expanded) = globals.expand(word, subject.file.escape()) else {
                    continue;
                };
                for name in expanded.unset.iter().filter(|name| !globals.declares(name)) {
                    let known = globals.names();
                    let near = suggest::nearest(name, known.iter().map(String::as_str));
                    let help = match near {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("declare it before the first FROM: ARG {name}"),
                    };
                    let message = format!("FROM argument {name:?} is not declared");
                    report.add_with_help(word.span, message, Some(help));
                }
            }
        }
    }
}
