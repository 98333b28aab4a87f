//! `InvalidDefinitionDescription`: a comment directly above FROM or ARG is shown as its description if it begins with the name.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::span::Span;
use kiln_dockerfile::syntax::{Comment, InstructionKind};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "InvalidDefinitionDescription",
    name: "invalid-definition-description",
    severity: Severity::Warning,
    summary: "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`",
    why: "A comment directly above FROM or ARG is shown by `--call=outline` as its description, if it begins with the name.",
    bad: "# check=experimental=all\n# the compiler\nFROM debian:12 AS build\n",
    good: "# check=experimental=all\n# build the compiler\nFROM debian:12 AS build\n",
    experimental: true,
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        if let Some(name) = stage.lower_name() {
            describe("FROM", &[&name], &stage.comments, stage.span, report);
        }
    }
    for instruction in subject
        .file
        .global_args
        .iter()
        .chain(subject.instructions())
    {
        if let InstructionKind::Arg(args) = &instruction.kind {
            let names: Vec<&str> = args.iter().map(|arg| arg.name.text.as_str()).collect();
            describe(
                "ARG",
                &names,
                &instruction.comments,
                instruction.span,
                report,
            );
        }
    }
}

/// Looks at the last comment; an empty one, or a directive, says that none is meant.
fn describe(
    instruction: &str,
    names: &[&str],
    comments: &[Comment],
    at: Span,
    report: &mut Report,
) {
    let Some(comment) = comments.last() else {
        return;
    };
    let first = comment.text.split(' ').next().unwrap_or_default();
    let directive = comment.text.split('=').next().is_some_and(|key| {
        ["check", "syntax", "escape"]
            .iter()
            .any(|known| key.trim().eq_ignore_ascii_case(known))
    });
    if first.is_empty() || directive || names.contains(&first) {
        return;
    }
    let name = match names {
        [only] => only,
        _ => "<arg_key>",
    };
    let message =
        format!("comment for {instruction} should follow the format `# {name} <description>`");
    let help = "put an empty line or an empty comment below it if it is no description".to_string();
    report.add_with_help(at, message, Some(help));
}
