//! From an instruction to a script: which text the shell gets, which shell it is, and where each of its
//! bytes stands in the Dockerfile.

use super::ast::List;
use super::invocation::Invocation;
use super::parser::{self, Problem};
use crate::subject::StageView;
use kiln_dockerfile::logical::{Logical, LogicalLine};
use kiln_dockerfile::syntax::{CommandLine, Heredoc, Instruction, InstructionKind, Run};
use kiln_dockerfile::{Span, Stage};
use std::collections::{BTreeSet, HashMap};

/// Which shell reads a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `sh`: what POSIX has, and no more is sure.
    Sh,
    /// `bash`, or another with its extensions.
    Bash,
    /// Something that is no POSIX shell; its scripts are not parsed.
    Other,
}

impl Dialect {
    /// By the program's name.
    pub fn of_program(program: &str) -> Dialect {
        let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
        match name.trim_end_matches(".exe") {
            "sh" | "dash" | "ash" | "busybox" => Dialect::Sh,
            "bash" | "ksh" | "zsh" | "mksh" => Dialect::Bash,
            _ => Dialect::Other,
        }
    }
}

/// How offsets in the script become places in the source.
#[derive(Clone, Debug)]
enum Places {
    /// The script is the line's text from here on.
    Line(LogicalLine, usize),
    /// The script stands in the source as it is, from here on.
    Verbatim(usize, usize),
    /// There is only one place.
    Whole,
}

/// A `RUN`, alone or as a trigger, with its script.
#[derive(Clone, Debug)]
pub struct ShellRun<'a> {
    /// The position of its stage in [`crate::Subject::views`].
    pub view: usize,
    /// Its position among the stage's instructions.
    pub position: usize,
    /// The instruction that is written: `RUN`, or the `ONBUILD` around it.
    pub instruction: &'a Instruction,
    /// The `RUN`.
    pub run: &'a Run,
    /// Whether it is a trigger.
    pub onbuild: bool,
    /// Which shell it is for.
    pub dialect: Dialect,
    /// Whether the shell is started with `-o pipefail`.
    pub pipefail: bool,
    /// Whether a `SHELL` instruction or a pragma chose the shell.
    pub shell_set: bool,
    /// The script's text; empty for an exec form.
    pub text: String,
    /// The script; empty for an exec form that starts no shell.
    pub script: List,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Every command in it.
    pub commands: Vec<Invocation>,
    /// The variables that ENV and ARG set before.
    pub variables: BTreeSet<String>,
    places: Places,
}

impl ShellRun<'_> {
    /// Where a range of the script stands in the source.
    pub fn place(&self, span: Span) -> Span {
        let whole = self.instruction.span;
        match &self.places {
            Places::Line(line, offset) => {
                let end = (span.end + offset).min(line.text.len());
                let start = (span.start + offset).min(end);
                line.place(start..end)
            }
            Places::Verbatim(start, end) => {
                Span::new((start + span.start).min(*end), (start + span.end).min(*end))
            }
            Places::Whole => whole,
        }
    }

    /// Whether the script's bytes have places of their own, so that they can be edited.
    pub fn editable(&self, span: Span) -> bool {
        let placed = self.place(span);
        !matches!(self.places, Places::Whole) && placed.end - placed.start == span.end - span.start
    }

    /// Whether a cache or tmpfs mount covers a path.
    pub fn mounts(&self, path: &str) -> bool {
        self.mount_targets()
            .any(|target| target.trim_end_matches('/') == path)
    }

    /// The targets of its cache and tmpfs mounts.
    pub fn mount_targets(&self) -> impl Iterator<Item = &str> {
        use kiln_dockerfile::syntax::MountKey;
        self.run.mounts.iter().filter_map(|mount| {
            let kind = mount.value(MountKey::Type)?;
            let fits = matches!(kind.text.as_str(), "cache" | "tmpfs");
            let target = mount.value(MountKey::Target)?;
            fits.then_some(target.text.as_str())
        })
    }
}

/// The shell that is in force.
#[derive(Clone)]
struct Shell {
    dialect: Dialect,
    pipefail: bool,
    set: bool,
}

impl Default for Shell {
    fn default() -> Shell {
        Shell {
            dialect: Dialect::Sh,
            pipefail: false,
            set: false,
        }
    }
}

impl Shell {
    fn of(words: &[String]) -> Shell {
        let program = words.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or_default();
        Shell {
            dialect: Dialect::of_program(program),
            // What POSIX calls sh need not know the option.
            pipefail: !matches!(name, "sh" | "dash") && words.iter().any(|word| word == "pipefail"),
            set: true,
        }
    }
}

/// All scripts of a file.
pub(crate) fn runs<'a>(
    views: &[StageView<'a>],
    lines: &[Logical],
    shells: &[(usize, String)],
) -> Vec<ShellRun<'a>> {
    let by_start: HashMap<usize, &LogicalLine> = lines
        .iter()
        .map(|one| (one.line.span.start, &one.line))
        .collect();
    let mut all = Vec::new();
    let mut ends: HashMap<String, BTreeSet<String>> = HashMap::new();
    for view in views {
        let mut shell = Shell::default();
        let mut variables = inherited(view.stage, &ends);
        let mut from = view.stage.map_or(0, |stage| stage.span.end);
        for (position, instruction) in view.instructions.iter().enumerate() {
            let until = instruction.span.start;
            for (at, name) in shells {
                if (from..until).contains(at) {
                    let words: Vec<String> = name.split_whitespace().map(str::to_string).collect();
                    shell = Shell::of(&words);
                }
            }
            from = instruction.span.end;
            match &instruction.kind {
                InstructionKind::Shell(words) => shell = Shell::of(words),
                InstructionKind::Env(pairs) => {
                    variables.extend(pairs.iter().map(|pair| pair.key.text.clone()));
                }
                InstructionKind::Arg(args) => {
                    variables.extend(args.iter().map(|arg| arg.name.text.clone()));
                }
                _ => {}
            }
            let (inner, onbuild) = match &instruction.kind {
                InstructionKind::Onbuild(onbuild) => (&*onbuild.instruction, true),
                _ => (instruction, false),
            };
            if let InstructionKind::Run(run) = &inner.kind {
                let line = by_start.get(&instruction.span.start).copied();
                let mut one = script(run, &shell, line, instruction);
                one.view = view.position;
                one.position = position;
                one.onbuild = onbuild;
                one.variables.clone_from(&variables);
                all.push(one);
            }
        }
        if let Some(name) = view.stage.and_then(Stage::lower_name) {
            ends.insert(name, variables);
        }
    }
    all
}

fn inherited(stage: Option<&Stage>, ends: &HashMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let base = stage.map(|stage| stage.from.image.text.to_ascii_lowercase());
    base.and_then(|base| ends.get(&base))
        .cloned()
        .unwrap_or_default()
}

fn script<'a>(
    run: &'a Run,
    shell: &Shell,
    line: Option<&LogicalLine>,
    instruction: &'a Instruction,
) -> ShellRun<'a> {
    let mut one = ShellRun {
        view: 0,
        position: 0,
        instruction,
        run,
        onbuild: false,
        dialect: shell.dialect,
        pipefail: shell.pipefail,
        shell_set: shell.set,
        text: String::new(),
        script: List::default(),
        problems: Vec::new(),
        commands: Vec::new(),
        variables: BTreeSet::new(),
        places: Places::Whole,
    };
    match &run.command {
        CommandLine::Exec(words) => {
            one.commands.extend(Invocation::of_words(words));
            if let [program, flags, text, ..] = words.as_slice()
                && Dialect::of_program(program) != Dialect::Other
                && flags.starts_with('-')
                && flags.ends_with('c')
            {
                one.dialect = Dialect::of_program(program);
                one.commands.clear();
                one.text.clone_from(text);
            } else {
                return one;
            }
        }
        CommandLine::Shell(word) => {
            one.text.clone_from(&word.text);
            if let Some(line) = line {
                let offset = line.text.len().saturating_sub(word.text.len());
                one.places = Places::Line(line.clone(), offset);
            }
            if let Some((heredoc, program)) = sole_heredoc(run, &word.text) {
                if !program.is_empty() {
                    one.dialect = Dialect::of_program(&program);
                }
                one.text.clone_from(&heredoc.content);
                one.places = Places::Verbatim(heredoc.span.start, heredoc.span.end);
            }
        }
    }
    if one.dialect != Dialect::Other {
        let (script, problems) = parser::parse(&one.text);
        one.commands = Invocation::all(&script, &one.text);
        one.script = script;
        one.problems = problems;
    }
    one
}

/// The here-document that is the script, and the program that reads it: none named means the shell.
fn sole_heredoc<'a>(run: &'a Run, text: &str) -> Option<(&'a Heredoc, String)> {
    let [heredoc] = run.heredocs.as_slice() else {
        return None;
    };
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !word.contains("<<"))
        .collect();
    let first = heredoc.content.lines().next().unwrap_or_default();
    match words.as_slice() {
        [] => {
            let program = first.strip_prefix("#!").map(|line| {
                let mut words = line.split_whitespace();
                let program = words.next().unwrap_or_default();
                match program.ends_with("/env") {
                    true => words.next().unwrap_or_default(),
                    false => program,
                }
            });
            Some((heredoc, program.unwrap_or_default().to_string()))
        }
        [program, flags @ ..] if flags.iter().all(|flag| flag.starts_with('-')) => {
            Some((heredoc, (*program).to_string()))
        }
        _ => None,
    }
}
