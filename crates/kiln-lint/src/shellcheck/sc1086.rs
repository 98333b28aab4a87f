//! SC1086: no dollar sign stands before the variable of a for loop.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Command, Kind};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1086",
    name: "dollar-iterator",
    severity: Severity::Error,
    summary: "No dollar sign stands before the variable of a for loop",
    why: "The loop sets the variable; `$x` would be what it holds.",
    bad: "FROM debian:12\nRUN for $x in a b; do echo \"$x\"; done\n",
    good: "FROM debian:12\nRUN for x in a b; do echo \"$x\"; done\n",
    check,
    ..Rule::BLANK
};

struct Loops(Vec<Span>);

impl Visitor for Loops {
    fn command(&mut self, command: &Command) {
        if let Kind::For { name, .. } = &command.kind
            && name.starts_with('$')
        {
            self.0.push(command.span);
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut loops = Loops(Vec::new());
        walk(&run.script, &mut loops);
        for span in loops.0 {
            report
                .add(run.place(span), "the variable of the loop has a $")
                .help("leave the $ out");
        }
    }
}
