//! The global scope: what `FROM` lines see, and what a bare `ARG` in a stage imports.

use super::PlanOptions;
use crate::diagnostic::Diagnostic;
use crate::expand::{self, Variables};
use crate::platform::automatic_args;
use crate::syntax::{Dockerfile, InstructionKind, Stage, Word};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The global scope.
#[derive(Clone, Debug, Default)]
pub struct Globals {
    values: BTreeMap<String, String>,
    declared: BTreeSet<String>,
}

impl Globals {
    /// The automatic arguments (build arguments override them), then the file's global `ARG`s.
    ///
    /// # Errors
    /// A default that cannot be expanded.
    pub fn new(file: &Dockerfile, options: &PlanOptions) -> Result<Globals, Diagnostic> {
        let stage = match &options.target {
            Some(target) => target.clone(),
            None => file
                .stages
                .last()
                .and_then(Stage::lower_name)
                .unwrap_or_default(),
        };
        let mut globals = Globals::default();
        let (build, target) = (&options.build_platform, &options.target_platform);
        for (name, value) in automatic_args(build, target, &stage) {
            let value = options.build_args.get(&name).cloned().unwrap_or(value);
            globals.values.insert(name, value);
        }
        for instruction in &file.global_args {
            let InstructionKind::Arg(definitions) = &instruction.kind else {
                continue;
            };
            for definition in definitions {
                let name = &definition.name.text;
                globals.declared.insert(name.clone());
                let value = match (options.build_args.get(name), &definition.default) {
                    (Some(value), _) => value.clone(),
                    (None, Some(default)) => globals.expand(default, file.escape())?.value,
                    (None, None) => continue,
                };
                globals.values.insert(name.clone(), value);
            }
        }
        Ok(globals)
    }

    /// Whether a global `ARG` names it, with a value or without.
    pub fn declares(&self, name: &str) -> bool {
        self.declared.contains(name) || self.values.contains_key(name)
    }

    /// Expands a word of a `FROM`.
    ///
    /// # Errors
    /// As [`expand::expand`], at the word.
    pub fn expand(&self, word: &Word, escape: char) -> Result<expand::Expanded, Diagnostic> {
        expand::expand(&word.text, escape, self)
            .map_err(|error| Diagnostic::error(word.span, error.to_string()))
    }
}

impl Variables for Globals {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.values
            .get(name)
            .map(|value| Cow::Borrowed(value.as_str()))
    }

    fn names(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}
