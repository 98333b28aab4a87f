//! SC2015: `A && B || C` is no if-then-else.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Chain, Command, Join, Kind, List, Pipeline};
use crate::shell::{Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2015",
    name: "and-or",
    severity: Severity::Info,
    summary: "`A && B || C` is no if-then-else",
    why: "C runs when A fails, and when B does. Where that is not meant, write `if`.",
    bad: "FROM debian:12\nRUN test -f a && make || make new\n",
    good: "FROM debian:12\nRUN if test -f a; then make; else make new; fi\n",
    check,
    ..Rule::BLANK
};

/// Chains that are looked at, without the conditions of `if` and loops.
struct Chains {
    found: Vec<Span>,
    conditions: Vec<Span>,
}

impl Visitor for Chains {
    fn command(&mut self, command: &Command) {
        let lists: Vec<&List> = match &command.kind {
            Kind::If { arms, .. } => arms.iter().map(|(condition, _)| condition).collect(),
            Kind::Loop { condition, .. } => vec![condition],
            _ => return,
        };
        for chain in lists.into_iter().flat_map(|list| &list.items) {
            if let (Some(first), Some(last)) =
                (chain.first.commands.first(), chain.pipelines().last())
            {
                let end = last.commands.last().unwrap_or(first).span;
                self.conditions.push(first.span.to(end));
            }
        }
    }

    fn chain(&mut self, chain: &Chain) {
        for pair in chain.rest.windows(2) {
            let [(Join::And, middle), (Join::Or, last)] = pair else {
                continue;
            };
            if !harmless(last)
                && let Some(command) = middle.commands.first()
            {
                self.found.push(command.span);
            }
        }
    }
}

/// Whether what follows `||` cannot be meant as an `else` that hurts.
fn harmless(pipeline: &Pipeline) -> bool {
    let [only] = pipeline.commands.as_slice() else {
        return false;
    };
    let Kind::Simple(simple) = &only.kind else {
        return false;
    };
    match simple.words.first() {
        None => true,
        Some(name) => matches!(
            name.plain(),
            Some("exit" | "return" | "echo" | "printf" | "true")
        ),
    }
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let mut chains = Chains {
            found: Vec::new(),
            conditions: Vec::new(),
        };
        walk(&run.script, &mut chains);
        for span in chains.found {
            if !chains
                .conditions
                .iter()
                .any(|one| one.start <= span.start && span.end <= one.end)
            {
                report
                    .add(run.place(span), "what follows || runs also when this fails")
                    .help("write if … then … else … fi");
            }
        }
    }
}
