//! `UndefinedVar`: a variable that nothing sets is empty, which is hardly meant. If the base image is not known, it may set any variable; then only names are reported that look like a slip.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "UndefinedVar",
    name: "undefined-var",
    severity: Severity::Warning,
    summary: "Variables should be defined before their use",
    why: "A variable that nothing sets is empty, which is hardly ever meant.",
    bad: "FROM scratch\nCOPY $source /app/\n",
    good: "FROM scratch\nARG source=src\nCOPY $source /app/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.stages {
        for undefined in stage.steps.iter().flat_map(|step| &step.undefined) {
            if !stage.base_known && undefined.suggestion.is_none() {
                continue;
            }
            let message = format!("usage of undefined variable ${}", undefined.name);
            let help = undefined
                .suggestion
                .as_ref()
                .map(|near| format!("did you mean ${near}?"));
            report.add_with_help(undefined.span, message, help);
        }
    }
}
