//! The shell's syntax tree (POSIX.1-2024, Shell Command Language, and what bash adds to it).
//!
//! Spans are byte offsets into the script's text; [`super::ShellRun::place`] makes places in the
//! Dockerfile of them.

use kiln_dockerfile::Span;

/// Commands one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The and-or chains.
    pub items: Vec<Chain>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The first.
    pub first: Pipeline,
    /// The others, each with what joins it.
    pub rest: Vec<(Join, Pipeline)>,
    /// Whether `&` sends it to the background.
    pub background: bool,
}

impl Chain {
    /// All its pipelines.
    pub fn pipelines(&self) -> impl Iterator<Item = &Pipeline> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, pipeline)| pipeline))
    }
}

/// How a chain goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `&&`.
    And,
    /// `||`.
    Or,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Whether `!` turns its status round.
    pub negated: bool,
    /// The commands; at least one.
    pub commands: Vec<Command>,
}

/// A command with its redirections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it is.
    pub kind: Kind,
    /// Its redirections.
    pub redirects: Vec<Redirect>,
    /// From its first to its last byte.
    pub span: Span,
}

/// The kinds of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Assignments, a name and its arguments.
    Simple(Simple),
    /// `( … )`.
    Subshell(List),
    /// `{ …; }`.
    Group(List),
    /// `if …; then …; elif …; else …; fi`.
    If {
        /// Condition and branch of each `if` and `elif`.
        arms: Vec<(List, List)>,
        /// What follows `else`.
        otherwise: Option<List>,
    },
    /// `while …; do …; done` and `until`.
    Loop {
        /// The condition.
        condition: List,
        /// The body.
        body: List,
    },
    /// `for NAME in …; do …; done`.
    For {
        /// The variable.
        name: String,
        /// The words; nothing if `in` is missing.
        words: Option<Vec<Word>>,
        /// The body.
        body: List,
    },
    /// `case WORD in …) … ;; esac`.
    Case {
        /// The word.
        word: Word,
        /// Patterns and what follows them.
        arms: Vec<(Vec<Word>, List)>,
    },
    /// `NAME() …`, or `function NAME …`.
    Function {
        /// The name.
        name: String,
        /// Whether it is written with `function`.
        keyword: bool,
        /// The body.
        body: Box<Command>,
    },
    /// `[[ … ]]`, as words.
    Test(Vec<Word>),
    /// `(( … ))`.
    Arithmetic(Vec<Parameter>),
}

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// `NAME=value` before the name.
    pub assignments: Vec<Assignment>,
    /// The name and the arguments.
    pub words: Vec<Word>,
}

impl Simple {
    /// Where its last assignment or word ends; nothing if there is none.
    pub fn end(&self) -> Option<usize> {
        let words = self.words.last().map(|word| word.span.end);
        words.or(self.assignments.last().map(|one| one.span.end))
    }

    /// The command's name, if it holds no expansion.
    pub fn name(&self) -> Option<String> {
        self.words.first()?.literal()
    }
}

/// `NAME=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// `+=`.
    pub append: bool,
    /// Whether an element of an array, or a whole array, is assigned.
    pub array: bool,
    /// The value; for an array all its words.
    pub values: Vec<Word>,
    /// The whole.
    pub span: Span,
}

/// `2>&1` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The operator without the number: `>`, `>>`, `<<` …
    pub operator: String,
    /// The file, the descriptor or the here-document's end.
    pub target: Word,
    /// The whole.
    pub span: Span,
}

/// A word, before expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// The whole.
    pub span: Span,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Literal(String, Span),
    /// `\x` outside quotes, without the backslash.
    Escaped(char, Span),
    /// `'…'` or `$'…'`.
    Single(String, Span),
    /// `"…"`.
    Double(Vec<Part>, Span),
    /// `$x` or `${…}`.
    Parameter(Parameter),
    /// `$(…)`, or with backticks, or `<(…)`.
    Command {
        /// What runs.
        list: List,
        /// How it is written.
        style: Substitution,
        /// The whole.
        span: Span,
    },
    /// `$((…))`: the variables in it.
    Arithmetic(Vec<Parameter>, Span),
}

/// How a command substitution is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitution {
    /// `$(…)`.
    Dollar,
    /// With backticks.
    Backtick,
    /// `<(…)` or `>(…)`.
    Process,
}

/// A use of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name, a number, or one of `@*#?-$!`.
    pub name: String,
    /// `${#x}`.
    pub length: bool,
    /// What follows the name in braces: `:-`, `%`, `/` …; empty if nothing does.
    pub operator: String,
    /// `[…]` behind the name.
    pub index: Option<String>,
    /// What follows the operator.
    pub argument: Option<Word>,
    /// Whether it is written with braces.
    pub braces: bool,
    /// The whole.
    pub span: Span,
}

impl Part {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Part::Literal(_, span)
            | Part::Escaped(_, span)
            | Part::Single(_, span)
            | Part::Double(_, span)
            | Part::Command { span, .. }
            | Part::Arithmetic(_, span) => *span,
            Part::Parameter(parameter) => parameter.span,
        }
    }

    fn write(&self, text: &str, out: &mut String) -> bool {
        match self {
            Part::Literal(literal, _) | Part::Single(literal, _) => out.push_str(literal),
            Part::Escaped(letter, _) => out.push(*letter),
            Part::Double(parts, _) => {
                let mut whole = true;
                for part in parts {
                    whole &= part.write(text, out);
                }
                return whole;
            }
            other => {
                let span = other.span();
                out.push_str(text.get(span.start..span.end).unwrap_or("$"));
                return false;
            }
        }
        true
    }
}

impl Word {
    /// The word's text, quotes taken off; nothing if it holds an expansion.
    pub fn literal(&self) -> Option<String> {
        let mut out = String::new();
        let whole = self.parts.iter().all(|part| part.write("", &mut out));
        whole.then_some(out)
    }

    /// The word's text with quotes taken off and expansions as written in `text`, the script.
    pub fn text(&self, text: &str) -> String {
        let mut out = String::new();
        for part in &self.parts {
            part.write(text, &mut out);
        }
        out
    }

    /// The text if the word is plain: no quotes, no escapes, no expansions.
    pub fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Literal(text, _)] => Some(text),
            _ => None,
        }
    }

    /// The parts outside quotes.
    pub fn unquoted(&self) -> impl Iterator<Item = &Part> {
        let quoted = |part: &&Part| !matches!(part, Part::Single(..) | Part::Double(..));
        self.parts.iter().filter(quoted)
    }
}
