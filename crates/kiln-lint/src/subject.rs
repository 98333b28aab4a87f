//! What rules look at: the file as written, as a build would walk it, and the scripts in it.

use crate::facts::Facts;
use crate::options::Options;
use crate::pragma::Pragmas;
use crate::shell::{self, ShellRun};
use crate::walk::{WalkedStage, walk_file};
use kiln_dockerfile::logical::{self, Logical};
use kiln_dockerfile::plan::Globals;
use kiln_dockerfile::syntax::{Instruction, InstructionKind};
use kiln_dockerfile::{Dockerfile, SourceFile, Span, Stage};
use std::cell::OnceCell;

/// A file with everything that is known of it.
pub struct Subject<'a> {
    /// Its text.
    pub source: &'a SourceFile,
    /// Its tree.
    pub file: &'a Dockerfile,
    /// What is known beside it.
    pub facts: &'a Facts,
    /// What the configuration says.
    pub options: &'a Options,
    /// What its comments tell the linter.
    pub pragmas: &'a Pragmas,
    /// The global scope; nothing if it could not be evaluated.
    pub globals: Option<Globals>,
    /// The stages that could be planned, walked, in source order.
    pub stages: Vec<WalkedStage>,
    /// The stages as written. What stands before the first `FROM` and may not is a stage without one.
    pub views: Vec<StageView<'a>>,
    lines: OnceCell<Vec<Logical>>,
    runs: OnceCell<Vec<ShellRun<'a>>>,
}

/// A stage as written.
#[derive(Clone, Copy, Debug)]
pub struct StageView<'a> {
    /// Its position in [`Subject::views`].
    pub position: usize,
    /// The stage; nothing if there is no `FROM`.
    pub stage: Option<&'a Stage>,
    /// Its instructions.
    pub instructions: &'a [Instruction],
}

impl StageView<'_> {
    /// Where it begins.
    pub fn span(&self) -> Span {
        let first = self.instructions.first().map(|first| first.span);
        self.stage
            .map(|stage| stage.span)
            .or(first)
            .unwrap_or_default()
    }
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        source: &'a SourceFile,
        file: &'a Dockerfile,
        facts: &'a Facts,
        options: &'a Options,
        pragmas: &'a Pragmas,
    ) -> Subject<'a> {
        let walked = walk_file(file, facts);
        let mut views = Vec::new();
        if !file.misplaced.is_empty() {
            views.push(StageView {
                position: 0,
                stage: None,
                instructions: &file.misplaced,
            });
        }
        for stage in &file.stages {
            views.push(StageView {
                position: views.len(),
                stage: Some(stage),
                instructions: &stage.instructions,
            });
        }
        Subject {
            source,
            file,
            facts,
            options,
            pragmas,
            globals: walked.globals,
            stages: walked.stages,
            views,
            lines: OnceCell::new(),
            runs: OnceCell::new(),
        }
    }

    /// All instructions of all stages, as written.
    pub fn instructions(&self) -> impl Iterator<Item = &'a Instruction> + use<'a> {
        self.file
            .stages
            .iter()
            .flat_map(|stage| &stage.instructions)
    }

    /// All instructions, those before the first `FROM` too; `ONBUILD` is not looked into.
    pub fn written(&self) -> impl Iterator<Item = &'a Instruction> + use<'a> {
        self.file.misplaced.iter().chain(self.instructions())
    }

    /// As [`Subject::written`], and what `ONBUILD` holds in its place.
    pub fn written_and_triggers(&self) -> impl Iterator<Item = &'a Instruction> + use<'a> {
        self.written().map(|instruction| match &instruction.kind {
            InstructionKind::Onbuild(onbuild) => &*onbuild.instruction,
            _ => instruction,
        })
    }

    /// The joined lines.
    pub fn lines(&self) -> &[Logical] {
        self.lines
            .get_or_init(|| logical::lines(self.source, self.file.escape()))
    }

    /// All scripts, in order.
    pub fn runs(&self) -> &[ShellRun<'a>] {
        self.runs
            .get_or_init(|| shell::runs(&self.views, self.lines(), &self.pragmas.shells))
    }

    /// The stage in whose place the name stands, looking from the stage at `position`: an earlier stage of
    /// that name.
    pub fn earlier_stage(&self, name: &str, position: usize) -> Option<&StageView<'a>> {
        self.views[..position.min(self.views.len())]
            .iter()
            .rev()
            .find(|view| view.stage.is_some_and(|stage| stage.has_name(name)))
    }

    /// The stage at `position` and those that it is built on, nearest first.
    pub fn chain(&self, position: usize) -> Vec<StageView<'a>> {
        let mut chain = Vec::new();
        let mut next = self.views.get(position).copied();
        while let Some(view) = next {
            chain.push(view);
            next = view
                .stage
                .and_then(|stage| self.earlier_stage(&stage.from.image.text, view.position))
                .copied();
        }
        chain
    }
}
