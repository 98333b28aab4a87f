//! COPY, ADD and here-documents.

use super::Word;
use crate::span::Span;

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The terminator, which is also the file's name in COPY and ADD.
    pub name: String,
    /// Whether variables in it are expanded: no part of the name was quoted.
    pub expand: bool,
    /// `<<-`: leading tabs are not part of it.
    pub strip_tabs: bool,
    /// The number before `<<`, 0 if there is none.
    pub descriptor: u32,
    /// The lines as written, tabs included.
    pub content: String,
    /// Where the lines stand, terminator included.
    pub span: Span,
}

impl Heredoc {
    /// The lines, without leading tabs if `<<-` asked for that.
    pub fn stripped(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

/// Where COPY or ADD takes something from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path, pattern, URL or repository.
    Path(Word),
    /// A here-document.
    Heredoc(Heredoc),
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What to copy, in order; at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
    /// `--from`: stage, number of a stage, context or image. No variables.
    pub from: Option<Word>,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`s.
    pub excludes: Vec<Word>,
}

/// `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What to add, in order; at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub dest: Word,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`s.
    pub excludes: Vec<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--unpack`.
    pub unpack: Option<bool>,
}
