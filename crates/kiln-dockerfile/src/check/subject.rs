//! What rules look at: the file, planned and walked once for all of them.

use super::CheckFacts;
use crate::evaluate::Evaluated;
use crate::plan::{Globals, Origin, PlannedStage, plan_every_stage};
use crate::scope::{BaseConfig, StageScope, Undefined};
use crate::syntax::{Dockerfile, Instruction, InstructionKind};

/// A file with everything that is known of it.
pub struct Subject<'a> {
    /// The file.
    pub file: &'a Dockerfile,
    /// What is known beside it.
    pub facts: &'a CheckFacts,
    /// The global scope; nothing if it could not be evaluated.
    pub globals: Option<Globals>,
    /// The stages that could be planned, in source order.
    pub stages: Vec<WalkedStage>,
}

/// A stage after its walk.
pub struct WalkedStage {
    /// The stage as planned.
    pub planned: PlannedStage,
    /// Whether all is known of what it is built on. Unknown images may set any variable.
    pub base_known: bool,
    /// Its own instructions, without triggers.
    pub steps: Vec<WalkedStep>,
}

/// An instruction after its walk.
pub struct WalkedStep {
    /// The instruction.
    pub instruction: Instruction,
    /// What it means; nothing if it cannot be evaluated.
    pub evaluated: Option<Evaluated>,
    /// The variables that it uses and nothing sets.
    pub undefined: Vec<Undefined>,
    /// Whether a `SHELL` is in force.
    pub has_shell: bool,
    /// For WORKDIR: the path as expanded, if no earlier one was set in this file.
    pub first_workdir: Option<String>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(file: &'a Dockerfile, facts: &'a CheckFacts) -> Subject<'a> {
        let Ok(plan) = plan_every_stage(file, &facts.plan) else {
            return Subject {
                file,
                facts,
                globals: None,
                stages: Vec::new(),
            };
        };
        // By stage index: the scope at the end, whether its base is known, whether WORKDIR was set.
        let mut ends: Vec<Option<(StageScope, bool, bool)>> = vec![None; file.stages.len()];
        let mut stages = Vec::new();
        for planned in &plan.stages {
            let index = planned.index;
            let parent = match planned.base {
                Origin::Stage(base) => ends.get(base).cloned().flatten(),
                _ => None,
            };
            let (mut scope, base_known, mut workdir_set) = match parent {
                Some((parent, known, workdir)) => {
                    (StageScope::on_stage(index, &parent), known, workdir)
                }
                None => {
                    let (base, known) = base(&planned.base, facts);
                    (StageScope::on_image(&plan, index, &base), known, false)
                }
            };
            let mut steps = Vec::new();
            for step in &planned.steps {
                let walked = walk(&mut scope, &step.instruction, &mut workdir_set);
                if !step.from_trigger {
                    steps.push(walked);
                }
            }
            ends[index] = Some((scope, base_known, workdir_set));
            stages.push(WalkedStage {
                planned: planned.clone(),
                base_known,
                steps,
            });
        }
        Subject {
            file,
            facts,
            globals: Some(plan.globals),
            stages,
        }
    }

    /// All instructions of all stages, as written.
    pub fn instructions(&self) -> impl Iterator<Item = &'a Instruction> + use<'a> {
        self.file
            .stages
            .iter()
            .flat_map(|stage| &stage.instructions)
    }
}

fn base(origin: &Origin, facts: &CheckFacts) -> (BaseConfig, bool) {
    match origin {
        Origin::Scratch => (BaseConfig::default(), true),
        Origin::Image(name) | Origin::Context(name) => match facts.images.get(name) {
            Some(image) => (image.config.clone(), true),
            None => (BaseConfig::default(), false),
        },
        Origin::Stage(_) => (BaseConfig::default(), false),
    }
}

fn walk(scope: &mut StageScope, instruction: &Instruction, workdir_set: &mut bool) -> WalkedStep {
    let mut first_workdir = None;
    if let InstructionKind::Workdir(word) = &instruction.kind
        && !std::mem::replace(workdir_set, true)
    {
        first_workdir = scope.clone().expand(word).ok();
    }
    let has_shell = scope.has_shell();
    let evaluated = scope.evaluate(instruction).ok();
    let undefined = scope.take_undefined();
    WalkedStep {
        instruction: instruction.clone(),
        evaluated,
        undefined,
        has_shell,
        first_workdir,
    }
}
