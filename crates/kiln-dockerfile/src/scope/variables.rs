//! Variables and arguments: what a name means at an instruction, and what `ENV` and `ARG` change about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{StageScope, Undefined};
use crate::diagnostic::Diagnostic;
use crate::evaluate::Evaluated;
use crate::expand::{self, Variables};
use crate::platform::is_proxy_arg;
use crate::span::Span;
use crate::suggest;
use crate::syntax::{ArgDefinition, KeyValue, Word};

/// Arguments that never become variables.
const NOT_IN_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// Variables in order; setting one again changes it in its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    pub(super) entries: Vec<(String, String)>,
    at: BTreeMap<String, usize>,
}

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: &str) {
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

impl StageScope {
    /// Expands a word with all that is visible.
    pub fn expand(&mut self, word: &Word) -> Result<String, Diagnostic> {
        let expanded = expand::expand(&word.text, self.fixed.escape, &self.visible)
            .map_err(|error| Diagnostic::error(word.span, error.to_string()))?;
        self.note_undefined(&expanded.unset, word.span);
        Ok(expanded.value)
    }

    pub(super) fn expand_all(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        words.iter().map(|word| self.expand(word)).collect()
    }

    pub(super) fn expand_optional(
        &mut self,
        word: Option<&Word>,
    ) -> Result<Option<String>, Diagnostic> {
        let expanded = word.map(|word| self.expand(word)).transpose()?;
        Ok(expanded.filter(|text| !text.is_empty()))
    }

    pub(super) fn note_undefined(&mut self, names: &[String], span: Span) {
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

    pub(super) fn pairs(
        &mut self,
        pairs: &[KeyValue],
    ) -> Result<Vec<(String, String)>, Diagnostic> {
        pairs
            .iter()
            .map(|pair| Ok((self.expand(&pair.key)?, self.expand(&pair.value)?)))
            .collect()
    }

    pub(super) fn set_env(&mut self, pairs: &[KeyValue]) -> Result<Evaluated, Diagnostic> {
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
    pub(super) fn declare(
        &mut self,
        definitions: &[ArgDefinition],
    ) -> Result<Evaluated, Diagnostic> {
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

    /// Declared arguments with their present values, each once, at its first place.
    pub(super) fn present_args(&self) -> Vec<(String, String)> {
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
    pub(super) fn proxies(&self) -> Vec<(String, String)> {
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
