//! SC2164: say what happens when cd fails.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Chain, Command, Kind, List, Word};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2164",
    name: "cd-may-fail",
    severity: Severity::Warning,
    summary: "Say what happens when cd fails",
    why: "Without `|| exit` the commands that follow run in the wrong directory.",
    bad: "FROM debian:12\nRUN cd /srv; rm -rf data\n",
    good: "FROM debian:12\nRUN cd /srv && rm -rf data\n",
    check,
    ..Rule::BLANK
};

struct Cds {
    found: Vec<Span>,
    conditions: Vec<Span>,
}

impl Visitor for Cds {
    fn command(&mut self, command: &Command) {
        let lists: Vec<&List> = match &command.kind {
            Kind::If { arms, .. } => arms.iter().map(|(condition, _)| condition).collect(),
            Kind::Loop { condition, .. } => vec![condition],
            _ => return,
        };
        let chains = lists.into_iter().flat_map(|list| &list.items);
        let commands = chains
            .flat_map(Chain::pipelines)
            .flat_map(|pipeline| &pipeline.commands);
        self.conditions.extend(commands.map(|command| command.span));
    }

    fn chain(&mut self, chain: &Chain) {
        // Whatever is followed by && or || has its status looked at.
        let Some(last) = chain.pipelines().last() else {
            return;
        };
        for command in &last.commands {
            let Kind::Simple(simple) = &command.kind else {
                continue;
            };
            let target = simple.words.get(1).and_then(Word::literal);
            let sure = target.is_some_and(|path| {
                path == "/" || path.split('/').all(|part| matches!(part, ".." | "."))
            });
            if matches!(simple.name().as_deref(), Some("cd" | "pushd" | "popd")) && !sure {
                self.found.push(command.span);
            }
        }
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let stops = run.commands.iter().any(|command| {
            command.is(&["set"]) && (command.has_flag(&["e"]) || command.has(&["errexit"]))
        });
        if stops {
            continue;
        }
        let mut cds = Cds {
            found: Vec::new(),
            conditions: Vec::new(),
        };
        walk(&run.script, &mut cds);
        for span in cds
            .found
            .iter()
            .filter(|span| !cds.conditions.contains(span))
        {
            report
                .add(run.place(*span), "nothing happens when this fails")
                .help("write `cd … || exit`");
        }
    }
}
