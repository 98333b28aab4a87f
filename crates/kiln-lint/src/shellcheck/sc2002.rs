//! SC2002: A file can be read without cat.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Kind, Pipeline};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2002",
    name: "useless-cat",
    severity: Severity::Ignore,
    summary: "A file can be read without cat",
    why: "ShellCheck has made it optional, and so it is here. `cat file | program` starts a process for what `program < file` does.",
    bad: "FROM debian:12\nRUN cat list | sort\n",
    good: "FROM debian:12\nRUN sort < list\n",
    example_config: "override:\n  warning: [SC2002]\n",
    check,
    ..Rule::BLANK
};

struct Cats<'a>(Vec<Span>, &'a str);

impl Visitor for Cats<'_> {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        let [first, _, ..] = pipeline.commands.as_slice() else {
            return;
        };
        if let Kind::Simple(simple) = &first.kind
            && let [name, file] = simple.words.as_slice()
            && name.plain() == Some("cat")
            && !file.text(self.1).starts_with('-')
            && first.redirects.is_empty()
        {
            self.0.push(first.span);
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut cats = Cats(Vec::new(), &run.text);
        walk(&run.script, &mut cats);
        for span in cats.0 {
            report
                .add(run.place(span), "cat of one file into a pipe")
                .help("write `program < file`");
        }
    }
}
