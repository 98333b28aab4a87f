//! The parser: a script in, a tree and problems out. It never fails: what it cannot read it reports and
//! steps over, so that a rule sees the rest.

use super::ast::{Assignment, Chain, Command, Join, Kind, List, Pipeline, Redirect, Simple, Word};
use kiln_dockerfile::Span;

/// How deep commands, substitutions and quotes may lie in one another. It bounds the parser's own stack.
const DEPTH: usize = 48;

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of wrong.
    pub kind: ProblemKind,
    /// One sentence.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// The kinds of problems that rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// A quote, bracket or substitution that nothing closes.
    Unclosed,
    /// A compound command that does not end, or a word of one that nothing began.
    Keyword,
    /// An operator where a command should be.
    Operator,
    /// `&;` or `; ;`.
    Terminator,
    /// Parameters in the declaration of a function.
    Parameters,
    /// Deeper than the parser goes.
    Depth,
}

/// Parses a script.
pub fn parse(text: &str) -> (List, Vec<Problem>) {
    let mut parser = Parser::new(text);
    let mut list = parser.list(&[]);
    while parser.at < parser.end {
        // What ended the list is nothing that a script may begin with.
        let start = parser.at;
        let word = parser.peek_plain().map_or(1, str::len).max(1);
        parser.at = parser.boundary(start + word);
        let found = text[start..parser.at].to_string();
        let kind = match found.as_str() {
            ")" | ";;" | ";" => ProblemKind::Operator,
            _ => ProblemKind::Keyword,
        };
        parser.problem(kind, start, format!("{found:?} cannot stand here"));
        list.items.append(&mut parser.list(&[]).items);
    }
    (list, parser.problems)
}

/// Words that are no commands where a command may begin.
const CLOSING: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    /// Nothing at or behind this is read: the end of the text, or of the backticks around.
    pub(super) end: usize,
    pub(super) depth: usize,
    pub(super) problems: Vec<Problem>,
    /// Here-documents whose bodies begin at the next line.
    heredocs: Vec<(String, bool)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        Parser {
            text,
            at: 0,
            end: text.len(),
            depth: 0,
            problems: Vec::new(),
            heredocs: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, kind: ProblemKind, start: usize, message: String) {
        let end = self.at.max(start);
        self.problems.push(Problem {
            kind,
            message,
            span: Span::new(start, end),
        });
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..self.end]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.text.as_bytes()[self.at])
    }

    /// The next place at or behind `at` where a character begins.
    pub(super) fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.end);
        while !self.text.is_char_boundary(at) {
            at += 1;
        }
        at.min(self.end)
    }

    pub(super) fn takes(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Skips blanks, comments and joined lines; line breaks too if `lines`.
    fn skip(&mut self, lines: bool) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n') if lines => self.line_break(),
                Some(b'\\') if self.rest().starts_with("\\\n") => self.at += 2,
                Some(b'#') if self.begins_word() => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn begins_word(&self) -> bool {
        let before = self.text[..self.at].bytes().next_back();
        before.is_none_or(|byte| {
            matches!(
                byte,
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'`'
            )
        })
    }

    /// Steps over a line break and the here-documents that were waiting for it.
    fn line_break(&mut self) {
        self.at += 1;
        for (name, tabs) in std::mem::take(&mut self.heredocs) {
            loop {
                let rest = self.rest();
                let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
                let line = rest[..length].trim_end_matches('\n');
                let line = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                self.at += length;
                if line == name || length == 0 {
                    break;
                }
            }
        }
    }

    /// The plain word that begins here, not taken.
    pub(super) fn peek_plain(&self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| c.is_whitespace() || ";&|<>()`\"'$\\".contains(c))
            .unwrap_or(rest.len());
        (length > 0).then(|| &rest[..length])
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.peek_plain() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Commands up to one of the words, a `)`, `;;` or the end. The word is not taken.
    pub(super) fn list(&mut self, until: &[&str]) -> List {
        let mut list = List::default();
        loop {
            self.skip(true);
            match self.peek() {
                None | Some(b')') => return list,
                Some(b';') if self.rest().starts_with(";;") || self.rest().starts_with(";&") => {
                    return list;
                }
                Some(b';') => {
                    let start = self.at;
                    self.at += 1;
                    self.problem(
                        ProblemKind::Terminator,
                        start,
                        "\";\" ends no command".to_string(),
                    );
                    continue;
                }
                _ => {}
            }
            if let Some(word) = self.peek_plain()
                && (until.contains(&word) || CLOSING.contains(&word))
            {
                return list;
            }
            let before = self.at;
            let mut chain = self.chain();
            self.skip(false);
            match self.peek() {
                Some(b';') if !self.rest().starts_with(";;") && !self.rest().starts_with(";&") => {
                    self.at += 1;
                }
                Some(b'&') => {
                    chain.background = true;
                    let start = self.at;
                    self.at += 1;
                    self.skip(false);
                    if self.peek() == Some(b';') && !self.rest().starts_with(";;") {
                        self.at += 1;
                        let message = "\"&\" ends the command already".to_string();
                        self.problem(ProblemKind::Terminator, start, message);
                    }
                }
                _ => {}
            }
            list.items.push(chain);
            if self.at == before {
                // Nothing that a command may begin with: step over it.
                self.at = self.boundary(self.at + 1);
                let found = self.text[before..self.at].to_string();
                self.problem(
                    ProblemKind::Operator,
                    before,
                    format!("{found:?} cannot stand here"),
                );
            }
        }
    }

    fn chain(&mut self) -> Chain {
        let first = self.pipeline();
        let mut rest = Vec::new();
        loop {
            self.skip(false);
            let join = if self.takes("&&") {
                Join::And
            } else if self.takes("||") {
                Join::Or
            } else {
                break;
            };
            self.skip(true);
            rest.push((join, self.pipeline()));
        }
        Chain {
            first,
            rest,
            background: false,
        }
    }

    fn pipeline(&mut self) -> Pipeline {
        let mut negated = false;
        loop {
            self.skip(false);
            if self.takes_word("!") {
                negated = !negated;
            } else if !self.takes_word("time") {
                break;
            }
        }
        let mut commands = vec![self.command()];
        loop {
            self.skip(false);
            if self.rest().starts_with("||") || !(self.takes("|&") || self.takes("|")) {
                break;
            }
            self.skip(true);
            commands.push(self.command());
        }
        Pipeline { negated, commands }
    }

    fn command(&mut self) -> Command {
        self.skip(false);
        let start = self.at;
        self.depth += 1;
        let mut redirects = Vec::new();
        let kind = if self.depth > DEPTH {
            self.at = self.end;
            self.problem(
                ProblemKind::Depth,
                start,
                "the script is nested too deeply".to_string(),
            );
            Kind::Simple(Simple::default())
        } else {
            self.kind(&mut redirects)
        };
        let mut end = match &kind {
            Kind::Simple(simple) => simple.end().unwrap_or(start),
            _ => self.at,
        };
        if !matches!(kind, Kind::Simple(_)) {
            loop {
                // What is skipped here is not part of the command.
                self.skip(false);
                match self.redirect() {
                    Some(redirect) => redirects.push(redirect),
                    None => break,
                }
            }
        }
        self.depth -= 1;
        for redirect in &redirects {
            end = end.max(redirect.span.end);
        }
        Command {
            kind,
            redirects,
            span: Span::new(start, end),
        }
    }

    fn kind(&mut self, redirects: &mut Vec<Redirect>) -> Kind {
        let start = self.at;
        if self.rest().starts_with("((")
            && let Some(parameters) = self.arithmetic("((")
        {
            return Kind::Arithmetic(parameters);
        }
        if self.takes("(") {
            let list = self.list(&[]);
            self.expect(")", start);
            return Kind::Subshell(list);
        }
        match self.peek_plain() {
            Some("{") => {
                self.at += 1;
                let list = self.list(&["}"]);
                self.expect_word("}", start);
                Kind::Group(list)
            }
            Some("if") => self.conditional(),
            Some(word @ ("while" | "until")) => {
                self.at += word.len();
                let condition = self.list(&["do"]);
                let body = self.loop_body(start);
                Kind::Loop { condition, body }
            }
            Some("for" | "select") => self.for_loop(),
            Some("case") => self.case(),
            Some("function") => self.function(),
            Some("[[") => self.test(),
            Some(word)
                if self.text[self.at + word.len()..self.end]
                    .trim_start_matches([' ', '\t'])
                    .starts_with("()") =>
            {
                let name = word.to_string();
                self.at += word.len();
                self.skip(false);
                self.at += 2;
                self.skip(true);
                let body = Box::new(self.command());
                Kind::Function {
                    name,
                    keyword: false,
                    body,
                }
            }
            Some(word) if self.declares_parameters(word) => {
                let name = word.to_string();
                self.at += word.len();
                let close = self
                    .rest()
                    .find(')')
                    .map_or(self.end, |at| self.at + at + 1);
                self.at = close;
                let message = format!("{name} declares parameters");
                self.problem(ProblemKind::Parameters, start, message);
                self.skip(true);
                let body = Box::new(self.command());
                Kind::Function {
                    name,
                    keyword: false,
                    body,
                }
            }
            _ => Kind::Simple(self.simple(redirects)),
        }
    }

    /// `name(a, b) {`, which is meant as a function.
    fn declares_parameters(&self, word: &str) -> bool {
        let rest = &self.text[self.at + word.len()..self.end];
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        inside.is_some_and(|(list, tail)| {
            let name = |c: char| c.is_ascii_alphanumeric() || "_, ".contains(c);
            list.chars().all(name) && tail.trim_start().starts_with('{')
        })
    }

    fn expect(&mut self, token: &str, start: usize) {
        self.skip(true);
        if !self.takes(token) {
            self.problem(
                ProblemKind::Unclosed,
                start,
                format!("{token:?} is missing"),
            );
        }
    }

    fn expect_word(&mut self, word: &str, start: usize) {
        self.skip(true);
        if !self.takes_word(word) {
            self.problem(ProblemKind::Keyword, start, format!("{word:?} is missing"));
        }
    }

    fn conditional(&mut self) -> Kind {
        let start = self.at;
        self.at += 2;
        let mut arms = Vec::new();
        loop {
            let condition = self.list(&["then"]);
            self.expect_word("then", start);
            let branch = self.list(&["elif", "else", "fi"]);
            arms.push((condition, branch));
            if !self.takes_word("elif") {
                break;
            }
        }
        let otherwise = self.takes_word("else").then(|| self.list(&["fi"]));
        self.expect_word("fi", start);
        Kind::If { arms, otherwise }
    }

    fn loop_body(&mut self, start: usize) -> List {
        self.skip(true);
        if self.takes(";") {
            self.skip(true);
        }
        self.expect_word("do", start);
        let body = self.list(&["done"]);
        self.expect_word("done", start);
        body
    }

    fn for_loop(&mut self) -> Kind {
        let start = self.at;
        self.at += self.peek_plain().map_or(0, str::len);
        self.skip(false);
        if self.rest().starts_with("((") {
            self.arithmetic("((");
            let body = self.loop_body(start);
            return Kind::For {
                name: String::new(),
                words: Some(Vec::new()),
                body,
            };
        }
        let word = self.word();
        let name = word.text(self.text);
        self.skip(true);
        let words = self.takes_word("in").then(|| {
            let mut words = Vec::new();
            loop {
                self.skip(false);
                let before = self.at;
                let word = self.word();
                if self.at == before {
                    return words;
                }
                words.push(word);
            }
        });
        let body = self.loop_body(start);
        Kind::For { name, words, body }
    }

    fn case(&mut self) -> Kind {
        let start = self.at;
        self.at += 4;
        self.skip(false);
        let word = self.word();
        self.expect_word("in", start);
        let mut arms = Vec::new();
        loop {
            self.skip(true);
            if self.peek().is_none() || self.peek_plain() == Some("esac") {
                break;
            }
            self.takes("(");
            let before = self.at;
            let mut patterns = Vec::new();
            loop {
                self.skip(false);
                patterns.push(self.word());
                self.skip(false);
                if !self.takes("|") {
                    break;
                }
            }
            self.expect(")", start);
            arms.push((patterns, self.list(&["esac"])));
            let _ = self.takes(";;&") || self.takes(";;") || self.takes(";&");
            if self.at == before {
                break;
            }
        }
        self.expect_word("esac", start);
        Kind::Case { word, arms }
    }

    fn function(&mut self) -> Kind {
        self.at += "function".len();
        self.skip(false);
        let name = self.word().text(self.text);
        self.skip(false);
        if self.takes("(") {
            self.skip(false);
            self.takes(")");
        }
        self.skip(true);
        let body = Box::new(self.command());
        Kind::Function {
            name,
            keyword: true,
            body,
        }
    }

    /// `[[ … ]]`: in it `<`, `>`, `&&`, `||` and parentheses are operators of their own.
    fn test(&mut self) -> Kind {
        let start = self.at;
        self.at += 2;
        let mut words = Vec::new();
        loop {
            self.skip(true);
            if self.takes_word("]]") {
                return Kind::Test(words);
            }
            let before = self.at;
            let word = self.word();
            if self.at > before {
                words.push(word);
            } else if self.peek().is_some_and(|byte| b"<>&|()".contains(&byte)) {
                self.at += 1;
            } else {
                self.problem(
                    ProblemKind::Unclosed,
                    start,
                    "\"]]\" is missing".to_string(),
                );
                return Kind::Test(words);
            }
        }
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Simple {
        let mut simple = Simple::default();
        loop {
            self.skip(false);
            if let Some(redirect) = self.redirect() {
                redirects.push(redirect);
                continue;
            }
            if simple.words.is_empty()
                && let Some(assignment) = self.assignment()
            {
                simple.assignments.push(assignment);
                continue;
            }
            let before = self.at;
            let word = self.word();
            if self.at == before {
                return simple;
            }
            simple.words.push(word);
        }
    }

    /// `NAME=`, `NAME+=` or `NAME[…]=` and what follows.
    fn assignment(&mut self) -> Option<Assignment> {
        let start = self.at;
        let rest = self.rest();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_name(c))?;
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        let mut tail = &rest[length..];
        let indexed = tail.starts_with('[');
        if indexed {
            let close = tail.find(']')?;
            tail = &tail[close + 1..];
        }
        let append = tail.starts_with("+=");
        let sign = if append { 2 } else { 1 };
        if !append && !tail.starts_with('=') {
            return None;
        }
        self.at += rest.len() - tail.len() + sign;
        let array = self.peek() == Some(b'(');
        let mut values = Vec::new();
        if array {
            self.at += 1;
            loop {
                self.skip(true);
                let before = self.at;
                let word = self.word();
                if self.at == before {
                    break;
                }
                values.push(word);
            }
            self.expect(")", start);
        } else {
            values.push(self.word());
        }
        Some(Assignment {
            name: rest[..length].to_string(),
            append,
            array: array || indexed,
            values,
            span: Span::new(start, self.at),
        })
    }

    fn redirect(&mut self) -> Option<Redirect> {
        const OPERATORS: [&str; 14] = [
            "&>>", "&>", "<<<", "<<-", "<<", "<>", "<&", ">>", ">&", ">|", "<(", ">(", "<", ">",
        ];
        let start = self.at;
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let rest = &rest[digits..];
        let operator = OPERATORS
            .iter()
            .find(|operator| rest.starts_with(**operator))?;
        // Process substitutions are words.
        if operator.ends_with('(') || (digits > 0 && operator.starts_with('&')) {
            return None;
        }
        self.at += digits + operator.len();
        self.skip(false);
        let target = self.word();
        if target.parts.is_empty() {
            let message = format!("nothing follows {operator:?}");
            self.problem(ProblemKind::Operator, start, message);
        }
        if matches!(*operator, "<<" | "<<-") {
            self.heredocs
                .push((target.text(self.text), *operator == "<<-"));
        }
        Some(Redirect {
            operator: (*operator).to_string(),
            target,
            span: Span::new(start, self.at),
        })
    }

    /// A word; empty if none begins here.
    pub(super) fn word(&mut self) -> Word {
        let start = self.at;
        let parts = self.parts(super::words::Until::Word);
        Word {
            parts,
            span: Span::new(start, self.at),
        }
    }
}
