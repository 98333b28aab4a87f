//! SC2038: names go from find to xargs with -print0 and -0.

use super::{named, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Command, Pipeline};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2038",
    name: "find-xargs",
    severity: Severity::Warning,
    summary: "Names go from find to xargs with -print0 and -0",
    why: "Blanks and quotes in a name make several of it otherwise.",
    bad: "FROM debian:12\nRUN find . -name \"*.o\" | xargs rm\n",
    good: "FROM debian:12\nRUN find . -name \"*.o\" -print0 | xargs -0 rm\n",
    check,
    ..Rule::BLANK
};

struct Pipes<'a>(Vec<Span>, &'a str);

impl Visitor for Pipes<'_> {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        for pair in pipeline.commands.windows(2) {
            let text = |command: &Command| &self.1[command.span.start..command.span.end];
            let safe = text(&pair[0]).contains("-print0")
                || text(&pair[0]).contains("-printf")
                || text(&pair[1]).contains(" -0")
                || text(&pair[1]).contains("--null");
            if named(&pair[0], "find") && named(&pair[1], "xargs") && !safe {
                self.0.push(pair[0].span);
            }
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut pipes = Pipes(Vec::new(), &run.text);
        walk(&run.script, &mut pipes);
        for span in pipes.0 {
            report
                .add(run.place(span), "names with blanks break this")
                .help("use -print0 and xargs -0, or -exec … {} +");
        }
    }
}
