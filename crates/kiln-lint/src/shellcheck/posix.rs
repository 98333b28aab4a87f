//! What bash has and POSIX's sh need not: found once, told by a rule for each.

use crate::finding::Report;
use crate::shell::ast::{
    Assignment, Command, Kind, Parameter, Part, Pipeline, Redirect, Simple, Substitution, Word,
};
use crate::shell::{Dialect, ShellRun, Visitor, walk};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// A feature that sh need not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    Process,
    DollarQuotes,
    ArithmeticCommand,
    Braces,
    DoubleBracket,
    HereString,
    DoubleEquals,
    BothRedirect,
    PipeBoth,
    Array,
    EchoFlags,
    Pipefail,
    Local,
    Builtin,
    SourceWord,
    ArrayElement,
    Substring,
    Replacement,
}

impl Feature {
    /// All of them.
    pub(super) const ALL: [Feature; 18] = [
        Feature::Process,
        Feature::DollarQuotes,
        Feature::ArithmeticCommand,
        Feature::Braces,
        Feature::DoubleBracket,
        Feature::HereString,
        Feature::DoubleEquals,
        Feature::BothRedirect,
        Feature::PipeBoth,
        Feature::Array,
        Feature::EchoFlags,
        Feature::Pipefail,
        Feature::Local,
        Feature::Builtin,
        Feature::SourceWord,
        Feature::ArrayElement,
        Feature::Substring,
        Feature::Replacement,
    ];
}

/// Reports the places of a feature in scripts for sh.
pub(super) fn report(subject: &Subject<'_>, report: &mut Report, wanted: Feature) {
    for run in super::scripts(subject).filter(|run| run.dialect == Dialect::Sh) {
        let mut found = Found {
            run,
            list: Vec::new(),
        };
        walk(&run.script, &mut found);
        for (feature, span) in found.list {
            if feature == wanted {
                report
                    .add(
                        run.place(span),
                        "a shell that knows POSIX only does not understand this",
                    )
                    .help("choose bash with SHELL, or write it in another way");
            }
        }
    }
}

struct Found<'r, 'a> {
    run: &'r ShellRun<'a>,
    list: Vec<(Feature, Span)>,
}

impl Found<'_, '_> {
    fn add(&mut self, feature: Feature, span: Span) {
        self.list.push((feature, span));
    }

    fn invoked(&mut self, name: &str, simple: &Simple, span: Span) {
        let args: Vec<&str> = simple
            .words
            .iter()
            .skip(1)
            .filter_map(|word| word.plain())
            .collect();
        match name {
            "[" | "test" if args.contains(&"==") => self.add(Feature::DoubleEquals, span),
            // `-n` alone is known nearly everywhere.
            "echo"
                if args.first().is_some_and(|first| {
                    first.len() > 1 && first.starts_with('-') && *first != "-n"
                }) =>
            {
                self.add(Feature::EchoFlags, span);
            }
            "set" if args.contains(&"pipefail") => self.add(Feature::Pipefail, span),
            "local" => self.add(Feature::Local, span),
            "source" => self.add(Feature::SourceWord, span),
            "pushd" | "popd" | "dirs" | "shopt" | "declare" | "typeset" | "let" | "mapfile"
            | "readarray" | "compgen" | "complete" | "enable" | "help" | "disown" | "suspend" => {
                self.add(Feature::Builtin, span);
            }
            _ => {}
        }
    }
}

impl Visitor for Found<'_, '_> {
    fn pipeline(&mut self, pipeline: &Pipeline) {
        for pair in pipeline.commands.windows(2) {
            let between = self.run.text.get(pair[0].span.end..pair[1].span.start);
            if between.is_some_and(|text| text.contains("|&")) {
                self.add(Feature::PipeBoth, pair[0].span.to(pair[1].span));
            }
        }
    }

    fn command(&mut self, command: &Command) {
        match &command.kind {
            Kind::Test(words) => {
                self.add(Feature::DoubleBracket, command.span);
                if words.iter().any(|word| word.plain() == Some("==")) {
                    self.add(Feature::DoubleEquals, command.span);
                }
            }
            Kind::Arithmetic(_) => self.add(Feature::ArithmeticCommand, command.span),
            _ => {}
        }
    }

    fn simple(&mut self, simple: &Simple, command: &Command) {
        if let Some(name) = simple.name() {
            self.invoked(&name, simple, command.span);
        }
        for part in simple.words.iter().flat_map(Word::unquoted) {
            if let Part::Literal(text, span) = part
                && let Some(open) = text.find('{')
                && text[open..].contains('}')
                && (text[open..].contains(',') || text[open..].contains(".."))
            {
                self.add(Feature::Braces, *span);
            }
        }
    }

    fn assignment(&mut self, assignment: &Assignment) {
        if assignment.array {
            self.add(Feature::Array, assignment.span);
        }
    }

    fn redirect(&mut self, redirect: &Redirect) {
        match redirect.operator.as_str() {
            "<<<" => self.add(Feature::HereString, redirect.span),
            "&>" | "&>>" => self.add(Feature::BothRedirect, redirect.span),
            _ => {}
        }
    }

    fn part(&mut self, part: &Part, _: bool) {
        match part {
            Part::Command {
                style: Substitution::Process,
                span,
                ..
            } => self.add(Feature::Process, *span),
            Part::Single(_, span) if self.run.text[span.start..].starts_with("$'") => {
                self.add(Feature::DollarQuotes, *span);
            }
            _ => {}
        }
    }

    fn parameter(&mut self, parameter: &Parameter, _: bool) {
        if parameter.index.is_some() {
            self.add(Feature::ArrayElement, parameter.span);
        }
        match parameter.operator.as_str() {
            "/" => self.add(Feature::Replacement, parameter.span),
            ":" => self.add(Feature::Substring, parameter.span),
            _ => {}
        }
    }
}
