//! Walking the tree: one trait whose methods say nothing unless a rule overrides them.

use super::ast::{Assignment, Chain, Command, Kind, List, Parameter, Part, Redirect, Word};
use super::ast::{Pipeline, Simple};

/// Sees every node, outer ones first. A method that is overridden need not go on by itself: the walk does.
pub trait Visitor {
    /// A list of commands.
    fn list(&mut self, _list: &List) {}
    /// A chain.
    fn chain(&mut self, _chain: &Chain) {}
    /// A pipeline.
    fn pipeline(&mut self, _pipeline: &Pipeline) {}
    /// A command of any kind.
    fn command(&mut self, _command: &Command) {}
    /// A simple command; its [`Visitor::command`] was called before.
    fn simple(&mut self, _simple: &Simple, _command: &Command) {}
    /// An assignment.
    fn assignment(&mut self, _assignment: &Assignment) {}
    /// A redirection.
    fn redirect(&mut self, _redirect: &Redirect) {}
    /// A word anywhere.
    fn word(&mut self, _word: &Word) {}
    /// A part of a word, and whether double quotes are around it.
    fn part(&mut self, _part: &Part, _quoted: bool) {}
    /// A use of a variable, and whether double quotes are around it.
    fn parameter(&mut self, _parameter: &Parameter, _quoted: bool) {}
}

/// Walks a list and everything in it.
pub fn walk(list: &List, visitor: &mut dyn Visitor) {
    visitor.list(list);
    for chain in &list.items {
        visitor.chain(chain);
        for pipeline in chain.pipelines() {
            visitor.pipeline(pipeline);
            for command in &pipeline.commands {
                walk_command(command, visitor);
            }
        }
    }
}

fn walk_command(command: &Command, visitor: &mut dyn Visitor) {
    visitor.command(command);
    match &command.kind {
        Kind::Simple(simple) => {
            visitor.simple(simple, command);
            for assignment in &simple.assignments {
                visitor.assignment(assignment);
                walk_words(&assignment.values, visitor);
            }
            walk_words(&simple.words, visitor);
        }
        Kind::Subshell(list) | Kind::Group(list) => walk(list, visitor),
        Kind::If { arms, otherwise } => {
            for (condition, branch) in arms {
                walk(condition, visitor);
                walk(branch, visitor);
            }
            if let Some(list) = otherwise {
                walk(list, visitor);
            }
        }
        Kind::Loop { condition, body } => {
            walk(condition, visitor);
            walk(body, visitor);
        }
        Kind::For { words, body, .. } => {
            walk_words(words.as_deref().unwrap_or_default(), visitor);
            walk(body, visitor);
        }
        Kind::Case { word, arms } => {
            walk_word(word, visitor);
            for (patterns, list) in arms {
                walk_words(patterns, visitor);
                walk(list, visitor);
            }
        }
        Kind::Function { body, .. } => walk_command(body, visitor),
        Kind::Test(words) => walk_words(words, visitor),
        Kind::Arithmetic(parameters) => {
            for parameter in parameters {
                walk_parameter(parameter, true, visitor);
            }
        }
    }
    for redirect in &command.redirects {
        visitor.redirect(redirect);
        walk_word(&redirect.target, visitor);
    }
}

fn walk_words(words: &[Word], visitor: &mut dyn Visitor) {
    for word in words {
        walk_word(word, visitor);
    }
}

/// Walks a word and everything in it.
pub fn walk_word(word: &Word, visitor: &mut dyn Visitor) {
    visitor.word(word);
    for part in &word.parts {
        walk_part(part, false, visitor);
    }
}

fn walk_part(part: &Part, quoted: bool, visitor: &mut dyn Visitor) {
    visitor.part(part, quoted);
    match part {
        Part::Literal(..) | Part::Escaped(..) | Part::Single(..) => {}
        Part::Double(parts, _) => {
            for part in parts {
                walk_part(part, true, visitor);
            }
        }
        Part::Parameter(parameter) => walk_parameter(parameter, quoted, visitor),
        Part::Command { list, .. } => walk(list, visitor),
        Part::Arithmetic(parameters, _) => {
            for parameter in parameters {
                walk_parameter(parameter, true, visitor);
            }
        }
    }
}

fn walk_parameter(parameter: &Parameter, quoted: bool, visitor: &mut dyn Visitor) {
    visitor.parameter(parameter, quoted);
    if let Some(argument) = &parameter.argument {
        visitor.word(argument);
        for part in &argument.parts {
            walk_part(part, quoted, visitor);
        }
    }
}
