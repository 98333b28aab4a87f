//! The shell inside `RUN`: parsed, not matched with patterns.
//!
//! The parser is kiln's own. Those on offer were weighed: brush-parser and conch-parser bring several times the
//! code that rules need and keep no byte ranges of words, yash-syntax is GPL, tree-sitter-bash needs C and a
//! generated parser of 100,000 lines. A linter wants byte ranges, a tree for every text however broken, and a
//! short compile.

pub mod ast;
mod invocation;
mod parser;
mod run;
mod visit;
mod words;

pub use invocation::{Arg, Invocation};
pub use parser::{Problem, ProblemKind, parse};
pub use run::{Dialect, ShellRun};
pub use visit::{Visitor, walk, walk_word};

pub(crate) use run::runs;

#[cfg(test)]
mod tests;
