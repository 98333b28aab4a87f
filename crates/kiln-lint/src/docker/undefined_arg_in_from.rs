//! `UndefinedArgInFrom`: `FROM` sees only the arguments that are declared before the first stage.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::expand::Variables;
use kiln_dockerfile::suggest;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "UndefinedArgInFrom",
    name: "undefined-arg-in-from",
    severity: Severity::Warning,
    summary: "FROM command must use declared ARGs",
    why: "FROM sees only the ARGs before the first FROM and the automatic ones; any other name is empty there.",
    bad: "FROM debian:${VERSION:-12}\n",
    good: "ARG VERSION=12\nFROM debian:${VERSION:-12}\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
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
