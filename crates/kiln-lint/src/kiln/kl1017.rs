//! KL1017: do not run what comes from the network unseen.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Kind, Pipeline};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1017",
    name: "pipe-into-shell",
    severity: Severity::Warning,
    summary: "Do not run what comes from the network unseen",
    why: "Whoever owns the address, or a place on the way, runs what he likes in your build; and a download that breaks off is run as far as it came. Fetch, compare the checksum, then run.",
    bad: "FROM debian:12\nRUN curl -fsSL https://example.com/install.sh | sh\n",
    good: "FROM debian:12\nADD --checksum=sha256:4b825dc642cb6eb9a060e54bf8d69288fbee490400000000000000000000aaaa https://example.com/install.sh /tmp/\nRUN sh /tmp/install.sh\n",
    check,
    ..Rule::BLANK
};

struct Pipes(Vec<Span>);

fn name(command: &crate::shell::ast::Command) -> String {
    let Kind::Simple(simple) = &command.kind else {
        return String::new();
    };
    // `sudo sh` and `env sh` are sh.
    let mut words = simple.words.iter().filter_map(|word| word.plain());
    let word = words.find(|word| !matches!(*word, "sudo" | "env" | "-E"));
    word.unwrap_or_default()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_string()
}

impl Visitor for Pipes {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        let [first, .., last] = pipeline.commands.as_slice() else {
            return;
        };
        let fetches = matches!(name(first).as_str(), "curl" | "wget");
        let runs = matches!(
            name(last).as_str(),
            "sh" | "bash"
                | "ash"
                | "dash"
                | "zsh"
                | "python"
                | "python3"
                | "perl"
                | "ruby"
                | "node"
        );
        if fetches && runs {
            self.0.push(first.span.to(last.span));
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs() {
        let mut pipes = Pipes(Vec::new());
        walk(&run.script, &mut pipes);
        for span in pipes.0 {
            report
                .add(run.place(span), "a script from the network is run unseen")
                .help("ADD it with --checksum, then run it");
        }
    }
}
