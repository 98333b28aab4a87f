//! One logical line to one instruction.

mod health;
mod pairs;

use super::flags::{Flags, Takes};
use super::words::{self, Json, is_blank, json, split_blanks, trim, word};
use super::{NamedFrom, files, heredoc, run};
use crate::diagnostic::Diagnostic;
use crate::lines::{LineReader, LogicalLine};
use crate::span::Span;
use crate::suggest;
use crate::syntax::{CommandLine, From, Heredoc, Instruction, InstructionKind, Onbuild, Word};
use std::ops::Range;

/// Every instruction's name.
const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What a line is.
pub(super) enum Statement {
    /// The start of a stage.
    From(NamedFrom, Span),
    /// Anything else.
    Instruction(Instruction),
}

/// Parses a line and takes its here-documents from the reader.
pub(super) fn statement(
    line: &LogicalLine,
    reader: &mut LineReader<'_>,
    escape: char,
) -> Result<Statement, Diagnostic> {
    let mut parts = Parts::new(line, 0, escape)?;
    parts.heredocs(reader)?;
    if parts.name == "FROM" {
        return Ok(Statement::From(parts.from()?, line.span));
    }
    Ok(Statement::Instruction(parts.instruction(0)?))
}

/// Parses a line that must be an instruction which ONBUILD allows.
pub(super) fn trigger(
    line: &LogicalLine,
    reader: &mut LineReader<'_>,
    escape: char,
) -> Result<Instruction, Diagnostic> {
    let mut parts = Parts::new(line, 0, escape)?;
    parts.heredocs(reader)?;
    parts.allowed_in_onbuild()?;
    parts.instruction(0)
}

/// A line taken apart as far as all instructions have it in common.
struct Parts<'a> {
    line: &'a LogicalLine,
    escape: char,
    name: &'static str,
    keyword: Word,
    flags: Flags,
    /// The arguments, without blanks at the ends.
    args: Range<usize>,
    json: Option<Vec<String>>,
    heredocs: Vec<Heredoc>,
    /// ONBUILD's instruction.
    inner: Option<Box<Parts<'a>>>,
}

impl<'a> Parts<'a> {
    fn new(line: &'a LogicalLine, start: usize, escape: char) -> Result<Parts<'a>, Diagnostic> {
        let blanks = line.text[start..].len() - line.text[start..].trim_start().len();
        let start = start + blanks;
        let text = &line.text[start..];
        let length = text.find(is_blank).unwrap_or(text.len());
        let keyword = word(line, start..start + length);
        let folded = keyword.text.to_ascii_uppercase();
        let Some(name) = NAMES.iter().find(|name| **name == folded) else {
            let near = suggest::nearest(&folded, NAMES);
            let message = format!("unknown instruction {}", keyword.text);
            return Err(Diagnostic::error(keyword.span, message).with_suggestion(near));
        };
        let rest = start + length..line.text.len();
        let (flags, args) = Flags::take(line, rest.clone());
        let args = trim(line, args..rest.end);
        let mut parts = Parts {
            line,
            escape,
            name,
            keyword,
            flags,
            args,
            json: None,
            heredocs: Vec::new(),
            inner: None,
        };
        match *name {
            "RUN" | "CMD" | "ENTRYPOINT" | "SHELL" | "ADD" | "COPY" | "VOLUME" => {
                parts.json = parts.json_form(parts.args.clone())?;
            }
            "ONBUILD" if !parts.args.is_empty() => {
                let inner = Parts::new(line, parts.args.start, escape)?;
                inner.allowed_in_onbuild()?;
                parts.inner = Some(Box::new(inner));
            }
            _ => {}
        }
        Ok(parts)
    }

    fn json_form(&self, range: Range<usize>) -> Result<Option<Vec<String>>, Diagnostic> {
        match json(&self.line.text[range.clone()]) {
            Json::Strings(strings) => Ok(Some(strings)),
            Json::No => Ok(None),
            Json::Mixed => Err(Diagnostic::error(
                self.line.place(range),
                "a JSON array must hold strings only",
            )
            .with_help("put every element in double quotes")),
        }
    }

    /// Takes the bodies of the here-documents that this line opens.
    fn heredocs(&mut self, reader: &mut LineReader<'_>) -> Result<(), Diagnostic> {
        let holder = match &mut self.inner {
            Some(inner) => inner,
            None => self,
        };
        if matches!(holder.name, "RUN" | "COPY" | "ADD") && holder.json.is_none() {
            holder.heredocs = heredoc::bodies(holder.line, reader)?;
        }
        Ok(())
    }

    fn allowed_in_onbuild(&self) -> Result<(), Diagnostic> {
        let span = self.keyword.span;
        match self.name {
            "ONBUILD" => Err(Diagnostic::error(
                span,
                "ONBUILD cannot hold another ONBUILD",
            )),
            "FROM" | "MAINTAINER" => {
                let message = format!("{} is not allowed as an ONBUILD trigger", self.name);
                Err(Diagnostic::error(span, message))
            }
            _ => Ok(()),
        }
    }

    /// Makes the instruction; `start` is where it begins in the line.
    fn instruction(mut self, start: usize) -> Result<Instruction, Diagnostic> {
        let line = self.line;
        let heredocs = match &self.inner {
            Some(inner) => &inner.heredocs,
            None => &self.heredocs,
        };
        let mut span = line.place(start..line.text.len());
        // A trigger from elsewhere has all its spans at one place, and no here-document moves them.
        if let Some(last) = heredocs
            .last()
            .filter(|heredoc| heredoc.span.start >= span.end)
        {
            span = span.to(last.span);
        }
        let kind = self.kind()?;
        Ok(Instruction {
            keyword: self.keyword,
            kind,
            span,
            original: line.text[start..].to_string(),
            comments: if start == 0 {
                line.comments.clone()
            } else {
                Vec::new()
            },
        })
    }

    fn kind(&mut self) -> Result<InstructionKind, Diagnostic> {
        let known = match self.name {
            "RUN" => run::FLAGS,
            "COPY" => files::COPY_FLAGS,
            "ADD" => files::ADD_FLAGS,
            "HEALTHCHECK" => health::FLAGS,
            _ => &[],
        };
        self.flags.check(self.name, known)?;
        let at = self.keyword.span;
        Ok(match self.name {
            "RUN" => {
                let (command, heredocs) = (self.command(), std::mem::take(&mut self.heredocs));
                InstructionKind::Run(run::run(&self.flags, command, heredocs, at)?)
            }
            "COPY" => InstructionKind::Copy(files::copy(
                &self.flags,
                self.list(),
                &self.heredocs,
                self.escape,
                at,
            )?),
            "ADD" => {
                InstructionKind::Add(files::add(&self.flags, self.list(), &self.heredocs, at)?)
            }
            "ENV" => InstructionKind::Env(self.pairs()?),
            "LABEL" => InstructionKind::Label(self.pairs()?),
            "ARG" => InstructionKind::Arg(self.definitions()?),
            "EXPOSE" => InstructionKind::Expose(self.at_least_one(self.list())?),
            "VOLUME" => InstructionKind::Volume(self.volumes()?),
            "USER" => InstructionKind::User(self.whole()?),
            "WORKDIR" => InstructionKind::Workdir(self.whole()?),
            "STOPSIGNAL" => InstructionKind::Stopsignal(self.whole()?),
            "MAINTAINER" => InstructionKind::Maintainer(self.whole()?),
            "CMD" => InstructionKind::Cmd(self.command()),
            "ENTRYPOINT" => InstructionKind::Entrypoint(self.command()),
            "SHELL" => InstructionKind::Shell(self.shell()?),
            "HEALTHCHECK" => InstructionKind::Healthcheck(self.healthcheck()?),
            "ONBUILD" => InstructionKind::Onbuild(self.onbuild()?),
            other => {
                return Err(Diagnostic::error(at, format!("{other} cannot stand here")));
            }
        })
    }

    /// All arguments as one text.
    fn whole(&self) -> Result<Word, Diagnostic> {
        if self.args.is_empty() {
            let message = format!("{} requires exactly one argument", self.name);
            return Err(Diagnostic::error(self.keyword.span, message));
        }
        Ok(word(self.line, self.args.clone()))
    }

    /// The arguments as words, from JSON or between blanks.
    fn list(&self) -> Vec<Word> {
        match &self.json {
            Some(strings) => {
                let place = self.line.place(self.args.clone());
                strings
                    .iter()
                    .map(|text| Word::new(text.as_str(), place))
                    .collect()
            }
            None => split_blanks(self.line, self.args.clone()),
        }
    }

    fn at_least_one<T>(&self, list: Vec<T>) -> Result<Vec<T>, Diagnostic> {
        if list.is_empty() {
            let message = format!("{} requires at least one argument", self.name);
            return Err(Diagnostic::error(self.keyword.span, message));
        }
        Ok(list)
    }

    fn command(&self) -> CommandLine {
        match &self.json {
            Some(strings) => CommandLine::Exec(strings.clone()),
            None => CommandLine::Shell(word(self.line, self.args.clone())),
        }
    }

    fn volumes(&self) -> Result<Vec<Word>, Diagnostic> {
        let volumes = self.at_least_one(self.list())?;
        if let Some(empty) = volumes.iter().find(|volume| volume.text.trim().is_empty()) {
            return Err(Diagnostic::error(
                empty.span,
                "VOLUME cannot be an empty string",
            ));
        }
        Ok(volumes)
    }

    fn shell(&self) -> Result<Vec<String>, Diagnostic> {
        match &self.json {
            Some(strings) => self.at_least_one(strings.clone()),
            None if self.args.is_empty() => self.at_least_one(Vec::new()),
            None => Err(Diagnostic::error(
                self.line.place(self.args.clone()),
                "SHELL requires the arguments to be in JSON form",
            )
            .with_help("write SHELL [\"executable\", \"parameter\"]")),
        }
    }

    fn onbuild(&mut self) -> Result<Onbuild, Diagnostic> {
        let Some(inner) = self.inner.take() else {
            let message = "ONBUILD requires at least one argument";
            return Err(Diagnostic::error(self.keyword.span, message));
        };
        let mut trigger = self.line.text[self.args.start..].to_string();
        for heredoc in &inner.heredocs {
            trigger.push('\n');
            trigger.push_str(&heredoc.content);
            trigger.push_str(&heredoc.name);
        }
        Ok(Onbuild {
            trigger,
            instruction: Box::new(inner.instruction(self.args.start)?),
        })
    }

    fn from(&self) -> Result<NamedFrom, Diagnostic> {
        self.flags.check("FROM", &[("platform", Takes::Text)])?;
        let mut words = words::split_blanks(self.line, self.args.clone()).into_iter();
        let malformed = || {
            Diagnostic::error(
                self.line.span,
                "FROM requires either one or three arguments",
            )
            .with_help("write FROM image, or FROM image AS name")
        };
        let image = words.next().ok_or_else(malformed)?;
        let (as_keyword, name) = match (words.next(), words.next(), words.next()) {
            (None, ..) => (None, None),
            (Some(keyword), Some(name), None) if keyword.text.eq_ignore_ascii_case("as") => {
                (Some(keyword), Some(name))
            }
            _ => return Err(malformed()),
        };
        if let Some(name) = &name {
            stage_name(name)?;
        }
        let platform = self.flags.text("platform");
        Ok((
            From {
                keyword: self.keyword.clone(),
                as_keyword,
                image,
                platform,
            },
            name,
        ))
    }
}

/// A stage's name begins with a letter and goes on with letters, digits, `-`, `_` and `.`.
fn stage_name(name: &Word) -> Result<(), Diagnostic> {
    let valid = name.text.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match valid {
        true => Ok(()),
        false => Err(Diagnostic::error(
            name.span,
            format!("invalid name for build stage: {:?}", name.text),
        )
        .with_help("begin with a letter; letters, digits, '-', '_' and '.' may follow")),
    }
}
