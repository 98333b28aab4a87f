//! Builds every case with kiln and with its oracle, BuildKit as a rule, and compares what comes out.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Options;
use crate::builders::Builder;
use crate::case::Case;
use crate::cases;
use crate::compare::{Depth, Difference, compare, equal_layers};
use crate::flatten::{Flat, read_archive};
use crate::known::{self, Known};
use crate::peers::Peers;
use crate::table;

/// What every case came to.
pub(crate) struct Outcome {
    rows: Vec<Row>,
    /// Differences that were explained and no longer occur.
    stale: Vec<&'static Known>,
}

/// One case.
struct Row {
    name: &'static str,
    verdict: Verdict,
    /// Layers with the same bytes, and all layers.
    layers: (usize, usize),
    explained: Vec<(Difference, &'static Known)>,
    /// What buildah does otherwise than BuildKit, if it was asked.
    buildah: Option<Vec<String>>,
}

enum Verdict {
    Equal,
    /// Both refuse it.
    Refused,
    Different(Vec<Difference>),
    Broken(String),
}

impl Outcome {
    /// Whether nothing is unexplained.
    pub(crate) fn is_well(&self) -> bool {
        self.stale.is_empty() && self.rows.iter().all(Row::is_well)
    }
}

impl Row {
    fn is_well(&self) -> bool {
        matches!(self.verdict, Verdict::Equal | Verdict::Refused)
    }
}

/// Runs the cases that `options` selects.
pub(crate) fn run(peers: &Peers, rootfs: &Path, options: &Options) -> Result<Outcome, String> {
    let selected: Vec<Case> = cases::all()
        .filter(|case| options.wants(case.name))
        .collect();
    if selected.is_empty() {
        return Ok(Outcome {
            rows: vec![],
            stale: vec![],
        });
    }
    let mut builders = vec![Builder::Kiln, Builder::BuildKit];
    if options.buildah || selected.iter().any(|case| case.oracle == Builder::Buildah) {
        builders.push(Builder::Buildah);
    }
    for builder in builders {
        let name = builder.name();
        builder
            .import(peers, rootfs)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    let start = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let start = i64::try_from(start).unwrap_or(i64::MAX);
    let mut rows = Vec::new();
    for case in &selected {
        let row = check(peers, case, start, options.buildah);
        eprintln!(
            "{} {}",
            if row.is_well() { "ok    " } else { "FAILED" },
            case.name
        );
        rows.push(row);
    }
    let ran: BTreeSet<&str> = selected.iter().map(|case| case.name).collect();
    let met = |known: &&'static Known| {
        let used = rows.iter().flat_map(|row| &row.explained);
        used.into_iter()
            .any(|(_, used)| std::ptr::eq(*used, *known))
    };
    let due = |known: &&'static Known| match known.case {
        known::EVERY => options.names.is_empty(),
        name => ran.contains(name),
    };
    let stale = known::KNOWN
        .iter()
        .filter(due)
        .filter(|known| !met(known))
        .collect();
    Ok(Outcome { rows, stale })
}

fn check(peers: &Peers, case: &Case, start: i64, with_buildah: bool) -> Row {
    let mut row = Row {
        name: case.name,
        verdict: Verdict::Equal,
        layers: (0, 0),
        explained: vec![],
        buildah: None,
    };
    let folder = peers.work().join("cases").join(case.name);
    if let Err(error) = case.write(&folder) {
        row.verdict = Verdict::Broken(error);
        return row;
    }
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = scope.spawn(|| case.oracle.build(peers, case, &folder));
        let ours = Builder::Kiln.build(peers, case, &folder);
        (
            ours,
            theirs
                .join()
                .unwrap_or_else(|_| Err("the thread panicked".to_owned())),
        )
    });
    let oracle = match judge(case, ours, theirs) {
        Ok((ours, theirs)) => match (read_archive(&ours), read_archive(&theirs)) {
            (Ok(ours), Ok(theirs)) => {
                let differences = differences(&mut row, case.oracle, &theirs, &ours, start);
                hold(&mut row, differences);
                Some(theirs)
            }
            (ours, theirs) => {
                let errors = [ours.err(), theirs.err()].into_iter().flatten();
                row.verdict = Verdict::Broken(errors.collect::<Vec<_>>().join("\n"));
                None
            }
        },
        Err(judgement) => {
            match judgement {
                Judgement::Refused => row.verdict = Verdict::Refused,
                Judgement::Broken(error) => row.verdict = Verdict::Broken(error),
                Judgement::Difference(difference) => hold(&mut row, vec![difference]),
            }
            None
        }
    };
    if with_buildah && case.oracle == Builder::BuildKit {
        row.buildah = Some(ask_buildah(peers, case, &folder, oracle.as_ref(), start));
    }
    row
}

/// The two archives, or what it means that there are not two.
fn judge(
    case: &Case,
    ours: Result<PathBuf, String>,
    theirs: Result<PathBuf, String>,
) -> Result<(PathBuf, PathBuf), Judgement> {
    let differs = |oracle: String, subject: String| {
        Judgement::Difference(Difference {
            place: "outcome".to_owned(),
            oracle,
            subject,
        })
    };
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if !case.refused => Ok((ours, theirs)),
        (Err(ours), Err(_)) if case.refused && is_a_clear_error(&ours) => Err(Judgement::Refused),
        (Ok(_), Ok(_)) => Err(Judgement::Broken("both builders accept it".to_owned())),
        (Ok(_), Err(theirs)) => Err(differs(end(&theirs), "accepts it".to_owned())),
        (Err(ours), Ok(_)) if is_a_clear_error(&ours) => {
            Err(differs("accepts it".to_owned(), end(&ours)))
        }
        (ours, theirs) => {
            let said = |result: Result<PathBuf, String>| end(&result.err().unwrap_or_default());
            let oracle = case.oracle.name();
            Err(Judgement::Broken(format!(
                "kiln:\n{}\n{oracle}:\n{}",
                said(ours),
                said(theirs)
            )))
        }
    }
}

/// What there is to say when there are not two images to compare.
enum Judgement {
    Refused,
    Difference(Difference),
    Broken(String),
}

/// The last lines of what a builder said, where the reason is.
fn end(said: &str) -> String {
    let lines: Vec<&str> = said.trim_end().lines().collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

/// A refusal is only one if it was meant: a crash or a panic, which ends with 101, is none.
fn is_a_clear_error(said: &str) -> bool {
    let status = said.lines().next().unwrap_or_default();
    status.contains("exit status: ")
        && !status.ends_with("exit status: 101")
        && said.to_lowercase().contains("error")
}

fn differences(
    row: &mut Row,
    oracle: Builder,
    theirs: &Flat,
    ours: &Flat,
    start: i64,
) -> Vec<Difference> {
    let (their_base, our_base) = (oracle.base(), Builder::Kiln.base());
    let depth = if oracle == Builder::BuildKit {
        Depth::All
    } else {
        Depth::Result
    };
    row.layers = equal_layers(theirs, ours, their_base);
    compare((theirs, their_base), (ours, our_base), start, depth)
}

/// Sorts the differences into explained ones and others.
fn hold(row: &mut Row, differences: Vec<Difference>) {
    let mut unexplained = Vec::new();
    for difference in differences {
        match known::explain(row.name, &difference) {
            Some(known) => row.explained.push((difference, known)),
            None => unexplained.push(difference),
        }
    }
    if !unexplained.is_empty() {
        row.verdict = Verdict::Different(unexplained);
    }
}

/// Where buildah differs from BuildKit, a line for each place.
fn ask_buildah(
    peers: &Peers,
    case: &Case,
    folder: &Path,
    oracle: Option<&Flat>,
    start: i64,
) -> Vec<String> {
    let built = Builder::Buildah.build(peers, case, folder);
    let flat = match (&built, oracle) {
        (Ok(_), None) => return vec!["builds it".to_owned()],
        (Err(_), None) => return vec![],
        (Err(said), Some(_)) => {
            let last = said
                .lines()
                .rfind(|line| line.contains("rror"))
                .unwrap_or_default();
            return vec![format!("refuses it: {last}")];
        }
        (Ok(archive), Some(_)) => read_archive(archive),
    };
    let (Ok(flat), Some(oracle)) = (&flat, oracle) else {
        return vec!["its archive cannot be read".to_owned()];
    };
    let bases = (Builder::BuildKit.base(), Builder::Buildah.base());
    compare((oracle, bases.0), (flat, bases.1), start, Depth::Result)
        .iter()
        .map(
            |Difference {
                 place,
                 oracle,
                 subject,
             }| format!("{place}: `{subject}`, not `{oracle}`"),
        )
        .collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        for row in &self.rows {
            match &row.verdict {
                Verdict::Equal | Verdict::Refused => {}
                Verdict::Broken(error) => writeln!(f, "\n{}: {error}", row.name)?,
                Verdict::Different(differences) => {
                    writeln!(f, "\n{}:", row.name)?;
                    for Difference {
                        place,
                        oracle,
                        subject,
                    } in differences
                    {
                        writeln!(
                            f,
                            "  {place}\n    expected: {oracle}\n    kiln:     {subject}"
                        )?;
                    }
                }
            }
        }
        for known in &self.stale {
            writeln!(
                f,
                "\n{}: {} no longer differs: {}",
                known.case, known.place, known.reason
            )?;
        }
        self.write_table(f)?;
        self.write_buildah(f)?;
        let count = |test: fn(&Row) -> bool| self.rows.iter().filter(|row| test(row)).count();
        let explained = count(|row| row.is_well() && !row.explained.is_empty());
        writeln!(
            f,
            "\n{} cases: {} equal, {} refused by both, {explained} explained, {} failed",
            self.rows.len(),
            count(|row| matches!(row.verdict, Verdict::Equal) && row.explained.is_empty()),
            count(|row| matches!(row.verdict, Verdict::Refused)),
            count(|row| !row.is_well()) + self.stale.len(),
        )
    }
}

impl Outcome {
    fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines =
            vec![["case", "result", "layers of the same bytes", "explained"].map(str::to_owned)];
        for row in &self.rows {
            let result = match (&row.verdict, row.explained.is_empty()) {
                (Verdict::Equal, true) => "equal",
                (Verdict::Equal, false) => "explained",
                (Verdict::Refused, _) => "refused by both",
                _ => "FAILED",
            };
            let reasons: BTreeSet<&str> = row
                .explained
                .iter()
                .map(|(_, known)| known.reason)
                .collect();
            lines.push([
                row.name.to_owned(),
                result.to_owned(),
                format!("{} of {}", row.layers.0, row.layers.1),
                reasons.into_iter().collect::<Vec<_>>().join("; "),
            ]);
        }
        table::write(f, &lines)
    }

    fn write_buildah(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self
            .rows
            .iter()
            .filter_map(|row| Some((row.name, row.buildah.as_ref()?)));
        let mut differ = asked.filter(|(_, lines)| !lines.is_empty()).peekable();
        if differ.peek().is_some() {
            writeln!(f, "\nwhere buildah differs from BuildKit:")?;
        }
        for (name, lines) in differ {
            writeln!(f, "- {name}")?;
            for line in lines {
                writeln!(f, "  - {line}")?;
            }
        }
        Ok(())
    }
}
