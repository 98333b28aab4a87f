//! `kiln lint`: advice on Dockerfiles, and putting right what can be put right.

pub(crate) mod inputs;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_dockerfile::SourceFile;
use kiln_lint::output::{Format, Linted, render};
use kiln_lint::{FailOn, Options, Rule, Severity};

use super::Context;
use crate::ui::{self, report::Report};

/// Look for what is wrong or could be better in Dockerfiles, and put it right
///
/// docker's build checks, hadolint's rules, those of shells and kiln's own; each has a page (--explain).
#[derive(Debug, clap::Args)]
pub(crate) struct LintArgs {
    /// Dockerfiles, or directories that have one; `-` reads standard input [default: the Dockerfile here]
    files: Vec<PathBuf>,
    /// Read one Dockerfile from standard input
    #[arg(long, conflicts_with = "files")]
    stdin: bool,
    /// What to call standard input in messages
    #[arg(long, value_name = "NAME", default_value = "-")]
    stdin_name: String,
    /// tty, json, sarif, junit, gitlab or checkstyle
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<Format>,
    /// Exit with 1 for findings of this severity and above: error, warning, info, style or none
    /// [default: info]
    #[arg(
        long,
        short = 't',
        value_name = "SEVERITY",
        alias = "failure-threshold"
    )]
    fail_on: Option<FailOn>,
    /// A rule that should not run; repeatable
    #[arg(long, value_name = "CODE")]
    ignore: Vec<String>,
    /// Rules that run and no others: codes, or docker, hadolint, shell, kiln; repeatable
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    only: Vec<String>,
    /// Another severity for a rule; repeatable
    #[arg(long, value_name = "CODE=SEVERITY")]
    severity: Vec<String>,
    /// A registry that bases may come from; repeatable
    #[arg(long, value_name = "REGISTRY")]
    trusted_registry: Vec<String>,
    /// A label that must be there, and what it must hold; repeatable
    #[arg(long, value_name = "LABEL:TYPE")]
    require_label: Vec<String>,
    /// No labels but the required ones
    #[arg(long)]
    strict_labels: bool,
    /// Pay no heed to `# hadolint ignore=` and `# kiln ignore=`
    #[arg(long)]
    disable_ignore_pragma: bool,
    /// The configuration to read [default: kiln-lint.toml, .hadolint.yaml or .hadolint.yml here or above]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The build context, for rules about it [default: the Dockerfile's directory]
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Put right what can be, after showing the difference
    #[arg(long)]
    fix: bool,
    /// With --fix: also what changes the image
    #[arg(long = "unsafe", requires = "fix")]
    all: bool,
    /// With --fix: show the difference and write nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Show what a rule is about
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// List all rules
    #[arg(long)]
    list: bool,
}

/// Looks at every file.
pub(crate) fn lint(context: &Context, args: &LintArgs) -> Result<ExitCode, Report> {
    if let Some(name) = &args.explain {
        return explain(name);
    }
    if args.list {
        return list();
    }
    let options = settings::options(&context.environment, args)?;
    let sources = inputs::read(&context.environment, args)?;
    let mut facts = inputs::FactsOfDirectories::new(args.context.as_deref());
    if args.fix {
        return fix(args, &options, &sources, &mut facts);
    }
    let linted: Vec<Linted> = sources
        .into_iter()
        .map(|input| {
            let facts = facts.of(&input);
            let parsed = kiln_dockerfile::parse(&input.source);
            let findings = kiln_lint::lint(&input.source, &parsed, &facts, &options);
            Linted {
                source: input.source,
                findings,
            }
        })
        .collect();
    let format = match (args.format, &options.format) {
        (Some(format), _) => format,
        (None, Some(name)) => name.parse().map_err(Report::usage)?,
        (None, None) => Format::Tty,
    };
    let text = render(&linted, format);
    if !text.is_empty() {
        ui::print(&text)?;
    }
    Ok(verdict(args, &options, &linted))
}

/// 1 if something is bad enough. The findings were printed; there is nothing to add.
fn verdict(args: &LintArgs, options: &Options, linted: &[Linted]) -> ExitCode {
    let fail_on = args
        .fail_on
        .or(options.fail_on)
        .unwrap_or(FailOn::Severity(Severity::Info));
    let bad = |severity: Severity| match fail_on {
        FailOn::Severity(least) => severity >= least,
        FailOn::Never => false,
    };
    let mut findings = linted.iter().flat_map(|file| &file.findings);
    ExitCode::from(u8::from(findings.any(|finding| bad(finding.severity))))
}

fn fix(
    args: &LintArgs,
    options: &Options,
    sources: &[inputs::Input],
    facts: &mut inputs::FactsOfDirectories,
) -> Result<ExitCode, Report> {
    for input in sources {
        let fixed = kiln_lint::fix(&input.source, &facts.of(input), options, args.all);
        let Some(path) = &input.path else {
            ui::print(&String::from_utf8_lossy(&fixed.text))?;
            continue;
        };
        let shown = difference(&input.source, &fixed.text);
        if shown.is_empty() {
            continue;
        }
        ui::print(&shown)?;
        if !args.dry_run {
            replace(path, &fixed.text)?;
            let count = fixed.applied.len();
            ui::note(&format!(
                "{}: {count} finding(s) put right\n",
                input.source.name
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a new text changes, as `diff -u` shows it, without control characters.
pub(crate) fn difference(source: &SourceFile, text: &[u8]) -> String {
    let old = String::from_utf8_lossy(source.text());
    let new = String::from_utf8_lossy(text);
    let diff = kiln_lint::diff::unified(&source.name, &old, &new);
    let visible = |letter: char| match letter {
        '\n' | '\t' => letter,
        control if control.is_control() => '\u{fffd}',
        other => other,
    };
    diff.chars().map(visible).collect()
}

/// Replaces a file at once, so that an interruption leaves the old one whole. A symbolic link stays one.
pub(crate) fn replace(path: &std::path::Path, text: &[u8]) -> Result<(), Report> {
    let failed =
        |error: std::io::Error| Report::new(format!("cannot write `{}`: {error}", path.display()));
    let path = std::fs::canonicalize(path).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.kiln-{}", std::process::id()));
    let permissions = std::fs::metadata(&path).map_err(failed)?.permissions();
    let written = std::fs::write(&new, text)
        .and_then(|()| std::fs::set_permissions(&new, permissions))
        .and_then(|()| std::fs::rename(&new, &path));
    written.map_err(|error| {
        // What was half written is in nobody's way for long.
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}

fn explain(name: &str) -> Result<ExitCode, Report> {
    let rule = find(name)?;
    ui::print(&kiln_lint::pages::page(rule))?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<ExitCode, Report> {
    let mut out = String::new();
    for rule in kiln_lint::rules() {
        out.push_str(&format!(
            "{:34} {:8} {}\n",
            rule.code,
            rule.severity.name(),
            rule.summary
        ));
    }
    ui::print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// The rule that a person means.
fn find(name: &str) -> Result<&'static Rule, Report> {
    kiln_lint::find_rule(name).ok_or_else(|| {
        let codes = kiln_lint::rules().map(|rule| rule.code);
        let near = kiln_dockerfile::suggest::nearest(name, codes);
        let report = Report::usage(format!("there is no rule {name:?}"));
        match near {
            Some(near) => report.hint(format!("did you mean {near}?")),
            None => report.hint("`kiln lint --list` shows them all"),
        }
    })
}
