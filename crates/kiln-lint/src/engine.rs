//! Running the rules, and deciding which of their findings count.

use crate::directive::CheckOptions;
use crate::facts::Facts;
use crate::finding::{Finding, Report};
use crate::options::Options;
use crate::pragma::Pragmas;
use crate::rule::{self, Family, Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::Comment;
use kiln_dockerfile::{Diagnostic, Dockerfile, Parsed, SourceFile, Span};
use std::collections::BTreeSet;

/// Lints a parsed file. The result is in source order.
pub fn lint(
    source: &SourceFile,
    parsed: &Parsed,
    facts: &Facts,
    options: &Options,
) -> Vec<Finding> {
    let mut all = run(source, &parsed.file, facts, options, &mut Vec::new());
    add_parse_errors(parsed, options, &mut all);
    sort(&mut all);
    all
}

/// The checks of `docker build --check`, as a build reports them. The result is in source order; with
/// `error=true` every finding is an error.
pub fn check(source: &SourceFile, file: &Dockerfile, facts: &Facts) -> Vec<Diagnostic> {
    let options = Options {
        families: BTreeSet::from([Family::Docker]),
        ..Options::default()
    };
    let mut diagnostics = Vec::new();
    let mut all = run(source, file, facts, &options, &mut diagnostics);
    sort(&mut all);
    diagnostics.extend(all.iter().map(Finding::diagnostic));
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    diagnostics
}

fn sort(all: &mut [Finding]) {
    all.sort_by_key(|finding| (finding.span.start, finding.rule.code));
}

fn run(
    source: &SourceFile,
    file: &Dockerfile,
    facts: &Facts,
    options: &Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Finding> {
    let pragmas = Pragmas::read(source, file);
    let directives = Directives::read(file, facts, diagnostics);
    let subject = Subject::new(source, file, facts, options, &pragmas);
    let spans = instruction_spans(file);
    let mut all = Vec::new();
    for rule in rule::all() {
        let severity = options.severity(rule);
        if severity == Severity::Ignore {
            continue;
        }
        let mut report = Report::new(rule, severity);
        (rule.check)(&subject, &mut report);
        for mut finding in report.into_findings() {
            finding.instruction = instruction_at(&spans, finding.span);
            let line = source.position(finding.instruction.start).line;
            // DL1001 is about the pragmas themselves.
            let ignored = pragmas.ignores(rule.code, line) && rule.code != "DL1001";
            if ignored && !options.disable_ignore_pragma {
                continue;
            }
            if rule.family() == Family::Docker && !directives.allow(rule, &mut finding) {
                continue;
            }
            all.push(finding);
        }
    }
    all
}

/// What the parser refuses, but for what a rule says better.
fn add_parse_errors(parsed: &Parsed, options: &Options, all: &mut Vec<Finding>) {
    let severity = options.severity(&rule::PARSE_ERROR);
    if severity == Severity::Ignore {
        return;
    }
    let told = |span: Span| {
        all.iter().any(|finding| {
            matches!(finding.rule.code, "DL3043" | "DL3061")
                && finding.instruction.start <= span.start
                && span.start <= finding.instruction.end
        })
    };
    let misplaced = !parsed.file.misplaced.is_empty();
    let errors: Vec<Finding> = parsed
        .diagnostics
        .iter()
        .filter(|error| error.severity == kiln_dockerfile::Severity::Error && !told(error.span))
        .filter(|error| {
            !(misplaced
                && parsed.file.stages.is_empty()
                && error.message.starts_with("there is no stage"))
        })
        .map(|error| Finding {
            rule: &rule::PARSE_ERROR,
            severity,
            message: error.message.clone(),
            span: error.span,
            instruction: error.span,
            help: error.help.clone(),
            fix: None,
        })
        .collect();
    all.extend(errors);
}

/// The spans of all instructions, in source order.
fn instruction_spans(file: &Dockerfile) -> Vec<Span> {
    let mut spans: Vec<Span> = file.stages.iter().map(|stage| stage.span).collect();
    let steps = file.stages.iter().flat_map(|stage| &stage.instructions);
    let steps = file.global_args.iter().chain(&file.misplaced).chain(steps);
    spans.extend(steps.map(|step| step.span));
    spans.sort_by_key(|span| span.start);
    spans
}

/// The instruction that a place is in; the place itself if it is in none.
fn instruction_at(spans: &[Span], place: Span) -> Span {
    let next = spans.partition_point(|span| span.start <= place.start);
    let own = spans[..next].last().filter(|span| holds(**span, place));
    own.copied().unwrap_or(place)
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.start < outer.end.max(outer.start + 1)
}

/// docker's directives: the file's, and those above single instructions.
struct Directives {
    global: CheckOptions,
    /// In source order.
    local: Vec<(Span, CheckOptions)>,
}

impl Directives {
    fn read(file: &Dockerfile, facts: &Facts, diagnostics: &mut Vec<Diagnostic>) -> Directives {
        let global = match (&facts.options, &file.directives.check) {
            (Some(options), _) => options.clone(),
            (None, Some(word)) => CheckOptions::parse(&word.text).unwrap_or_else(|error| {
                diagnostics.push(Diagnostic::error(word.span, error.to_string()));
                CheckOptions::default()
            }),
            (None, None) => CheckOptions::default(),
        };
        Directives {
            global,
            local: local_options(file, diagnostics),
        }
    }

    /// Whether a finding counts; it becomes an error where the file says so.
    fn allow(&self, rule: &Rule, finding: &mut Finding) -> bool {
        // In source order, so the last one that begins at or before the finding is the only candidate.
        let next = self
            .local
            .partition_point(|(span, _)| span.start <= finding.span.start);
        let own = self.local[..next]
            .last()
            .filter(|(span, _)| holds(*span, finding.span));
        let merged = own.map(|(_, own)| self.global.merged(own));
        let options = merged.as_ref().unwrap_or(&self.global);
        if options.error {
            finding.severity = Severity::Error;
        }
        options.allows(rule.code, rule.experimental)
    }
}

/// The options of single instructions: `# check=` comments directly above them.
fn local_options(
    file: &Dockerfile,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Span, CheckOptions)> {
    let stages = file.stages.iter().flat_map(|stage| {
        let own = std::iter::once((stage.span, &stage.comments));
        own.chain(
            stage
                .instructions
                .iter()
                .map(|step| (step.span, &step.comments)),
        )
    });
    let globals = file.global_args.iter().map(|arg| (arg.span, &arg.comments));
    let mut all = Vec::new();
    for (span, comments) in globals.chain(stages) {
        for comment in comments {
            // The file's own directive may stand directly above the first instruction.
            let directive = file.directives.check.as_ref();
            if directive.is_some_and(|word| holds(comment.span, word.span)) {
                continue;
            }
            match directive_of(comment).map(CheckOptions::parse) {
                Some(Ok(options)) => all.push((span, options)),
                Some(Err(error)) => {
                    diagnostics.push(Diagnostic::error(comment.span, error.to_string()));
                }
                None => {}
            }
        }
    }
    all
}

/// What follows `check=` in a comment.
fn directive_of(comment: &Comment) -> Option<&str> {
    let (key, value) = comment.text.split_once('=')?;
    key.trim()
        .eq_ignore_ascii_case("check")
        .then_some(value.trim())
}
