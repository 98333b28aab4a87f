//! The scope of a stage: which variables are visible at an instruction, and what it means with them.
//!
//! The rules are BuildKit's. One environment holds the image's variables and the arguments of the
//! stage; what was set last is seen. An instruction sees the environment as it was when it began. A
//! stage built on another one inherits its variables and its arguments.

use crate::diagnostic::Diagnostic;
use crate::evaluate::{Evaluated, EvaluatedEntrypoint};
use crate::expand::Variables;
use crate::plan::{Globals, Names, Plan};
use crate::span::Span;
use crate::syntax::{Instruction, InstructionKind};
use std::collections::BTreeMap;
use std::sync::Arc;

mod config;
mod files;
mod run;
mod variables;

use config::healthcheck;
use variables::Environment;

/// What every image has in `PATH` if it says nothing else.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    pub fn has_shell(&self) -> bool {
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

    /// A path below the working directory, not cleaned.
    fn absolute(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => path.to_string(),
            false => format!("{}/{path}", self.workdir),
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
