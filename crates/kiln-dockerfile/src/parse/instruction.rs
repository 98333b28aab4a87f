//! One logical line to one instruction.

use super::flags::{Flags, Known, Takes};
use super::words::{self, Json, is_blank, json, split_blanks, split_quoted, trim, word};
use super::{NamedFrom, files, heredoc, run};
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::lines::{LineReader, LogicalLine};
use crate::span::Span;
use crate::suggest;
use crate::syntax::{
    ArgDefinition, CommandLine, From, HealthTiming, Healthcheck, Heredoc, Instruction,
    InstructionKind, KeyValue, Onbuild, Word,
};
use std::ops::Range;
use std::time::Duration;

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

const HEALTH_FLAGS: &[Known] = &[
    ("interval", Takes::Text),
    ("timeout", Takes::Text),
    ("start-period", Takes::Text),
    ("start-interval", Takes::Text),
    ("retries", Takes::Text),
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
            "HEALTHCHECK" => HEALTH_FLAGS,
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

    /// `key=value …`, or the old `key value`, whose value is the rest of the line.
    fn pairs(&self) -> Result<Vec<KeyValue>, Diagnostic> {
        let words = split_quoted(self.line, self.args.clone(), self.escape);
        let words = self.at_least_one(words)?;
        if !words[0].text.contains('=') {
            let text = &self.line.text[self.args.clone()];
            let Some((key, value)) = text.split_once(is_blank) else {
                let message = format!("{} {} has no value", self.name, words[0].text);
                return Err(Diagnostic::error(words[0].span, message)
                    .with_help(format!("write {} {}=value", self.name, words[0].text)));
            };
            let start = self.args.start;
            let value = start + key.len() + (text.len() - key.len() - value.trim_start().len());
            return Ok(vec![KeyValue {
                key: word(self.line, start..start + key.len()),
                value: word(self.line, value..self.args.end),
                legacy: true,
            }]);
        }
        words.iter().map(|pair| self.pair(pair)).collect()
    }

    fn pair(&self, pair: &Word) -> Result<KeyValue, Diagnostic> {
        let Some((key, value)) = pair.text.split_once('=') else {
            let message = format!("cannot find = in {:?}; it must be name=value", pair.text);
            return Err(Diagnostic::error(pair.span, message)
                .with_help("put a value that holds blanks in double quotes"));
        };
        if key.is_empty() {
            let message = format!("{} names cannot be blank", self.name);
            return Err(Diagnostic::error(pair.span, message));
        }
        let (key_span, value_span) = split_span(pair, key.len());
        Ok(KeyValue {
            key: Word::new(key, key_span),
            value: Word::new(value, value_span),
            legacy: false,
        })
    }

    fn definitions(&self) -> Result<Vec<ArgDefinition>, Diagnostic> {
        let words = split_quoted(self.line, self.args.clone(), self.escape);
        let definition = |word: &Word| {
            let Some((name, default)) = word.text.split_once('=') else {
                return Ok(ArgDefinition {
                    name: word.clone(),
                    default: None,
                });
            };
            if name.is_empty() {
                return Err(Diagnostic::error(word.span, "ARG names cannot be blank"));
            }
            let (name_span, default_span) = split_span(word, name.len());
            Ok(ArgDefinition {
                name: Word::new(name, name_span),
                default: Some(Word::new(default, default_span)),
            })
        };
        self.at_least_one(words)?.iter().map(definition).collect()
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

    fn healthcheck(&self) -> Result<Healthcheck, Diagnostic> {
        let text = &self.line.text[self.args.clone()];
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        let kind = word(self.line, self.args.start..self.args.start + length);
        let rest = trim(self.line, self.args.start + length..self.args.end);
        match kind.text.to_ascii_uppercase().as_str() {
            "" => self
                .at_least_one(Vec::<()>::new())
                .map(|_| Healthcheck::None),
            "NONE" if rest.is_empty() => Ok(Healthcheck::None),
            "NONE" => {
                let span = self.line.place(rest);
                Err(Diagnostic::error(
                    span,
                    "HEALTHCHECK NONE takes no arguments",
                ))
            }
            "CMD" => {
                let command = match self.json_form(rest.clone())? {
                    Some(strings) => CommandLine::Exec(strings),
                    None => CommandLine::Shell(word(self.line, rest.clone())),
                };
                if rest.is_empty() || command == CommandLine::Exec(Vec::new()) {
                    return Err(Diagnostic::error(
                        kind.span,
                        "missing command after HEALTHCHECK CMD",
                    ));
                }
                Ok(Healthcheck::Test {
                    command,
                    timing: self.timing()?,
                })
            }
            other => {
                let message = format!("unknown type {other:?} in HEALTHCHECK");
                let near = suggest::nearest(other, ["CMD", "NONE"]).unwrap_or("CMD");
                Err(Diagnostic::error(kind.span, message).with_suggestion(Some(near)))
            }
        }
    }

    fn timing(&self) -> Result<HealthTiming, Diagnostic> {
        let retries = match self.flags.text("retries") {
            None => None,
            Some(word) => Some(
                word.text
                    .parse::<i32>()
                    .ok()
                    .and_then(|n| u32::try_from(n).ok())
                    .ok_or_else(|| {
                        let message =
                            format!("--retries must be a number from 0, not {:?}", word.text);
                        Diagnostic::error(word.span, message)
                    })?,
            ),
        };
        Ok(HealthTiming {
            interval: self.interval("interval")?,
            timeout: self.interval("timeout")?,
            start_period: self.interval("start-period")?,
            start_interval: self.interval("start-interval")?,
            retries,
        })
    }

    fn interval(&self, flag: &str) -> Result<Option<Duration>, Diagnostic> {
        let Some(word) = self.flags.text(flag) else {
            return Ok(None);
        };
        let parsed = duration::parse(&word.text)
            .map_err(|error| Diagnostic::error(word.span, format!("--{flag}: {error}")))?;
        if !parsed.is_zero() && parsed < Duration::from_millis(1) {
            let message = format!("--{flag} cannot be less than 1ms");
            return Err(Diagnostic::error(word.span, message));
        }
        Ok(Some(parsed).filter(|parsed| !parsed.is_zero()))
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

/// The spans before and after the `=` of a word whose name has `name` bytes. A word over several lines
/// keeps its whole span for both.
fn split_span(pair: &Word, name: usize) -> (Span, Span) {
    let Span { start, end } = pair.span;
    match end - start == pair.text.len() {
        true => (
            Span::new(start, start + name),
            Span::new(start + name + 1, end),
        ),
        false => (pair.span, pair.span),
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
