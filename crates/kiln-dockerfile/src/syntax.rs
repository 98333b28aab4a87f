//! The syntax tree: what is written, with variables still in it, and where.

mod files;
mod run;

pub use files::{Add, Copy, Heredoc, Source};
pub use run::{Device, MountField, MountFlag, MountKey, NetworkMode, Run, SecurityMode};

use crate::span::Span;
use std::time::Duration;

/// A piece of text and its place. For JSON forms and quoted flags the place is that of the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text as written: quotes, escapes and variables are still there.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl Word {
    /// A word at a place.
    pub fn new(text: impl Into<String>, span: Span) -> Word {
        Word {
            text: text.into(),
            span,
        }
    }

    /// Whether a `$` in it might start a variable.
    pub fn has_variable(&self) -> bool {
        self.text.contains('$')
    }
}

/// A `#` line, without the `#` and the blanks around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The text.
    pub text: String,
    /// Where it stands, from the `#`.
    pub span: Span,
}

/// The parser directives at the top of the file, and `#!` or JSON forms of `syntax`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend image. kiln has its own frontend and only reports it.
    pub syntax: Option<Word>,
    /// `# escape=`: the value as written, `\` or `` ` `` if it is valid.
    pub escape: Option<Word>,
    /// `# check=`: options of the checks, as written.
    pub check: Option<Word>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The directives at the top.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`; their kind is always [`InstructionKind::Arg`].
    pub global_args: Vec<Instruction>,
    /// Instructions before the first `FROM` that may not stand there. A build refuses them; those who
    /// only look at a file still want to see them.
    pub misplaced: Vec<Instruction>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Every comment, directives included, in order.
    pub comments: Vec<Comment>,
    /// Blank lines inside continuations.
    pub empty_continuations: Vec<Span>,
    /// Whether the escape character is the backtick instead of the backslash.
    pub backtick: bool,
}

impl Dockerfile {
    /// The escape character: `\` or `` ` ``.
    pub fn escape(&self) -> char {
        if self.backtick { '`' } else { '\\' }
    }
}

/// One build stage: `FROM` and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Position in the file, from 0; `COPY --from=0` means this.
    pub index: usize,
    /// The name as written after `AS`; compare it with [`Stage::has_name`].
    pub name: Option<Word>,
    /// The `FROM` itself.
    pub from: From,
    /// What follows, in order.
    pub instructions: Vec<Instruction>,
    /// The `FROM` instruction's span.
    pub span: Span,
    /// The comments directly above the `FROM`.
    pub comments: Vec<Comment>,
    /// The `FROM` line with its continuations joined.
    pub original: String,
}

impl Stage {
    /// Whether this stage is called `name`, letter case not counted.
    pub fn has_name(&self, name: &str) -> bool {
        self.name
            .as_ref()
            .is_some_and(|own| own.text.eq_ignore_ascii_case(name))
    }

    /// The name in lower case, as the build knows it.
    pub fn lower_name(&self) -> Option<String> {
        self.name
            .as_ref()
            .map(|name| name.text.to_ascii_lowercase())
    }

    /// What the comment above says about the stage: `# name what it is for`.
    pub fn description(&self) -> Option<&str> {
        let name = self.lower_name()?;
        self.comments.iter().find_map(|comment| {
            comment
                .text
                .strip_prefix(&name)?
                .strip_prefix(' ')
                .map(str::trim)
        })
    }
}

/// A `FROM` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// `FROM` as written.
    pub keyword: Word,
    /// `AS` as written.
    pub as_keyword: Option<Word>,
    /// The image, stage or `scratch`; variables of the global scope may be in it.
    pub image: Word,
    /// `--platform`; variables of the global scope may be in it.
    pub platform: Option<Word>,
}

/// One instruction of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The instruction's name as written.
    pub keyword: Word,
    /// What it says.
    pub kind: InstructionKind,
    /// From its name to its end, here-documents included.
    pub span: Span,
    /// The line as written with its continuations joined, without here-document bodies.
    pub original: String,
    /// The comments directly above.
    pub comments: Vec<Comment>,
}

/// What an instruction says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstructionKind {
    /// `RUN`: execute a command.
    Run(Run),
    /// `COPY`: take files of the context, a stage, an image or a here-document.
    Copy(Copy),
    /// `ADD`: like COPY, and archives, URLs and git repositories.
    Add(Add),
    /// `ENV`: variables of the image.
    Env(Vec<KeyValue>),
    /// `ARG`: variables of the build.
    Arg(Vec<ArgDefinition>),
    /// `LABEL`: metadata.
    Label(Vec<KeyValue>),
    /// `EXPOSE`: ports as written.
    Expose(Vec<Word>),
    /// `USER`: name or id, with an optional group.
    User(Word),
    /// `WORKDIR`: a directory, relative to the one before.
    Workdir(Word),
    /// `VOLUME`: mount points.
    Volume(Vec<Word>),
    /// `CMD`: the default command or its arguments.
    Cmd(CommandLine),
    /// `ENTRYPOINT`: the program.
    Entrypoint(CommandLine),
    /// `SHELL`: what runs shell forms.
    Shell(Vec<String>),
    /// `HEALTHCHECK`: how to see whether a container is well.
    Healthcheck(Healthcheck),
    /// `STOPSIGNAL`: what ends a container.
    Stopsignal(Word),
    /// `ONBUILD`: an instruction for images built on this one.
    Onbuild(Onbuild),
    /// `MAINTAINER`: the author (deprecated).
    Maintainer(Word),
}

impl InstructionKind {
    /// The name in upper case.
    pub fn name(&self) -> &'static str {
        match self {
            InstructionKind::Run(_) => "RUN",
            InstructionKind::Copy(_) => "COPY",
            InstructionKind::Add(_) => "ADD",
            InstructionKind::Env(_) => "ENV",
            InstructionKind::Arg(_) => "ARG",
            InstructionKind::Label(_) => "LABEL",
            InstructionKind::Expose(_) => "EXPOSE",
            InstructionKind::User(_) => "USER",
            InstructionKind::Workdir(_) => "WORKDIR",
            InstructionKind::Volume(_) => "VOLUME",
            InstructionKind::Cmd(_) => "CMD",
            InstructionKind::Entrypoint(_) => "ENTRYPOINT",
            InstructionKind::Shell(_) => "SHELL",
            InstructionKind::Healthcheck(_) => "HEALTHCHECK",
            InstructionKind::Stopsignal(_) => "STOPSIGNAL",
            InstructionKind::Onbuild(_) => "ONBUILD",
            InstructionKind::Maintainer(_) => "MAINTAINER",
        }
    }
}

/// A command in one of its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Text for the shell; may be empty.
    Shell(Word),
    /// A JSON array of strings; may be empty.
    Exec(Vec<String>),
}

/// One pair of ENV or LABEL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The name.
    pub key: Word,
    /// The value.
    pub value: Word,
    /// Written as `KEY value` without `=`.
    pub legacy: bool,
}

/// One name of ARG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgDefinition {
    /// The name.
    pub name: Word,
    /// The default.
    pub default: Option<Word>,
}

/// `HEALTHCHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`: no check, not even an inherited one.
    None,
    /// `HEALTHCHECK … CMD …`.
    Test {
        /// The command.
        command: CommandLine,
        /// When.
        timing: HealthTiming,
    },
}

/// The options of a health check; what is absent keeps the runtime's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthTiming {
    /// `--interval`: between two checks.
    pub interval: Option<Duration>,
    /// `--timeout`: for one check.
    pub timeout: Option<Duration>,
    /// `--start-period`: during which failures do not count.
    pub start_period: Option<Duration>,
    /// `--start-interval`: between two checks in the start period.
    pub start_interval: Option<Duration>,
    /// `--retries`: failures in a row that count.
    pub retries: Option<u32>,
}

/// `ONBUILD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger's text for the image's config, here-documents included.
    pub trigger: String,
    /// The same, parsed.
    pub instruction: Box<Instruction>,
}
