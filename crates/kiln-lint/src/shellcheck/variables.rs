//! The variables of a script: what sets them, and what uses them.

use crate::shell::ast::{Assignment, Command, Kind, Parameter, Part, Simple, Word};
use crate::shell::{ShellRun, Visitor, walk};
use kiln_dockerfile::Span;
use std::collections::{BTreeMap, BTreeSet};

/// What a variable may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text without blanks and patterns, and not empty.
    Solid,
    /// Anything.
    Any,
}

/// The variables of a script.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Every name that is set, and the values that it is set to.
    pub(super) assigned: BTreeMap<String, Vec<Value>>,
    /// Names that are set by a plain assignment, each with its first place.
    pub(super) plain: BTreeMap<String, Span>,
    /// Names that are exported.
    pub(super) exported: BTreeSet<String>,
    /// Names that are used.
    pub(super) used: BTreeSet<String>,
    /// Uses without a default, in order.
    pub(super) bare_uses: Vec<(String, Span)>,
    /// Names that are somewhere used with a default.
    pub(super) guarded: BTreeSet<String>,
}

impl Variables {
    pub(super) fn of(run: &ShellRun<'_>) -> Variables {
        let mut variables = Variables::default();
        walk(&run.script, &mut variables);
        variables
    }

    /// Whether a value is one word whatever happens. What ENV and ARG set counts, as it does for hadolint.
    pub(super) fn never_splits(&self, name: &str, run: &ShellRun<'_>) -> bool {
        match self.assigned.get(name) {
            Some(values) => values.iter().all(|value| *value == Value::Solid),
            None => {
                let proxy = name.to_ascii_lowercase().ends_with("_proxy");
                run.variables.contains(name) || proxy
            }
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.assigned
            .entry(name.to_string())
            .or_default()
            .push(value);
    }
}

fn value_of(word: &Word) -> Value {
    let solid = |text: String| {
        let splits = |letter: char| letter.is_whitespace() || "*?[".contains(letter);
        !text.is_empty() && !text.contains(splits)
    };
    match word.literal() {
        Some(text) if solid(text.clone()) => Value::Solid,
        _ => Value::Any,
    }
}

impl Visitor for Variables {
    fn assignment(&mut self, assignment: &Assignment) {
        let value = match assignment.values.as_slice() {
            [only] if !assignment.array && !assignment.append => value_of(only),
            _ => Value::Any,
        };
        self.set(&assignment.name, value);
    }

    fn simple(&mut self, simple: &Simple, _: &Command) {
        if simple.words.is_empty() {
            for one in &simple.assignments {
                self.plain.entry(one.name.clone()).or_insert(one.span);
            }
            return;
        }
        for one in &simple.assignments {
            self.used.insert(one.name.clone());
        }
        let name = simple.name().unwrap_or_default();
        let words = simple.words.iter().skip(1);
        match name.as_str() {
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                for word in words {
                    let Some(Part::Literal(text, _)) = word.parts.first() else {
                        continue;
                    };
                    let variable = text.split('=').next().unwrap_or_default().to_string();
                    if text.contains('=') {
                        self.set(&variable, Value::Any);
                    }
                    if matches!(name.as_str(), "export" | "readonly") {
                        self.exported.insert(variable);
                    } else {
                        self.plain.entry(variable).or_insert(word.span);
                    }
                }
            }
            "read" | "getopts" | "mapfile" | "readarray" | "unset" => {
                for text in words
                    .filter_map(Word::plain)
                    .filter(|text| !text.starts_with('-'))
                {
                    self.set(text, Value::Any);
                    self.used.insert(text.to_string());
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &Command) {
        if let Kind::For { name, words, .. } = &command.kind {
            let words = words.as_deref().unwrap_or_default();
            let solid = words.iter().all(|word| value_of(word) == Value::Solid);
            self.set(name, if solid { Value::Solid } else { Value::Any });
        }
    }

    fn parameter(&mut self, parameter: &Parameter, _: bool) {
        let name = &parameter.name;
        self.used.insert(name.clone());
        let has_name =
            name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
        if !has_name {
            return;
        }
        match parameter.operator.trim_start_matches(':').chars().next() {
            Some('-' | '+' | '?' | '=') => {
                self.guarded.insert(name.clone());
                if parameter.operator.ends_with('=') {
                    self.set(name, Value::Any);
                }
            }
            _ => self.bare_uses.push((name.clone(), parameter.span)),
        }
    }
}
