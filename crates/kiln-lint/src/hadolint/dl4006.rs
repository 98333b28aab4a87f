//! DL4006: set -o pipefail before RUN with a pipe.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Pipeline;
use crate::shell::{Dialect, Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4006",
    name: "pipefail",
    severity: Severity::Warning,
    summary: "Set -o pipefail before RUN with a pipe",
    why: "The status of a pipe is that of its last command: when the first one fails, the build goes on with half of the data.",
    bad: "FROM debian:12\nRUN curl -fsSL https://example.com/a | tar -xz\n",
    good: "FROM debian:12\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nRUN curl -fsSL https://example.com/a | tar -xz\n",
    check,
    ..Rule::BLANK
};

/// The first pipe of a script.
struct Pipes(Option<Span>);

impl Visitor for Pipes {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        if let ([first, .., last], None) = (pipeline.commands.as_slice(), self.0) {
            self.0 = Some(first.span.to(last.span));
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs() {
        if run.onbuild || run.pipefail || run.dialect == Dialect::Other {
            continue;
        }
        let mut pipes = Pipes(None);
        walk(&run.script, &mut pipes);
        if let Some(span) = pipes.0 {
            report
                .add(
                    run.place(span),
                    "a failure before the last command of this pipe goes unseen",
                )
                .help("write SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"] above");
        }
    }
}
