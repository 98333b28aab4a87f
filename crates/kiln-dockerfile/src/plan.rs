//! Planning: which stages a target needs, on what each is built, and what it takes from others.
//!
//! The plan is made before any image is known. A base image may bring `ONBUILD` triggers, which may
//! depend on more stages: plan again with them in [`PlanOptions::triggers`].

mod globals;
mod names;

pub use globals::Globals;
pub use names::Names;

use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Variables;
use crate::parse::parse_trigger;
use crate::platform::{PlatformParts, automatic_args, is_proxy_arg, is_special_arg};
use crate::span::Span;
use crate::suggest;
use crate::syntax::{Dockerfile, Instruction, InstructionKind, Word};
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
/// out, and nothing is an error but globals that cannot be expanded.
pub(crate) fn plan_every_stage(
    file: &Dockerfile,
    options: &PlanOptions,
) -> Result<Plan, Diagnostic> {
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

struct Planner<'a> {
    file: &'a Dockerfile,
    options: &'a PlanOptions,
    globals: Globals,
    names: Names,
    problems: Vec<Diagnostic>,
}

impl Planner<'_> {
    fn target(&self) -> Result<usize, Diagnostic> {
        let Some(last) = self.file.stages.last() else {
            return Err(Diagnostic::error(
                Span::default(),
                "there is no stage to build",
            ));
        };
        let Some(target) = &self.options.target else {
            return Ok(last.index);
        };
        if let Some(index) = self.names.stages.get(&target.to_ascii_lowercase()) {
            return Ok(*index);
        }
        if let Some(index) = target
            .parse()
            .ok()
            .filter(|index| *index < self.file.stages.len())
        {
            return Ok(index);
        }
        let names = self.names.stages.keys().map(String::as_str);
        let error = Diagnostic::error(
            last.span,
            format!("target stage {target:?} could not be found"),
        );
        Err(match suggest::nearest(target, names.clone()) {
            Some(near) => error.with_suggestion(Some(near)),
            None if self.names.stages.is_empty() => error.with_help("no stage has a name"),
            None => error.with_help(format!(
                "the stages are {}",
                names.collect::<Vec<_>>().join(", ")
            )),
        })
    }

    /// Plans one stage; `None` if its `FROM` is beyond saving. What is wrong goes to `problems`.
    fn stage(&mut self, index: usize, earlier: &[Option<PlannedStage>]) -> Option<PlannedStage> {
        let stage = &self.file.stages[index];
        let name = stage.lower_name();
        let platform = match &stage.from.platform {
            Some(word) => Some(self.platform(word)?),
            None => None,
        };
        let mut planned = PlannedStage {
            index,
            name: name.clone(),
            base: Origin::Scratch,
            platform,
            steps: Vec::new(),
            deps: BTreeSet::new(),
            sources: BTreeSet::new(),
            span: stage.span,
            original: stage.original.clone(),
        };
        let image = self.filled(&stage.from.image, "base name")?;
        if let Some(context) = name.as_deref().and_then(|name| self.names.context(name)) {
            planned.base = Origin::Context(context.to_string());
            return Some(planned);
        }
        planned.base = self.base(&image, index);
        if let Origin::Stage(base) = planned.base {
            planned.deps.insert(base);
            self.inherited_triggers(&mut planned, earlier, base);
        }
        for trigger in self.options.triggers.get(&index).into_iter().flatten() {
            self.trigger(&mut planned, trigger, stage.span);
        }
        let own = stage.instructions.iter().cloned();
        planned.steps.extend(own.map(|instruction| PlannedStep {
            instruction,
            from_trigger: false,
        }));
        self.depend(&mut planned);
        Some(planned)
    }

    /// `--platform`, which must name one.
    fn platform(&mut self, word: &Word) -> Option<String> {
        let text = self.filled(word, "platform")?;
        if PlatformParts::parse(&text, &self.options.target_platform).is_none() {
            let message = format!("{text:?} is no platform");
            let help = "write it as os/architecture[/variant], as in linux/arm64";
            self.problems
                .push(Diagnostic::error(word.span, message).with_help(help));
            return None;
        }
        Some(text)
    }

    /// A word of the `FROM`, which must not come out empty.
    fn filled(&mut self, word: &Word, what: &str) -> Option<String> {
        let expanded = match self.globals.expand(word, self.file.escape()) {
            Ok(expanded) => expanded,
            Err(error) => {
                self.problems.push(error);
                return None;
            }
        };
        if !expanded.value.is_empty() {
            return Some(expanded.value);
        }
        let message = format!("{what} ({}) should not be blank", word.text);
        let error = Diagnostic::error(word.span, message);
        let known = self.globals.names();
        let near = expanded
            .unset
            .iter()
            .find_map(|name| suggest::nearest(name, known.iter().map(String::as_str)));
        self.problems.push(match (near, expanded.unset.first()) {
            (Some(near), _) => error.with_suggestion(Some(near)),
            (None, Some(unset)) => error.with_help(format!(
                "{unset} has no value here: declare it with ARG before the first FROM, or pass --build-arg {unset}=…"
            )),
            (None, None) => error,
        });
        None
    }

    /// A base is an earlier stage, `scratch`, a named context or an image.
    fn base(&self, image: &str, index: usize) -> Origin {
        let same = |stage: &&crate::syntax::Stage| stage.has_name(image);
        match self.file.stages[..index].iter().rev().find(same) {
            Some(stage) => Origin::Stage(stage.index),
            None => self.names.image(image),
        }
    }

    /// A base stage's own `ONBUILD`s are triggers too.
    fn inherited_triggers(
        &mut self,
        planned: &mut PlannedStage,
        earlier: &[Option<PlannedStage>],
        base: usize,
    ) {
        let Some(Some(base)) = earlier.get(base) else {
            return;
        };
        for step in &base.steps {
            if let InstructionKind::Onbuild(onbuild) = &step.instruction.kind {
                self.trigger(planned, &onbuild.trigger, planned.span);
            }
        }
    }

    fn trigger(&mut self, planned: &mut PlannedStage, text: &str, span: Span) {
        match parse_trigger(text, span) {
            Ok(instruction) => {
                planned.steps.push(PlannedStep {
                    instruction,
                    from_trigger: true,
                });
            }
            Err(error) => self.problems.push(error),
        }
    }

    /// Finds what the steps take from elsewhere.
    fn depend(&mut self, planned: &mut PlannedStage) {
        for step in &planned.steps {
            for origin in sources(&step.instruction.kind, &self.names, planned.index) {
                match origin {
                    Ok(Origin::Stage(index)) => {
                        planned.deps.insert(index);
                    }
                    Ok(Origin::Scratch) => {}
                    Ok(other) => {
                        planned.sources.insert(other);
                    }
                    Err(error) => self.problems.push(error),
                }
            }
        }
    }
}

/// What an instruction takes from other stages, images and contexts.
fn sources(kind: &InstructionKind, names: &Names, user: usize) -> Vec<Result<Origin, Diagnostic>> {
    use crate::syntax::MountKey;
    match kind {
        InstructionKind::Copy(copy) => copy
            .from
            .iter()
            .map(|from| names.copy_source(from, user))
            .collect(),
        InstructionKind::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.value(MountKey::From))
            .filter(|from| !from.text.is_empty())
            .map(|from| names.mount_source(from, user))
            .collect(),
        _ => Vec::new(),
    }
}

/// The stages that `target` needs, itself included.
fn reach(target: usize, stages: &[Option<PlannedStage>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        if reached.insert(index)
            && let Some(Some(stage)) = stages.get(index)
        {
            open.extend(&stage.deps);
        }
    }
    reached
}

/// Build arguments that nothing asks for.
fn unused(file: &Dockerfile, options: &PlanOptions) -> Vec<String> {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let all = file
        .global_args
        .iter()
        .chain(file.stages.iter().flat_map(|s| &s.instructions));
    for instruction in all {
        let kind = match &instruction.kind {
            InstructionKind::Onbuild(onbuild) => &onbuild.instruction.kind,
            kind => kind,
        };
        if let InstructionKind::Arg(definitions) = kind {
            wanted.extend(
                definitions
                    .iter()
                    .map(|definition| definition.name.text.as_str()),
            );
        }
    }
    let automatic = automatic_args(&PlatformParts::default(), &PlatformParts::default(), "");
    let in_triggers = |name: &str| {
        let mut texts = options.triggers.values().flatten();
        texts.any(|text| {
            text.split_whitespace()
                .skip(1)
                .any(|word| word.split('=').next() == Some(name))
        })
    };
    options
        .build_args
        .keys()
        .filter(|name| {
            !wanted.contains(name.as_str())
                && !automatic.iter().any(|(known, _)| known == *name)
                && !is_proxy_arg(name)
                && !is_special_arg(name)
                && !in_triggers(name)
        })
        .cloned()
        .collect()
}
