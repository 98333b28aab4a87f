//! The scope of a stage: which variables are visible at an instruction, and what it means with them.
//!
//! The rules are BuildKit's. One environment holds the image's variables and the arguments of the
//! stage; what was set last is seen. An instruction sees the environment as it was when it began. A
//! stage built on another one inherits its variables and its arguments.

use crate::diagnostic::Diagnostic;
use crate::evaluate::{Evaluated, EvaluatedEntrypoint, EvaluatedHealthcheck};
use crate::expand::{self, Variables};
use crate::plan::{Globals, Names, Plan};
use crate::platform::is_proxy_arg;
use crate::ports;
use crate::signal;
use crate::span::Span;
use crate::suggest;
use crate::syntax::{
    ArgDefinition, CommandLine, Healthcheck, Instruction, InstructionKind, KeyValue, Word,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

mod files;
mod run;

/// What every image has in `PATH` if it says nothing else.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Arguments that never become variables.
const NOT_IN_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// What a base image's config says that matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseConfig {
    /// `Env`, split at the first `=`, in order.
    pub env: Vec<(String, String)>,
    /// `WorkingDir`; empty means `/`.
    pub working_dir: String,
    /// `Shell`; empty means `/bin/sh -c`.
    pub shell: Vec<String>,
}

/// A name that was used while it had no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    /// The name.
    pub name: String,
    /// A set name that is spelt nearly the same.
    pub suggestion: Option<String>,
    /// The word that used it.
    pub span: Span,
}

/// Variables in order; setting one again changes it in its place.
#[derive(Clone, Debug, Default)]
struct Environment {
    entries: Vec<(String, String)>,
    at: BTreeMap<String, usize>,
}

impl Environment {
    fn set(&mut self, name: &str, value: &str) {
        match self.at.get(name) {
            Some(at) => self.entries[*at].1 = value.to_string(),
            None => {
                self.at.insert(name.to_string(), self.entries.len());
                self.entries.push((name.to_string(), value.to_string()));
            }
        }
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.at
            .get(name)
            .map(|at| Cow::Borrowed(self.entries[*at].1.as_str()))
    }

    fn names(&self) -> Vec<String> {
        self.at.keys().cloned().collect()
    }
}

/// What stays the same for all stages of a plan.
#[derive(Debug)]
struct Fixed {
    globals: Globals,
    build_args: BTreeMap<String, String>,
    names: Names,
    escape: char,
}

/// The state of a stage between two instructions.
#[derive(Clone, Debug)]
pub struct StageScope {
    fixed: Arc<Fixed>,
    stage: usize,
    /// The variables of the image so far.
    image: Environment,
    /// The same with the arguments in scope.
    visible: Environment,
    /// The declared arguments, in order, repeated ones too.
    args: Vec<(String, Option<String>)>,
    workdir: String,
    shell: Vec<String>,
    cmd_set: bool,
    undefined: Vec<Undefined>,
}

impl StageScope {
    /// The scope of a stage that is built on an image, a context or nothing. A missing `PATH` is added.
    pub fn on_image(plan: &Plan, stage: usize, base: &BaseConfig) -> StageScope {
        let fixed = Fixed {
            globals: plan.globals.clone(),
            build_args: plan.build_args.clone(),
            names: plan.names.clone(),
            escape: plan.escape,
        };
        let mut image = Environment::default();
        for (name, value) in &base.env {
            image.set(name, value);
        }
        if image.get("PATH").is_none() {
            image.set("PATH", DEFAULT_PATH);
        }
        StageScope {
            fixed: Arc::new(fixed),
            stage,
            visible: image.clone(),
            image,
            args: Vec::new(),
            workdir: clean(&format!("/{}", base.working_dir)),
            shell: base.shell.clone(),
            cmd_set: false,
            undefined: Vec::new(),
        }
    }

    /// The scope of a stage that is built on another stage, whose scope after its last instruction is
    /// given.
    pub fn on_stage(stage: usize, parent: &StageScope) -> StageScope {
        StageScope {
            stage,
            cmd_set: false,
            undefined: Vec::new(),
            ..parent.clone()
        }
    }

    /// The variables of the image so far, in order: the config's `Env`.
    pub fn env(&self) -> &[(String, String)] {
        &self.image.entries
    }

    /// The working directory so far, absolute and clean.
    pub fn working_dir(&self) -> &str {
        &self.workdir
    }

    /// Whether `SHELL` was set, here or in what this is built on.
    pub(crate) fn has_shell(&self) -> bool {
        !self.shell.is_empty()
    }

    /// Takes the names that were used without a value since the last call. A declared argument without
    /// a value is not among them.
    pub fn take_undefined(&mut self) -> Vec<Undefined> {
        std::mem::take(&mut self.undefined)
    }

    /// Evaluates the next instruction and moves the scope on.
    ///
    /// # Errors
    /// Whatever makes the instruction meaningless, at the word that does.
    pub fn evaluate(&mut self, instruction: &Instruction) -> Result<Evaluated, Diagnostic> {
        Ok(match &instruction.kind {
            InstructionKind::Run(run) => Evaluated::Run(self.run(run, instruction)?),
            InstructionKind::Copy(copy) => Evaluated::Copy(self.copy(copy)?),
            InstructionKind::Add(add) => Evaluated::Add(self.add(add)?),
            InstructionKind::Env(pairs) => self.set_env(pairs)?,
            InstructionKind::Arg(definitions) => self.declare(definitions)?,
            InstructionKind::Label(pairs) => Evaluated::Label(self.pairs(pairs)?),
            InstructionKind::Expose(words) => Evaluated::Expose(self.expose(words)?),
            InstructionKind::User(word) => Evaluated::User(self.expand(word)?),
            InstructionKind::Workdir(word) => {
                let path = self.expand(word)?;
                self.workdir = clean(&self.absolute(&path));
                Evaluated::Workdir(self.workdir.clone())
            }
            InstructionKind::Volume(words) => Evaluated::Volume(self.volumes(words)?),
            InstructionKind::Cmd(command) => {
                self.cmd_set = true;
                Evaluated::Cmd(self.with_shell(command))
            }
            InstructionKind::Entrypoint(command) => Evaluated::Entrypoint(EvaluatedEntrypoint {
                args: self.with_shell(command),
                clear_cmd: !self.cmd_set,
            }),
            InstructionKind::Shell(shell) => {
                self.shell = shell.clone();
                Evaluated::Shell(shell.clone())
            }
            InstructionKind::Healthcheck(check) => Evaluated::Healthcheck(healthcheck(check)),
            InstructionKind::Stopsignal(word) => Evaluated::Stopsignal(self.stopsignal(word)?),
            InstructionKind::Onbuild(onbuild) => Evaluated::Onbuild(onbuild.trigger.clone()),
            InstructionKind::Maintainer(word) => Evaluated::Maintainer(word.text.clone()),
        })
    }

    /// Expands a word with all that is visible.
    pub(crate) fn expand(&mut self, word: &Word) -> Result<String, Diagnostic> {
        let expanded = expand::expand(&word.text, self.fixed.escape, &self.visible)
            .map_err(|error| Diagnostic::error(word.span, error.to_string()))?;
        self.note_undefined(&expanded.unset, word.span);
        Ok(expanded.value)
    }

    fn expand_all(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        words.iter().map(|word| self.expand(word)).collect()
    }

    fn expand_optional(&mut self, word: Option<&Word>) -> Result<Option<String>, Diagnostic> {
        let expanded = word.map(|word| self.expand(word)).transpose()?;
        Ok(expanded.filter(|text| !text.is_empty()))
    }

    fn note_undefined(&mut self, names: &[String], span: Span) {
        for name in names {
            let declared = self.args.iter().any(|(known, _)| known == name);
            if declared || NOT_IN_ENV.contains(&name.as_str()) {
                continue;
            }
            let known = self.visible.names();
            let suggestion = suggest::nearest(name, known.iter().map(String::as_str));
            self.undefined.push(Undefined {
                name: name.clone(),
                suggestion: suggestion.map(str::to_string),
                span,
            });
        }
    }

    fn pairs(&mut self, pairs: &[KeyValue]) -> Result<Vec<(String, String)>, Diagnostic> {
        pairs
            .iter()
            .map(|pair| Ok((self.expand(&pair.key)?, self.expand(&pair.value)?)))
            .collect()
    }

    fn set_env(&mut self, pairs: &[KeyValue]) -> Result<Evaluated, Diagnostic> {
        // All values are expanded before any of them is set.
        let values = self.pairs(pairs)?;
        for (name, value) in &values {
            self.image.set(name, value);
            self.visible.set(name, value);
        }
        Ok(Evaluated::Env(values))
    }

    /// ARG: a build argument, else the default, else the global scope. Unlike ENV, each definition sees
    /// the ones before it.
    fn declare(&mut self, definitions: &[ArgDefinition]) -> Result<Evaluated, Diagnostic> {
        let mut declared = Vec::new();
        for definition in definitions {
            let name = &definition.name.text;
            let fixed = Arc::clone(&self.fixed);
            let value = match (fixed.build_args.get(name), &definition.default) {
                (Some(value), _) => Some(value.clone()),
                (None, Some(default)) => Some(self.expand(default)?),
                (None, None) => fixed.globals.get(name).map(Cow::into_owned),
            };
            if let Some(value) = &value
                && !NOT_IN_ENV.contains(&name.as_str())
            {
                self.visible.set(name, value);
            }
            self.args.push((name.clone(), value.clone()));
            declared.push((name.clone(), value));
        }
        Ok(Evaluated::Arg(declared))
    }

    fn expose(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        let mut words: Vec<&Word> = words.iter().collect();
        words.sort_by(|a, b| a.text.cmp(&b.text));
        let mut all = Vec::new();
        for word in words {
            self.expand(word)?;
            let specs = expand::expand_words(&word.text, self.fixed.escape, &self.visible)
                .map_err(|error| Diagnostic::error(word.span, error.to_string()))?;
            for spec in specs {
                all.extend(
                    ports::parse(&spec).map_err(|reason| Diagnostic::error(word.span, reason))?,
                );
            }
        }
        Ok(all)
    }

    fn volumes(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        let volumes = self.expand_all(words)?;
        match volumes.iter().position(String::is_empty) {
            Some(at) => Err(Diagnostic::error(
                words[at].span,
                "VOLUME cannot be an empty string",
            )),
            None => Ok(volumes),
        }
    }

    fn stopsignal(&mut self, word: &Word) -> Result<String, Diagnostic> {
        let text = self.expand(word)?;
        if signal::parse(&text).is_some() {
            return Ok(text);
        }
        let bare = text.to_ascii_uppercase();
        let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
        let near = suggest::nearest(bare, signal::names()).map(|name| format!("SIG{name}"));
        Err(
            Diagnostic::error(word.span, format!("invalid signal {text:?}"))
                .with_suggestion(near.as_deref()),
        )
    }

    /// A command as the config holds it.
    fn with_shell(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(args) => args.clone(),
            CommandLine::Shell(text) => self.in_shell(&text.text),
        }
    }

    fn in_shell(&self, text: &str) -> Vec<String> {
        let mut args = match self.shell.is_empty() {
            true => vec!["/bin/sh".to_string(), "-c".to_string()],
            false => self.shell.clone(),
        };
        args.push(text.to_string());
        args
    }

    /// A path below the working directory, not cleaned.
    fn absolute(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => path.to_string(),
            false => format!("{}/{path}", self.workdir),
        }
    }

    /// Declared arguments with their present values, each once, at its first place.
    fn present_args(&self) -> Vec<(String, String)> {
        let mut present: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.args {
            let value = match self.visible.get(name) {
                Some(value) => value.into_owned(),
                None => value.clone().unwrap_or_default(),
            };
            match present.iter_mut().find(|(known, _)| known == name) {
                Some(entry) => entry.1 = value,
                None => present.push((name.clone(), value)),
            }
        }
        present
    }

    /// The proxy variables of the build, in both cases.
    fn proxies(&self) -> Vec<(String, String)> {
        let mut proxies: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in self
            .fixed
            .build_args
            .iter()
            .filter(|(name, _)| is_proxy_arg(name))
        {
            proxies.insert(name.to_ascii_uppercase(), value.clone());
        }
        let both = |(name, value): (String, String)| {
            let lower = (name.to_ascii_lowercase(), value.clone());
            [(name, value), lower]
        };
        proxies.into_iter().flat_map(both).collect()
    }
}

fn healthcheck(check: &Healthcheck) -> EvaluatedHealthcheck {
    match check {
        Healthcheck::None => EvaluatedHealthcheck {
            test: vec!["NONE".to_string()],
            timing: Default::default(),
        },
        Healthcheck::Test { command, timing } => {
            let test = match command {
                CommandLine::Shell(text) => vec!["CMD-SHELL".to_string(), text.text.clone()],
                CommandLine::Exec(args) => std::iter::once("CMD".to_string())
                    .chain(args.iter().cloned())
                    .collect(),
            };
            EvaluatedHealthcheck {
                test,
                timing: *timing,
            }
        }
    }
}

/// An absolute path without empty parts, `.` and `..`; `..` never leaves the root.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
