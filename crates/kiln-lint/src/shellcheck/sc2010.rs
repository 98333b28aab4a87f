//! SC2010: do not pipe ls into grep.

use super::{named, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Pipeline;
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2010",
    name: "ls-grep",
    severity: Severity::Warning,
    summary: "Do not pipe ls into grep",
    why: "Names may hold anything, line breaks too; a pattern of the shell finds them as they are.",
    bad: "FROM debian:12\nRUN ls | grep conf\n",
    good: "FROM debian:12\nRUN for f in ./*conf*; do echo \"$f\"; done\n",
    check,
    ..Rule::BLANK
};

struct Pipes(Vec<Span>);

impl Visitor for Pipes {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        for pair in pipeline.commands.windows(2) {
            if named(&pair[0], "ls") && named(&pair[1], "grep") {
                self.0.push(pair[0].span);
            }
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut pipes = Pipes(Vec::new());
        walk(&run.script, &mut pipes);
        for span in pipes.0 {
            report
                .add(run.place(span), "ls is piped into grep")
                .help("use a pattern or find");
        }
    }
}
