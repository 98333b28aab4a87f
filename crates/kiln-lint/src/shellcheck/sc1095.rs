//! SC1095: A space is needed between a function's name and its body.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Command, Kind};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1095",
    name: "function-space",
    severity: Severity::Error,
    summary: "A space is needed between a function's name and its body",
    why: "Without it the brace is part of the name.",
    bad: "FROM debian:12\nRUN function greet{ echo hello; }\n",
    good: "FROM debian:12\nRUN greet() { echo hello; }\n",
    check,
    ..Rule::BLANK
};

struct Functions(Vec<Span>);

impl Visitor for Functions {
    fn command(&mut self, command: &Command) {
        if let Kind::Function {
            name,
            keyword: true,
            ..
        } = &command.kind
            && name.contains('{')
        {
            self.0.push(command.span);
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut functions = Functions(Vec::new());
        walk(&run.script, &mut functions);
        for span in functions.0 {
            report.add(run.place(span), "the brace belongs to the function's name");
        }
    }
}
