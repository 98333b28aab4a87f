//! The syntax tree: what is written, with variables still in it, and where.

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
    /// `# check=`: options of the checks, parsed by [`crate::check::CheckOptions::parse`].
    pub check: Option<Word>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The directives at the top.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`; their kind is always [`InstructionKind::Arg`].
    pub global_args: Vec<Instruction>,
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

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The terminator, which is also the file's name in COPY and ADD.
    pub name: String,
    /// Whether variables in it are expanded: no part of the name was quoted.
    pub expand: bool,
    /// `<<-`: leading tabs are not part of it.
    pub strip_tabs: bool,
    /// The number before `<<`, 0 if there is none.
    pub descriptor: u32,
    /// The lines as written, tabs included.
    pub content: String,
    /// Where the lines stand, terminator included.
    pub span: Span,
}

impl Heredoc {
    /// The lines, without leading tabs if `<<-` asked for that.
    pub fn stripped(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// `--mount`s, in order.
    pub mounts: Vec<MountFlag>,
    /// `--network`.
    pub network: NetworkMode,
    /// `--security`.
    pub security: SecurityMode,
    /// `--device`s, in order.
    pub devices: Vec<Device>,
    /// The command.
    pub command: CommandLine,
    /// The here-documents that its text opens, in order.
    pub heredocs: Vec<Heredoc>,
}

/// `RUN --network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// What the build was started with.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's; needs the entitlement.
    Host,
}

/// `RUN --security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityMode {
    /// The usual restrictions.
    #[default]
    Sandbox,
    /// None of them; needs the entitlement.
    Insecure,
}

/// `RUN --device`: a CDI device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Kind or class, as `vendor.example/gpu=all`.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

/// `RUN --mount` as written: keys in order, values with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFlag {
    /// The fields.
    pub fields: Vec<MountField>,
    /// The whole flag.
    pub span: Span,
}

impl MountFlag {
    /// The last value of a key, as written.
    pub fn value(&self, key: MountKey) -> Option<&Word> {
        self.fields
            .iter()
            .rev()
            .find(|field| field.key == key)?
            .value
            .as_ref()
    }
}

/// One `key[=value]` of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountField {
    /// The key, aliases folded.
    pub key: MountKey,
    /// The value; `readonly`, `readwrite` and `required` may have none.
    pub value: Option<Word>,
    /// The whole field.
    pub span: Span,
}

/// The keys of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKey {
    /// `type`.
    Type,
    /// `target`, `dst`, `destination`.
    Target,
    /// `source`, `src`.
    Source,
    /// `from`.
    From,
    /// `readonly`, `ro`.
    Readonly,
    /// `readwrite`, `rw`.
    Readwrite,
    /// `id`.
    Id,
    /// `sharing`.
    Sharing,
    /// `mode`.
    Mode,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `required`.
    Required,
    /// `size`.
    Size,
    /// `env`.
    Env,
}

/// Where COPY or ADD takes something from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern, URL or repository.
    Path(Word),
    /// A here-document.
    Heredoc(Heredoc),
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What to copy, in order; at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
    /// `--from`: stage, number of a stage, context or image. No variables.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`s.
    pub excludes: Vec<Word>,
}

/// `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What to add, in order; at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`s.
    pub excludes: Vec<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--unpack`.
    pub unpack: Option<bool>,
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
