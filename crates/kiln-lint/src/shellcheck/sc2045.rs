//! SC2045: do not loop over the output of ls.

use super::{named, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Command, Kind, Part};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2045",
    name: "loop-over-ls",
    severity: Severity::Error,
    summary: "Do not loop over the output of ls",
    why: "Names may hold anything; a pattern of the shell gives them as they are.",
    bad: "FROM debian:12\nRUN for f in $(ls); do echo \"$f\"; done\n",
    good: "FROM debian:12\nRUN for f in ./*; do echo \"$f\"; done\n",
    check,
    ..Rule::BLANK
};

struct Loops(Vec<Span>);

impl Visitor for Loops {
    fn command(&mut self, command: &Command) {
        let Kind::For {
            words: Some(words), ..
        } = &command.kind
        else {
            return;
        };
        for part in words.iter().flat_map(|word| &word.parts) {
            if let Part::Command { list, span, .. } = part
                && let [only] = list.items.as_slice()
                && only
                    .first
                    .commands
                    .first()
                    .is_some_and(|command| named(command, "ls"))
            {
                self.0.push(*span);
            }
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut loops = Loops(Vec::new());
        walk(&run.script, &mut loops);
        for span in loops.0 {
            report
                .add(run.place(span), "a loop over what ls prints")
                .help("loop over a pattern");
        }
    }
}
