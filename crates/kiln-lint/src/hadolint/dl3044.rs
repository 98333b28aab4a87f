//! DL3044: ENV does not see what it sets itself.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;
use std::collections::BTreeSet;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3044",
    name: "no-self-reference",
    severity: Severity::Error,
    summary: "ENV does not see what it sets itself",
    why: "All values of one ENV are expanded before any of them is set, so that the reference finds the old value or none.",
    bad: "FROM debian:12\nENV HOME_DIR=/srv DATA_DIR=$HOME_DIR/data\n",
    good: "FROM debian:12\nENV HOME_DIR=/srv\nENV DATA_DIR=$HOME_DIR/data\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        let parents = subject.chain(view.position).into_iter().skip(1);
        let parents: Vec<_> = parents.flat_map(|view| view.instructions).collect();
        for instruction in parents.into_iter().chain(view.instructions) {
            match &instruction.kind {
                InstructionKind::Arg(args) => {
                    known.extend(args.iter().map(|arg| arg.name.text.as_str()));
                }
                InstructionKind::Env(pairs) => {
                    let keys: Vec<&str> = pairs.iter().map(|pair| pair.key.text.as_str()).collect();
                    for pair in pairs {
                        let own = pair.key.text.as_str();
                        let wrong = keys.iter().find(|key| {
                            **key != own && !known.contains(**key) && refers(&pair.value.text, key)
                        });
                        let here = view
                            .instructions
                            .iter()
                            .any(|one| std::ptr::eq(one, instruction));
                        if let Some(key) = wrong.filter(|_| here) {
                            report
                                .add(
                                    pair.value.span,
                                    format!("${key} is set by the same ENV and not seen yet"),
                                )
                                .help(format!("set {key} in an ENV of its own above"));
                        }
                    }
                    known.extend(keys);
                }
                _ => {}
            }
        }
    }
}

/// Whether a value holds `$name` or `${name…}`.
fn refers(value: &str, name: &str) -> bool {
    value.match_indices('$').any(|(at, _)| {
        let rest = &value[at + 1..];
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.strip_prefix(name).is_some_and(|tail| {
            !tail.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        })
    })
}
