//! SC2113: `function` is no word of POSIX.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Command, Kind};
use crate::shell::{Dialect, Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2113",
    name: "function-keyword",
    severity: Severity::Warning,
    summary: "`function` is no word of POSIX",
    why: "A shell that knows no more than POSIX has to takes it for a program.",
    bad: "FROM debian:12\nRUN function greet { echo hello; }\n",
    good: "FROM debian:12\nRUN greet() { echo hello; }\n",
    check,
    ..Rule::BLANK
};

struct Functions(Vec<Span>);

impl Visitor for Functions {
    fn command(&mut self, command: &Command) {
        if let Kind::Function { keyword: true, .. } = &command.kind {
            self.0.push(command.span);
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject).filter(|run| run.dialect == Dialect::Sh) {
        let mut functions = Functions(Vec::new());
        walk(&run.script, &mut functions);
        for span in functions.0 {
            report
                .add(run.place(span), "sh need not know `function`")
                .help("write name() { … }");
        }
    }
}
