//! SC2016: nothing is expanded in single quotes.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2016",
    name: "quoted-variable",
    severity: Severity::Info,
    summary: "Nothing is expanded in single quotes",
    why: "The text stays as it is written, dollar sign and all.",
    bad: "FROM debian:12\nRUN echo 'home is $HOME'\n",
    good: "FROM debian:12\nRUN echo \"home is $HOME\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            const OTHERS: [&str; 24] = [
                "alias",
                "ash",
                "awk",
                "bash",
                "dash",
                "docker",
                "dpkg-query",
                "envsubst",
                "eval",
                "find",
                "gawk",
                "jq",
                "ksh",
                "mawk",
                "perl",
                "podman",
                "rename",
                "sed",
                "sh",
                "ssh",
                "su",
                "trap",
                "xargs",
                "zsh",
            ];
            let Some(name) = simple.name() else { return };
            if OTHERS.contains(&name.as_str()) {
                return;
            }
            for part in simple.words.iter().skip(1).flat_map(|word| &word.parts) {
                if let Part::Single(text, span) = part
                    && !run.text[span.start..].starts_with('$')
                    && expands(text)
                {
                    report
                        .add(run.place(*span), "this is not expanded")
                        .help("use double quotes if it should be");
                }
            }
        });
    }
}

/// Whether the text would be expanded in double quotes.
fn expands(text: &str) -> bool {
    let starts = |next: char| next.is_ascii_alphabetic() || matches!(next, '_' | '{' | '(');
    let dollar = text
        .match_indices('$')
        .any(|(at, _)| text[at + 1..].starts_with(starts));
    dollar || text.matches('`').count() > 1
}
