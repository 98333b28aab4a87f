//! The file as a build would go through it: planned, every variable expanded, once for all rules.

use crate::facts::Facts;
use kiln_dockerfile::evaluate::Evaluated;
use kiln_dockerfile::plan::{Globals, Origin, PlannedStage, plan_every_stage};
use kiln_dockerfile::scope::{BaseConfig, StageScope, Undefined};
use kiln_dockerfile::syntax::{Dockerfile, Instruction, InstructionKind};

/// A file after its walk.
#[derive(Default)]
pub(crate) struct Walked {
    /// The global scope; nothing if it could not be evaluated.
    pub(crate) globals: Option<Globals>,
    /// The stages that could be planned, in source order.
    pub(crate) stages: Vec<WalkedStage>,
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

/// Walks the whole file.
pub(crate) fn walk_file(file: &Dockerfile, facts: &Facts) -> Walked {
    let Ok(plan) = plan_every_stage(file, &facts.plan) else {
        return Walked::default();
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
    Walked {
        globals: Some(plan.globals),
        stages,
    }
}

fn base(origin: &Origin, facts: &Facts) -> (BaseConfig, bool) {
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
