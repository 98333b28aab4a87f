//! `cargo xtask bench NAME`: kiln and its peers in turn on the same input.
//!
//! Times of one machine mean nothing on another, and a machine's own speed drifts; a ratio from one
//! run in which the contenders take turns (A, B, C, A, B, C, …) means something on both.
//!
//! A benchmark is a file in this folder: a function that makes a [`Suite`], and a line in
//! [`SUITES`].

mod analyze;
mod assemble;
mod build;
mod compress;
mod frame;
mod lint;
mod machine;
mod measure;
mod registry;
mod report;
mod trust;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use measure::{Sample, measure};
use report::Report;

/// One way to do the work.
pub(crate) struct Contender {
    /// As shown in the table.
    pub(crate) name: String,
    /// Brings everything to the same start before each round; not measured.
    pub(crate) prepare: Box<dyn FnMut() -> Result<(), String>>,
    /// The command that is measured, with its arguments, folder and environment.
    pub(crate) command: Box<dyn Fn() -> Command>,
    /// Processes that work for the command without being its children, such as a daemon. Their
    /// memory counts too.
    pub(crate) daemons: Vec<u32>,
    /// The file that the command writes, if its size is of interest. It is removed before each
    /// round.
    pub(crate) written: Option<PathBuf>,
}

impl Contender {
    /// A contender that needs no preparation and no daemon.
    pub(crate) fn new(name: &str, command: impl Fn() -> Command + 'static) -> Self {
        Self {
            name: name.to_owned(),
            prepare: Box::new(|| Ok(())),
            command: Box::new(command),
            daemons: Vec::new(),
            written: None,
        }
    }
}

/// A benchmark: the contenders, the first of which the others are compared with.
pub(crate) struct Suite {
    /// What is measured, in a line.
    pub(crate) title: String,
    /// Where the work happens: names the file system.
    pub(crate) folder: PathBuf,
    /// In the order in which they take turns.
    pub(crate) contenders: Vec<Contender>,
}

/// What the command line says about how to measure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// Rounds that count.
    pub(crate) rounds: usize,
    /// What sizes are multiplied with, above zero.
    pub(crate) scale: f64,
    /// The kiln to measure; a release build of this tree if none is named.
    pub(crate) kiln: Option<PathBuf>,
}

type MakeSuite = fn(&Path, &Settings) -> Result<Suite, String>;

/// Every benchmark by its name. The function gets the repository's root.
const SUITES: &[(&str, MakeSuite)] = &[
    ("frame", frame::suite),
    ("analyze", analyze::suite),
    ("compress", compress::suite),
    ("assemble-warm", assemble::warm),
    ("assemble-cold", assemble::cold),
    ("build-clean", build::clean),
    ("build-copy", build::copy),
    ("build-again", build::again),
    ("build-again-fewer", build::again_fewer),
    ("build-changed", build::changed),
    ("build-export", build::export),
    ("build-memory", build::memory),
    ("build-run", build::run),
    ("trust-sign", trust::sign),
    ("trust-junk", trust::junk),
    ("lint-corpus", lint::corpus),
    ("lint-one", lint::one),
];

const ROUNDS: usize = 5;

/// Runs the benchmarks that `arguments` name: `NAME [--rounds N] [--scale F] [--kiln FILE]`. Part of
/// a name before a hyphen stands for all that begin with it.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode, String> {
    let (name, flags) = arguments.split_first().ok_or_else(usage)?;
    let settings = settings(flags)?;
    if *name == "registry" {
        // Two servers under many loads: a table of its own.
        return registry::run(root, &settings);
    }
    let group = format!("{name}-");
    let wanted = |known: &str| known == *name || known.starts_with(&group);
    let selected: Vec<_> = SUITES.iter().filter(|(known, _)| wanted(known)).collect();
    if selected.is_empty() {
        return Err(format!("no benchmark `{name}`; there are: {}", names()));
    }
    for (_, make) in selected {
        let report = compete(make(root, &settings)?, settings.rounds)?;
        println!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

fn usage() -> String {
    format!(
        "bench NAME [--rounds N] [--scale F] [--kiln FILE], NAME one of: {}",
        names()
    )
}

fn settings(flags: &[&str]) -> Result<Settings, String> {
    let mut settings = Settings {
        rounds: ROUNDS,
        scale: 1.0,
        kiln: None,
    };
    for pair in flags.chunks(2) {
        match *pair {
            ["--rounds", rounds] => {
                let parsed = rounds.parse().ok().filter(|rounds| *rounds > 0);
                settings.rounds = parsed.ok_or(format!("`{rounds}` is no number of rounds"))?;
            }
            ["--scale", scale] => {
                let parsed = scale
                    .parse()
                    .ok()
                    .filter(|scale: &f64| scale.is_normal() && *scale > 0.0);
                settings.scale = parsed.ok_or(format!("`{scale}` is no scale"))?;
            }
            ["--kiln", kiln] => settings.kiln = Some(kiln.into()),
            _ => return Err(usage()),
        }
    }
    Ok(settings)
}

fn names() -> String {
    SUITES
        .iter()
        .map(|(name, _)| *name)
        .chain(["registry"])
        .collect::<Vec<_>>()
        .join(", ")
}

/// Lets the contenders take turns. One round before the first warms the caches and is not counted.
fn compete(mut suite: Suite, rounds: usize) -> Result<Report, String> {
    let mut samples: Vec<Vec<Sample>> = suite.contenders.iter().map(|_| Vec::new()).collect();
    let mut written = vec![None; suite.contenders.len()];
    for round in 0..=rounds {
        let kept = samples.iter_mut().zip(&mut written);
        for (contender, (samples, written)) in suite.contenders.iter_mut().zip(kept) {
            let wrong = |error: String| format!("{}: {error}", contender.name);
            (contender.prepare)().map_err(wrong)?;
            if let Some(file) = &contender.written {
                // It is not there before the first round.
                let _ = fs::remove_file(file);
            }
            let sample = measure(&mut (contender.command)(), &contender.daemons).map_err(wrong)?;
            eprintln!(
                "round {round}: {} {:.3} s",
                contender.name,
                sample.wall.as_secs_f64()
            );
            if round > 0 {
                samples.push(sample);
            }
            if let Some(file) = &contender.written {
                let facts = fs::metadata(file);
                let facts = facts.map_err(|error| wrong(format!("{}: {error}", file.display())))?;
                *written = Some(facts.len());
            }
        }
    }
    let names = suite.contenders.into_iter().map(|contender| contender.name);
    Ok(Report {
        title: suite.title,
        machine: machine::describe(&suite.folder),
        rows: names.zip(samples).collect(),
        written,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn contenders_take_turns_and_the_first_round_is_not_counted() {
        let turns = Rc::new(RefCell::new(String::new()));
        let contenders = ["A", "B"].map(|name| {
            let turns = turns.clone();
            Contender {
                prepare: Box::new(move || {
                    turns.borrow_mut().push_str(name);
                    Ok(())
                }),
                ..Contender::new(name, || Command::new("true"))
            }
        });
        let suite = Suite {
            title: "turns".to_owned(),
            folder: "/".into(),
            contenders: contenders.into(),
        };
        let report = compete(suite, 2).expect("true succeeds");
        assert_eq!(*turns.borrow(), "ABABAB");
        assert!(report.rows.iter().all(|(_, samples)| samples.len() == 2));
    }

    #[test]
    fn a_failing_contender_ends_the_run() {
        let command = || {
            let mut command = Command::new("sh");
            command.args(["-c", "echo no such thing >&2; exit 1"]);
            command
        };
        let suite = Suite {
            title: String::new(),
            folder: "/".into(),
            contenders: vec![Contender::new("bad", command)],
        };
        let error = compete(suite, 1).err().expect("it fails");
        assert!(
            error.contains("bad") && error.contains("no such thing"),
            "{error}"
        );
    }

    #[test]
    fn arguments_are_checked() {
        let root = Path::new("/");
        for arguments in [
            &[][..],
            &["nothing"],
            &["frame", "--rounds", "0"],
            &["frame", "x"],
            &["frame", "--scale", "-1"],
            &["frame", "--scale"],
        ] {
            assert!(run(root, arguments).is_err(), "{arguments:?}");
        }
    }
}
