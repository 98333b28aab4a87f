//! Which files are looked at, and what is known of the directories around them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_dockerfile::SourceFile;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_lint::{ContextFacts, Day, Facts};

use super::LintArgs;
use crate::environment::Environment;
use crate::ui::report::Report;

/// The names of a Dockerfile that is not named.
const DEFAULTS: [&str; 2] = ["Dockerfile", "Containerfile"];

/// No Dockerfile is larger; what is, was named by mistake.
const LIMIT: u64 = 16 << 20;

/// How many files of a context are counted; what is larger is large enough.
const COUNTED: usize = 5_000;

/// A file to look at.
pub(crate) struct Input {
    /// Its text, under the name that was given.
    pub(crate) source: SourceFile,
    /// Where it is; nothing for standard input.
    pub(crate) path: Option<PathBuf>,
}

/// Reads what the command line names.
pub(super) fn read(environment: &Environment, args: &LintArgs) -> Result<Vec<Input>, Report> {
    if args.stdin {
        return Ok(vec![standard_input(&args.stdin_name)?]);
    }
    files(environment, &args.files, &args.stdin_name)
}

/// The files, directories and `-` of a command line; none means the Dockerfile here.
pub(crate) fn files(
    environment: &Environment,
    names: &[PathBuf],
    stdin: &str,
) -> Result<Vec<Input>, Report> {
    if names.is_empty() {
        let found = DEFAULTS
            .iter()
            .find(|name| environment.directory.join(name).is_file());
        let name = found.ok_or_else(|| {
            Report::usage("there is no Dockerfile here").hint("name one, or use --stdin")
        })?;
        return Ok(vec![file(environment, Path::new(name))?]);
    }
    let one = |name: &PathBuf| match name.as_os_str() == "-" {
        true => standard_input(stdin),
        false => file(environment, name),
    };
    names.iter().map(one).collect()
}

fn standard_input(name: &str) -> Result<Input, Report> {
    let mut text = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(LIMIT + 1)
        .read_to_end(&mut text);
    read.map_err(|error| Report::new(format!("cannot read standard input: {error}")))?;
    small_enough(name, text.len())?;
    Ok(Input {
        source: SourceFile::new(name, text),
        path: None,
    })
}

fn small_enough(name: &str, length: usize) -> Result<(), Report> {
    match u64::try_from(length).is_ok_and(|length| length <= LIMIT) {
        true => Ok(()),
        false => Err(Report::new(format!(
            "{name} is larger than 16 MiB, and no Dockerfile"
        ))),
    }
}

fn file(environment: &Environment, name: &Path) -> Result<Input, Report> {
    let mut name = name.to_owned();
    let mut path = environment.absolute(&name);
    if path.is_dir() {
        let found = DEFAULTS.iter().find(|default| path.join(default).is_file());
        let found = found.ok_or_else(|| {
            Report::new(format!("there is no Dockerfile in `{}`", name.display()))
        })?;
        name.push(found);
        path.push(found);
    }
    let failed =
        |error: std::io::Error| Report::new(format!("cannot read `{}`: {error}", name.display()));
    let mut text = Vec::new();
    let file = std::fs::File::open(&path).map_err(failed)?;
    file.take(LIMIT + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    small_enough(&name.display().to_string(), text.len())?;
    Ok(Input {
        source: SourceFile::new(name.display().to_string(), text),
        path: Some(path),
    })
}

/// What is known of each directory, looked up once.
pub(super) struct FactsOfDirectories {
    context: Option<PathBuf>,
    today: Option<Day>,
    known: BTreeMap<PathBuf, ContextFacts>,
}

impl FactsOfDirectories {
    pub(super) fn new(context: Option<&Path>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        Self {
            context: context.map(Path::to_owned),
            today: now
                .and_then(|now| i64::try_from(now.as_secs()).ok())
                .map(Day::of_unix_time),
            known: BTreeMap::new(),
        }
    }

    /// What is known beside a file.
    pub(super) fn of(&mut self, input: &Input) -> Facts {
        let own = input
            .path
            .as_ref()
            .and_then(|path| path.parent())
            .map(Path::to_owned);
        let context = self.context.clone().or(own).map(|folder| {
            let known = self
                .known
                .entry(folder.clone())
                .or_insert_with(|| look(&folder));
            let mut facts = known.clone();
            // `<Dockerfile>.dockerignore` comes before the context's own.
            let beside = input.path.as_ref().map(|path| {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(".dockerignore");
                path.with_file_name(name)
            });
            if let Some(text) = beside.and_then(|path| std::fs::read_to_string(path).ok()) {
                facts.ignore = Some(text);
            }
            facts
        });
        let ignore = context.as_ref().and_then(|context| context.ignore.as_ref());
        Facts {
            ignore: ignore.and_then(|text| IgnoreFile::parse(text.as_bytes()).ok()),
            context,
            today: self.today,
            ..Facts::default()
        }
    }
}

fn look(folder: &Path) -> ContextFacts {
    let mut entries: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            name.push('/');
        }
        entries.push(name);
        if entries.len() >= COUNTED {
            break;
        }
    }
    entries.sort();
    ContextFacts {
        ignore: std::fs::read_to_string(folder.join(".dockerignore")).ok(),
        entries,
        bytes: 0,
    }
}
