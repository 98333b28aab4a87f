//! Words: quotes, escapes, variables and substitutions.

use super::ast::{Parameter, Part, Substitution, Word};
use super::parser::{Parser, ProblemKind};
use kiln_dockerfile::Span;

/// Where a run of parts ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// At a blank or an operator.
    Word,
    /// At the double quote.
    Quote,
    /// At the brace that closes a parameter.
    Brace,
}

/// Collects plain text until another kind of part comes.
struct Plain {
    text: String,
    start: usize,
}

impl Plain {
    fn flush(&mut self, parts: &mut Vec<Part>, at: usize) {
        if !self.text.is_empty() {
            let span = Span::new(self.start, at);
            parts.push(Part::Literal(std::mem::take(&mut self.text), span));
        }
    }
}

impl Parser<'_> {
    /// Parts up to where they end; the end itself is not taken.
    pub(super) fn parts(&mut self, until: Until) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut plain = Plain {
            text: String::new(),
            start: self.at,
        };
        while let Some(byte) = self.peek() {
            if ends(until, byte) && !self.is_process(until) {
                break;
            }
            let start = self.at;
            let part = match byte {
                b'\\' => self.escape(until, &mut plain),
                b'\'' if until != Until::Quote => Some(self.single(start)),
                b'"' => Some(self.double()),
                b'`' => Some(self.backticks()),
                b'$' => self.dollar(until),
                b'<' | b'>' if until == Until::Word => {
                    Some(self.substitution(2, Substitution::Process))
                }
                _ => None,
            };
            match part {
                Some(part) => {
                    plain.flush(&mut parts, start);
                    parts.push(part);
                    plain.start = self.at;
                }
                None if self.at == start => {
                    let next = self.boundary(start + 1);
                    plain.text.push_str(&self.text[start..next]);
                    self.at = next;
                }
                None => {}
            }
        }
        plain.flush(&mut parts, self.at);
        parts
    }

    fn is_process(&self, until: Until) -> bool {
        until == Until::Word && (self.rest().starts_with("<(") || self.rest().starts_with(">("))
    }

    /// A backslash. Inside double quotes it is one only before some characters.
    fn escape(&mut self, until: Until, plain: &mut Plain) -> Option<Part> {
        let start = self.at;
        let next = self.text[start + 1..self.end].chars().next()?;
        if next == '\n' {
            self.at += 2;
            return None;
        }
        if until == Until::Quote {
            if "$`\"\\".contains(next) {
                self.at = start + 2;
                plain.text.push(next);
            }
            return None;
        }
        self.at = start + 1 + next.len_utf8();
        Some(Part::Escaped(next, Span::new(start, self.at)))
    }

    /// From the `'` at `self.at`; `start` may be that of a `$` before it.
    fn single(&mut self, start: usize) -> Part {
        self.at += 1;
        let rest = self.rest();
        let length = rest.find('\'').unwrap_or(rest.len());
        let text = rest[..length].to_string();
        self.at += length;
        if !self.takes("'") {
            self.problem(
                ProblemKind::Unclosed,
                start,
                "a single quote is not closed".to_string(),
            );
        }
        Part::Single(text, Span::new(start, self.at))
    }

    fn double(&mut self) -> Part {
        let start = self.at;
        self.at += 1;
        let parts = self.deeper(start, |parser| parser.parts(Until::Quote));
        if !self.takes("\"") {
            self.problem(
                ProblemKind::Unclosed,
                start,
                "a double quote is not closed".to_string(),
            );
        }
        Part::Double(parts, Span::new(start, self.at))
    }

    /// Runs `inner` one level down; gives up on what is too deep.
    fn deeper<T: Default>(&mut self, start: usize, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth > 48 {
            self.at = self.end;
            self.problem(
                ProblemKind::Depth,
                start,
                "the script is nested too deeply".to_string(),
            );
            return T::default();
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn backticks(&mut self) -> Part {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut length = rest.len();
        let mut escaped = false;
        for (at, letter) in rest.char_indices() {
            match letter {
                '`' if !escaped => {
                    length = at;
                    break;
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        let close = self.at + length;
        let outer = std::mem::replace(&mut self.end, close);
        let list = self.deeper(start, |parser| parser.list(&[]));
        self.end = outer;
        self.at = close;
        if !self.takes("`") {
            self.problem(
                ProblemKind::Unclosed,
                start,
                "a backtick is not closed".to_string(),
            );
        }
        Part::Command {
            list,
            style: Substitution::Backtick,
            span: Span::new(start, self.at),
        }
    }

    /// `$(…)`, `<(…)`: `opening` bytes, commands, and the bracket.
    fn substitution(&mut self, opening: usize, style: Substitution) -> Part {
        let start = self.at;
        self.at += opening;
        let mut list = self.deeper(start, |parser| parser.list(&[]));
        while self.peek().is_some() && !self.rest().starts_with(')') {
            let from = self.at;
            let step = self.peek_plain().map_or(1, str::len).max(1);
            self.at = self.boundary(from + step);
            self.problem(
                ProblemKind::Keyword,
                from,
                "this cannot stand here".to_string(),
            );
            let mut more = self.deeper(start, |parser| parser.list(&[]));
            list.items.append(&mut more.items);
        }
        if !self.takes(")") {
            self.problem(
                ProblemKind::Unclosed,
                start,
                "a substitution is not closed".to_string(),
            );
        }
        Part::Command {
            list,
            style,
            span: Span::new(start, self.at),
        }
    }

    fn dollar(&mut self, until: Until) -> Option<Part> {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with("$((")
            && let Some(parameters) = self.arithmetic("$((")
        {
            return Some(Part::Arithmetic(parameters, Span::new(start, self.at)));
        }
        if rest.starts_with("$(") {
            return Some(self.substitution(2, Substitution::Dollar));
        }
        if rest.starts_with("${") {
            return Some(Part::Parameter(self.braces()));
        }
        if until != Until::Quote && rest.starts_with("$'") {
            self.at += 1;
            return Some(self.single(start));
        }
        if until != Until::Quote && rest.starts_with("$\"") {
            self.at += 1;
            return Some(self.double());
        }
        let length = name_length(&rest[1..]);
        if length == 0 {
            return None;
        }
        self.at += 1 + length;
        Some(Part::Parameter(Parameter {
            name: rest[1..=length].to_string(),
            length: false,
            operator: String::new(),
            index: None,
            argument: None,
            braces: false,
            span: Span::new(start, self.at),
        }))
    }

    /// `${…}`.
    fn braces(&mut self) -> Parameter {
        let start = self.at;
        self.at += 2;
        let length = self.rest().starts_with('#') && !self.rest().starts_with("#}") && {
            self.at += 1;
            true
        };
        if self.rest().starts_with('!') {
            self.at += 1;
        }
        let rest = self.rest();
        let name = rest[..long_name_length(rest)].to_string();
        self.at += name.len();
        let mut index = None;
        if self.rest().starts_with('[')
            && let Some(close) = self.rest().find(']')
        {
            index = Some(self.rest()[1..close].to_string());
            self.at += close + 1;
        }
        let rest = self.rest();
        let sign = rest.len()
            - rest
                .trim_start_matches(|c: char| ":-+=?#%/^,@".contains(c))
                .len();
        let operator = match rest[..sign].chars().next() {
            Some(':') => rest[..sign.min(2)].to_string(),
            Some(_) => rest[..1].to_string(),
            None => String::new(),
        };
        self.at += operator.len();
        let from = self.at;
        let parts = self.deeper(start, |parser| parser.parts(Until::Brace));
        let argument = (!operator.is_empty()).then(|| Word {
            parts,
            span: Span::new(from, self.at),
        });
        if !self.takes("}") {
            self.problem(ProblemKind::Unclosed, start, "\"}\" is missing".to_string());
        }
        Parameter {
            name,
            length,
            operator,
            index,
            argument,
            braces: true,
            span: Span::new(start, self.at),
        }
    }

    /// What stands between `opening` (which ends in `((`) and `))`: the variables in it. Nothing is taken if
    /// it is no arithmetic.
    pub(super) fn arithmetic(&mut self, opening: &str) -> Option<Vec<Parameter>> {
        let start = self.at + opening.len();
        let rest = &self.text[start..self.end];
        let mut depth = 0_usize;
        let mut close = None;
        for (at, letter) in rest.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                ')' => {
                    close = rest[at..].starts_with("))").then_some(at);
                    break;
                }
                _ => {}
            }
        }
        let close = start + close?;
        let outer = std::mem::replace(&mut self.end, close);
        self.at = start;
        let mut parameters = Vec::new();
        while let Some(byte) = self.peek() {
            let before = self.at;
            if byte == b'$'
                && let Some(Part::Parameter(parameter)) = self.dollar(Until::Quote)
            {
                parameters.push(parameter);
            }
            if self.at == before {
                self.at = self.boundary(before + 1);
            }
        }
        self.end = outer;
        self.at = close + 2;
        Some(parameters)
    }
}

fn ends(until: Until, byte: u8) -> bool {
    match until {
        Until::Word => matches!(
            byte,
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'
        ),
        Until::Quote => byte == b'"',
        Until::Brace => byte == b'}',
    }
}

/// The length of the name behind a `$` without braces: one digit or sign, or a whole name.
fn name_length(text: &str) -> usize {
    match text.bytes().next() {
        Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => 1,
        _ => long_name_length(text),
    }
}

/// The length of the name inside braces.
fn long_name_length(text: &str) -> usize {
    match text.bytes().next() {
        Some(byte) if b"@*#?-$!".contains(&byte) => 1,
        _ => text
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len()),
    }
}
