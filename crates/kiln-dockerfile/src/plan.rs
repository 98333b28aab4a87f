//! Planning: which stages a target needs, on what each is built, and what it takes from others.
//!
//! The plan is made before any image is known. A base image may bring `ONBUILD` triggers, which may
//! depend on more stages: plan again with them in [`PlanOptions::triggers`].

mod globals;
mod names;
mod planner;

pub use globals::Globals;
pub use names::Names;

use planner::{Planner, reach, unused};

use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Variables;
use crate::platform::PlatformParts;
use crate::span::Span;
use crate::syntax::{Dockerfile, Instruction};
use std::collections::{BTreeMap, BTreeSet};

/// What the person who builds says about it.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// `--build-arg`s.
    pub build_args: BTreeMap<String, String>,
    /// `--target`: the name of a stage; the last stage without.
    pub target: Option<String>,
    /// The platform that builds.
    pub build_platform: PlatformParts,
    /// The platform that is built for.
    pub target_platform: PlatformParts,
    /// Names of `--build-context`s; they override stages and images of the same name.
    pub named_contexts: BTreeSet<String>,
    /// `ONBUILD` triggers that the base *image* of a stage has, by stage index. Triggers of base
    /// *stages* are found without help.
    pub triggers: BTreeMap<usize, Vec<String>>,
}

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Nothing at all.
    Scratch,
    /// The stage with this index.
    Stage(usize),
    /// An image, by the name as written.
    Image(String),
    /// A named context, by its name in [`PlanOptions::named_contexts`].
    Context(String),
}

/// The stages to build, and the global variables.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The stages that the target reaches, each after those that it depends on.
    pub stages: Vec<PlannedStage>,
    /// The index ([`PlannedStage::index`]) of the target.
    pub target: usize,
    /// Build arguments that no `ARG` declares.
    pub unused_build_args: Vec<String>,
    /// The global scope: automatic arguments, and `ARG`s before the first `FROM`.
    pub globals: Globals,
    /// The build arguments.
    pub build_args: BTreeMap<String, String>,
    /// The names that `COPY --from` and mounts may use.
    pub names: Names,
    /// The escape character of the file.
    pub escape: char,
}

impl Plan {
    /// Where the time of the build comes from; nothing if it is not asked for, or asked for with an empty
    /// value.
    pub fn source_date_epoch(&self) -> Option<SourceDateEpoch> {
        let name = "SOURCE_DATE_EPOCH";
        let value = match self.build_args.get(name) {
            Some(value) => value.clone(),
            None => self.globals.get(name)?.into_owned(),
        };
        match (value.as_str(), value.parse()) {
            ("", _) => None,
            (_, Ok(seconds)) => Some(SourceDateEpoch::Seconds(seconds)),
            ("context", _) => Some(SourceDateEpoch::Context),
            (name, _) => Some(SourceDateEpoch::Named(name.to_string())),
        }
    }

    /// The planned stage with this index.
    pub fn stage(&self, index: usize) -> Option<&PlannedStage> {
        self.stages.iter().find(|stage| stage.index == index)
    }
}

/// Where the time of a reproducible build comes from: the build argument `SOURCE_DATE_EPOCH`, or a global
/// `ARG` of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceDateEpoch {
    /// Seconds since 1970.
    Seconds(i64),
    /// The time of the build context: the commit of a git repository, or `Last-Modified` of an archive.
    Context,
    /// The time of a named context, or of a stage that is one remote ADD.
    Named(String),
}

/// A stage of the plan.
#[derive(Clone, Debug)]
pub struct PlannedStage {
    /// Position in the file, from 0.
    pub index: usize,
    /// The name in lower case.
    pub name: Option<String>,
    /// What it is built on.
    pub base: Origin,
    /// `FROM --platform` with its variables expanded.
    pub platform: Option<String>,
    /// What to do, triggers of the base first. Empty if a named context stands for the stage.
    pub steps: Vec<PlannedStep>,
    /// Other stages that must be built first.
    pub deps: BTreeSet<usize>,
    /// Images and named contexts that COPY and mounts take from, not the base.
    pub sources: BTreeSet<Origin>,
    /// The `FROM`'s span.
    pub span: Span,
    /// The `FROM` line.
    pub original: String,
}

/// An instruction of the plan.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// The instruction.
    pub instruction: Instruction,
    /// Whether an `ONBUILD` trigger of the base brought it in.
    pub from_trigger: bool,
}

/// Plans every stage, for those who look at a file without building it. What cannot be planned is left
/// out.
///
/// # Errors
/// Globals that cannot be expanded.
pub fn plan_every_stage(file: &Dockerfile, options: &PlanOptions) -> Result<Plan, Diagnostic> {
    let globals = Globals::new(file, options)?;
    let names = Names::new(file, &options.named_contexts);
    let mut planner = Planner {
        file,
        options,
        globals,
        names,
        problems: Vec::new(),
    };
    let mut stages = Vec::new();
    for index in 0..file.stages.len() {
        let stage = planner.stage(index, &stages);
        stages.push(stage);
    }
    Ok(Plan {
        stages: stages.into_iter().flatten().collect(),
        target: file.stages.len().saturating_sub(1),
        unused_build_args: Vec::new(),
        globals: planner.globals,
        build_args: options.build_args.clone(),
        names: planner.names,
        escape: file.escape(),
    })
}

/// Plans a build.
///
/// # Errors
/// Everything that makes the plan impossible: an unknown target, variables that cannot be expanded, a
/// stage that depends on a later one.
pub fn plan(file: &Dockerfile, options: &PlanOptions) -> Result<Plan, Vec<Diagnostic>> {
    let globals = Globals::new(file, options).map_err(|error| vec![error])?;
    let names = Names::new(file, &options.named_contexts);
    let mut planner = Planner {
        file,
        options,
        globals,
        names,
        problems: Vec::new(),
    };
    let target = planner.target().map_err(|error| vec![error])?;
    let mut stages: Vec<Option<PlannedStage>> = Vec::new();
    let mut problems_of: Vec<Vec<Diagnostic>> = Vec::new();
    for index in 0..file.stages.len() {
        let stage = planner.stage(index, &stages);
        stages.push(stage);
        problems_of.push(std::mem::take(&mut planner.problems));
    }
    let reached = reach(target, &stages);
    let problems: Vec<Diagnostic> = problems_of
        .into_iter()
        .enumerate()
        .filter(|(index, _)| reached.contains(index))
        .flat_map(|(_, problems)| problems)
        .collect();
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(problems);
    }
    Ok(Plan {
        // A stage depends only on earlier ones, so source order is a topological order.
        stages: stages
            .into_iter()
            .flatten()
            .filter(|stage| reached.contains(&stage.index))
            .collect(),
        target,
        unused_build_args: unused(file, options),
        globals: planner.globals,
        build_args: options.build_args.clone(),
        names: planner.names,
        escape: file.escape(),
    })
}
