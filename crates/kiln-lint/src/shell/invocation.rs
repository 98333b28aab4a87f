//! A simple command as rules want it: a name, and arguments of which some are flags.

use super::ast::{Command, List, Simple};
use super::visit::{Visitor, walk};
use kiln_dockerfile::Span;

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its text without quotes; expansions as written.
    pub text: String,
    /// Where it stands in the script.
    pub span: Span,
    /// Whether it holds no expansion.
    pub fixed: bool,
}

/// A command that runs somewhere in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program as written.
    pub name: String,
    /// Where the program's name stands in the script.
    pub name_span: Span,
    /// What follows it.
    pub args: Vec<Arg>,
    /// From the name to the last argument, in the script.
    pub span: Span,
    /// The names that are assigned in front of it.
    pub assigned: Vec<String>,
}

impl Invocation {
    /// Every command of a script, in order, those in substitutions and functions too.
    pub(super) fn all(list: &List, text: &str) -> Vec<Invocation> {
        struct Collect<'a>(Vec<Invocation>, &'a str);
        impl Visitor for Collect<'_> {
            fn simple(&mut self, simple: &Simple, _: &Command) {
                self.0.extend(Invocation::new(simple, self.1));
            }
        }
        let mut collect = Collect(Vec::new(), text);
        walk(list, &mut collect);
        collect.0.sort_by_key(|command| command.span.start);
        collect.0
    }

    fn new(simple: &Simple, text: &str) -> Option<Invocation> {
        let mut words = simple.words.as_slice();
        // `exec` runs what follows in its place.
        if words.len() > 1 && words[0].plain() == Some("exec") {
            words = &words[1..];
        }
        let (name, rest) = words.split_first()?;
        let args: Vec<Arg> = rest
            .iter()
            .map(|word| Arg {
                text: word.text(text),
                span: word.span,
                fixed: word.literal().is_some(),
            })
            .collect();
        Some(Invocation {
            name: name.text(text),
            name_span: name.span,
            span: args
                .last()
                .map_or(name.span, |last| name.span.to(last.span)),
            args,
            assigned: simple
                .assignments
                .iter()
                .map(|one| one.name.clone())
                .collect(),
        })
    }

    /// A command of an exec form; all of it stands at no place of its own.
    pub(super) fn of_words(words: &[String]) -> Option<Invocation> {
        let (name, rest) = words.split_first()?;
        let args = rest.iter().map(|text| Arg {
            text: text.clone(),
            span: Span::default(),
            fixed: true,
        });
        Some(Invocation {
            name: name.clone(),
            name_span: Span::default(),
            args: args.collect(),
            span: Span::default(),
            assigned: Vec::new(),
        })
    }

    /// Whether it is one of these programs.
    pub fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Whether some argument is one of these words.
    pub fn has(&self, words: &[&str]) -> bool {
        self.args
            .iter()
            .any(|arg| words.contains(&arg.text.as_str()))
    }

    /// Whether one of these flags is given: `x` as `-x` or within `-axb`, `long` as `--long` or `--long=…`.
    pub fn has_flag(&self, names: &[&str]) -> bool {
        self.args.iter().any(|arg| {
            if let Some(long) = arg.text.strip_prefix("--") {
                let name = long.split('=').next().unwrap_or_default();
                return names.contains(&name);
            }
            arg.text.strip_prefix('-').is_some_and(|letters| {
                names.contains(&letters) || {
                    let mut buffer = [0; 4];
                    letters
                        .chars()
                        .any(|letter| names.contains(&&*letter.encode_utf8(&mut buffer)))
                }
            })
        })
    }

    /// How often a short flag is given, in one word or in several.
    pub fn count_short(&self, flag: char) -> usize {
        let short = |arg: &&Arg| arg.text.starts_with('-') && !arg.text.starts_with("--");
        let args = self.args.iter().filter(short);
        args.map(|arg| arg.text.matches(flag).count()).sum()
    }

    /// The value of a flag in the next word, or behind `=`.
    pub fn flag_value(&self, names: &[&str]) -> Option<&str> {
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            let bare = arg.text.trim_start_matches('-');
            if bare.len() == arg.text.len() {
                continue;
            }
            match bare.split_once('=') {
                Some((name, value)) if names.contains(&name) => return Some(value),
                None if names.contains(&bare) => return args.next().map(|next| next.text.as_str()),
                _ => {}
            }
        }
        None
    }

    /// The arguments that are no flags and no values of these flags.
    pub fn operands(&self, with_value: &[&str]) -> Vec<&Arg> {
        let mut operands = Vec::new();
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            if !arg.text.starts_with('-') {
                operands.push(arg);
                continue;
            }
            let name = arg.text.trim_start_matches('-');
            if with_value.contains(&name) {
                args.next();
            }
        }
        operands
    }
}
