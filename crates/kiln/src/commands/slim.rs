//! `kiln slim`: an image with only what its program needs, shown to work.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use kiln_analyze::rewrite::Rewritten;
use kiln_analyze::slim::{
    Probe, SlimMode, SlimOptions, SlimPlan, SlimReport, Verdict, Workload, missing, observe, run,
};
use kiln_oci::Image;
use kiln_run::sandbox::Network;
use serde_json::json;

use super::Context;
use crate::rewriting::{self, Desk, Outcome, RewriteArgs, failed};
use crate::ui::{self, report::Report, size::Size, table::Table};

/// The most tests of one search for what is missing.
const MAX_TESTS: usize = 200;

/// Rows of the tables for a person; the report has all.
const ROWS: usize = 12;

/// Make an image that has only what its program needs, and prove that it works
///
/// What stays follows from the image: what it runs, the libraries and interpreters of that, its settings, certificates,
/// time zones, licences and the list of packages. The same test is then run in the image and in the slim one. If it
/// fails there, kiln searches for the files that it needs and prints them.
#[derive(Debug, clap::Args)]
pub(crate) struct SlimArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
    /// static: what the files tell; observed: and what the test reads, of modules only that; package: whole packages
    #[arg(long, value_enum, default_value = "static", value_name = "MODE")]
    mode: Mode,
    /// Files that stay in any case: a pattern in which * stays within a directory and ** does not
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// While the image's program runs, this shell command of this machine must succeed: `curl -f http://localhost:8080`
    #[arg(long, value_name = "COMMAND", group = "how")]
    test: Option<String>,
    /// While the image's program runs, this command must succeed in the image [default: its HEALTHCHECK]
    #[arg(long, value_name = "COMMAND", group = "how")]
    check: Option<String>,
    /// Instead of the image's program, this command is run in it and must end well; also what --mode observed watches
    #[arg(long, value_name = "COMMAND", group = "how")]
    exec: Option<String>,
    /// Do not run anything: whether the slim image works is not known
    #[arg(long, group = "how")]
    no_test: bool,
    /// Variable for the image's program: NAME=VALUE
    #[arg(long, short, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Seconds until the test must have succeeded
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// If the test fails, put back what it needs and go on
    #[arg(long)]
    repair: bool,
    /// Write what went and why to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The modes as words.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Mode {
    Static,
    Observed,
    Package,
}

impl From<Mode> for SlimMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Static => Self::Static,
            Mode::Observed => Self::Observed,
            Mode::Package => Self::Package,
        }
    }
}

/// Slims, and tests what came of it.
pub(crate) fn slim(context: &Context, args: &SlimArgs) -> Result<ExitCode, Report> {
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let outside = || outside(args.test.as_deref().unwrap_or_default());
        let workload = workload(args, image, &outside)?;
        let slimming = Slimming {
            desk,
            image,
            args,
            workload,
        };
        slimming.run()
    })
}

/// Runs a shell command of this machine. What it prints is not for anyone.
fn outside(command: &str) -> io::Result<bool> {
    let status = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}

/// What is run to see whether the image works; nothing with `--no-test`.
fn workload<'a>(
    args: &SlimArgs,
    image: &Image,
    outside: &'a (dyn Fn() -> io::Result<bool> + Sync),
) -> Result<Option<Workload<'a>>, Report> {
    let shell = |text: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()];
    let mut command = None;
    let probe = if args.no_test {
        return Ok(None);
    } else if args.test.is_some() {
        Probe::Outside(outside)
    } else if let Some(check) = &args.check {
        Probe::Inside(words(check))
    } else if let Some(exec) = &args.exec {
        command = Some(words(exec));
        Probe::Ends
    } else {
        let check = image.config.config.healthcheck.as_ref();
        let test = check.map(|check| &check.test[..]).unwrap_or_default();
        match test {
            [kind, words @ ..] if kind == "CMD" => Probe::Inside(words.to_vec()),
            [kind, text] if kind == "CMD-SHELL" => Probe::Inside(shell(text)),
            _ => {
                return Err(Report::usage("nothing says how to know whether the image works")
                    .hint("name a test with --test, --check or --exec; the image has no HEALTHCHECK")
                    .hint("--no-test slims without any"));
            }
        }
    };
    let mut env = vec![];
    for variable in &args.env {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Report::usage(format!("--env {variable}: expected NAME=VALUE")))?;
        env.push((name.to_owned(), value.to_owned()));
    }
    Ok(Some(Workload {
        command,
        env,
        probe,
        patience: Duration::from_secs(args.timeout),
        network: Network::Host,
    }))
}

/// A command as words: quotes hold words together, as in a shell; nothing else is special.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

struct Slimming<'a> {
    desk: &'a Desk<'a>,
    image: &'a Image,
    args: &'a SlimArgs,
    workload: Option<Workload<'a>>,
}

impl Slimming<'_> {
    fn run(&self) -> Result<Outcome, Report> {
        let rewriter = self.desk.rewriter;
        let mut options = SlimOptions {
            mode: self.args.mode.into(),
            keep: self.args.keep.clone(),
            ..SlimOptions::default()
        };
        if let Some(workload) = &self.workload {
            options.commands.extend(workload.command.clone());
            if let Probe::Inside(command) = &workload.probe {
                options.commands.push(command.clone());
            }
        }
        self.try_original(&mut options)?;
        let mut plan = rewriter.slim_plan(self.image, &options).map_err(failed)?;
        let mut slim = rewriter.slim(self.image, &plan).map_err(failed)?;
        let mut rules = vec![];
        if let Some(workload) = &self.workload
            && let Verdict::Failed { why, output } = self.verdict(&slim.image, workload)?
        {
            ui::note(&format!("the test fails in the slim image: {why}"));
            rules = self.search(&plan, workload)?;
            if !self.args.repair || rules.is_empty() {
                return Err(self.unfinished(&rules, &output));
            }
            for rule in &rules {
                let path = rule.trim_start_matches('/').as_bytes().to_vec();
                plan.kept.insert(path, "needed by the test".to_owned());
            }
            slim = rewriter.slim(self.image, &plan).map_err(failed)?;
        }
        let report = rewriter.slim_report(self.image, &plan).map_err(failed)?;
        self.outcome(slim, &report, &rules)
    }

    /// Shows that the test passes in the image as it is, and what it reads if that matters.
    fn try_original(&self, options: &mut SlimOptions) -> Result<(), Report> {
        let Some(workload) = &self.workload else {
            return match options.mode {
                SlimMode::Observed => {
                    Err(Report::usage("--mode observed needs something to observe"))
                }
                _ => Ok(()),
            };
        };
        let verdict = if options.mode == SlimMode::Observed {
            let flat = self.desk.rewriter.flatten(self.image).map_err(failed)?;
            let (store, lease) = (self.desk.store, self.desk.lease);
            let seen = observe(store, lease, &flat.image, workload, self.desk.cancelled)?;
            options.observed = seen.paths;
            seen.verdict
        } else {
            self.verdict(self.image, workload)?
        };
        match verdict {
            Verdict::Passed => Ok(()),
            Verdict::Failed { why, output } => {
                let report = Report::new(format!("the test fails in the image itself: {why}"));
                Err(match output.trim() {
                    "" => report,
                    output => report.hint(format!("it printed: {output}")),
                })
            }
        }
    }

    fn verdict(&self, image: &Image, workload: &Workload<'_>) -> Result<Verdict, Report> {
        let (store, lease) = (self.desk.store, self.desk.lease);
        match run(store, lease, image, workload, self.desk.cancelled) {
            Err(kiln_analyze::slim::TrialError::Cancelled) => Err(Report::interrupted()),
            verdict => Ok(verdict?),
        }
    }

    /// Finds the files that the test needs, first by package or directory, then one by one.
    fn search(&self, plan: &SlimPlan, workload: &Workload<'_>) -> Result<Vec<String>, Report> {
        let groups = self
            .desk
            .rewriter
            .slim_groups(self.image, plan)
            .map_err(failed)?;
        let names: Vec<&String> = groups.keys().collect();
        ui::note(&format!(
            "searching {} packages and directories for what it needs",
            names.len()
        ));
        let passes = |back: &[&String]| {
            let paths = back.iter().flat_map(|name| &groups[*name]);
            self.passes_with(plan, paths, workload)
        };
        let found = missing(&names, MAX_TESTS, passes)?;
        for name in &found.needed {
            ui::note(&format!("it needs something of {name}"));
        }
        let files: Vec<&Vec<u8>> = found
            .needed
            .iter()
            .flat_map(|name| &groups[*name])
            .collect();
        let passes = |back: &[&Vec<u8>]| self.passes_with(plan, back.iter().copied(), workload);
        let exact = missing(&files, MAX_TESTS, passes)?;
        let shown = |path: &&Vec<u8>| format!("/{}", String::from_utf8_lossy(path));
        Ok(exact.needed.iter().map(shown).collect())
    }

    /// Whether the test passes with these paths put back.
    fn passes_with<'p>(
        &self,
        plan: &SlimPlan,
        back: impl Iterator<Item = &'p Vec<u8>>,
        workload: &Workload<'_>,
    ) -> Result<bool, Report> {
        let mut plan = plan.clone();
        plan.kept
            .extend(back.map(|path| (path.clone(), String::new())));
        let slim = self.desk.rewriter.slim(self.image, &plan).map_err(failed)?;
        Ok(self.verdict(&slim.image, workload)? == Verdict::Passed)
    }

    fn unfinished(&self, rules: &[String], output: &str) -> Report {
        let mut report = Report::new("the test fails in the slim image; nothing was named");
        if !output.trim().is_empty() {
            report = report.hint(format!("it printed: {}", output.trim()));
        }
        if rules.is_empty() {
            return report
                .hint("no removed file makes it pass again: the test may not be reliable");
        }
        for rule in rules {
            report = report.hint(format!("--keep '{rule}'"));
        }
        report.hint("or let kiln put it back with --repair")
    }

    fn outcome(
        &self,
        slim: Rewritten,
        report: &SlimReport,
        rules: &[String],
    ) -> Result<Outcome, Report> {
        let tested = match (&self.workload, rules) {
            (None, _) => "not tested",
            (Some(_), []) => "passed in both images",
            (Some(_), _) => "passed after files were put back",
        };
        let facts = json!({ "slim": report, "test": tested, "put_back": rules });
        if let Some(path) = &self.args.report {
            let path = self.desk.context.environment.absolute(path);
            std::fs::write(&path, format!("{facts:#}\n")).map_err(|error| {
                Report::new(format!("cannot write `{}`: {error}", path.display()))
            })?;
        }
        for library in &report.missing_libraries {
            ui::note(&format!("warning: not found: {library}"));
        }
        Ok(Outcome {
            rewritten: slim,
            facts,
            lines: shown(report, rules, tested),
        })
    }
}

fn shown(report: &SlimReport, rules: &[String], tested: &str) -> String {
    let mut removed = Table::new(&["REMOVED", "FILES", "BYTES"]);
    for row in report.removed.iter().take(ROWS) {
        let bytes = Size(row.bytes).to_string();
        removed.row(vec![row.group.clone(), row.entries.to_string(), bytes]);
    }
    let mut kept = Table::new(&["KEPT", "FILES", "BYTES"]);
    for row in report.kept.iter().take(ROWS) {
        kept.row(vec![
            row.why.clone(),
            row.entries.to_string(),
            Size(row.bytes).to_string(),
        ]);
    }
    let mut text = format!("{}{}", removed.render(), kept.render());
    for rule in rules {
        text.push_str(&format!("put back: {rule}\n"));
    }
    text.push_str(&format!("test: {tested}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(
            words("a 'b c' \"d'e\" f''g ''"),
            ["a", "b c", "d'e", "fg", ""]
        );
        assert!(words("  ").is_empty());
    }
}
