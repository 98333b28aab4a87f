//! What a file offers to whoever builds it: its targets, and what a target asks for. `docker build --call=targets` and
//! `--call=outline` show this. Source of what counts: BuildKit, `frontend/subrequests`, and the descriptions in comments
//! as Docker's Dockerfile reference has them: `# NAME what it is for` directly above.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::evaluate::{Evaluated, MountKind};
use crate::expand::Variables;
use crate::plan::{Globals, Origin, Plan, PlanOptions, plan};
use crate::scope::{BaseConfig, StageScope};
use crate::span::Span;
use crate::syntax::{Comment, Dockerfile, Instruction, InstructionKind, Stage, Word};

/// A stage that can be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name in lower case, if it has one.
    pub name: Option<String>,
    /// Whether it is built if no target is named: the last one.
    pub default: bool,
    /// What the comment above says.
    pub description: Option<String>,
    /// What it is built on, as written.
    pub base: String,
    /// `--platform` as written.
    pub platform: Option<String>,
    /// Its `FROM`.
    pub span: Span,
}

/// What a target asks for. Each list is in source order, each name in it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The target's name in lower case, if it has one.
    pub name: Option<String>,
    /// What the comment above says.
    pub description: Option<String>,
    /// Arguments that change it. Automatic ones are not among them.
    pub args: Vec<Argument>,
    /// Secrets.
    pub secrets: Vec<Asked>,
    /// Ssh agents.
    pub ssh: Vec<Asked>,
    /// Cache mounts, by their ids; none is required.
    pub caches: Vec<Asked>,
}

/// An argument that can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value in this build: as given, or the default.
    pub value: Option<String>,
    /// What the comment above says.
    pub description: Option<String>,
    /// The `ARG`.
    pub span: Span,
}

/// Something that a RUN mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The first `RUN` that mounts it.
    pub span: Span,
}

/// The targets of a file, in source order.
pub fn targets(file: &Dockerfile) -> Vec<Target> {
    let last = file.stages.len().saturating_sub(1);
    let target = |stage: &Stage| Target {
        name: stage.lower_name(),
        default: stage.index == last,
        description: stage.description().map(str::to_owned),
        base: stage.from.image.text.clone(),
        platform: stage.from.platform.as_ref().map(|word| word.text.clone()),
        span: stage.span,
    };
    file.stages.iter().map(target).collect()
}

/// What the target of `options` asks for, with everything that it is built from.
///
/// # Errors
/// If the target cannot be planned, or an instruction on the way cannot be evaluated.
pub fn outline(file: &Dockerfile, options: &PlanOptions) -> Result<Outline, Vec<Diagnostic>> {
    let plan = plan(file, options)?;
    let target = file.stages.get(plan.target);
    let mut outline = Outline {
        name: target.and_then(Stage::lower_name),
        description: target.and_then(Stage::description).map(str::to_owned),
        ..Outline::default()
    };
    let mut wanted = named_by_from(file, &plan);
    let mut ends: Vec<Option<StageScope>> = vec![None; file.stages.len()];
    for stage in &plan.stages {
        let parent = match stage.base {
            Origin::Stage(base) => ends.get(base).cloned().flatten(),
            _ => None,
        };
        let mut scope = match parent {
            Some(parent) => StageScope::on_stage(stage.index, &parent),
            None => StageScope::on_image(&plan, stage.index, &BaseConfig::default()),
        };
        for step in &stage.steps {
            let evaluated = scope
                .evaluate(&step.instruction)
                .map_err(|error| vec![error])?;
            outline.take(&step.instruction, &evaluated, &mut wanted);
        }
        ends[stage.index] = Some(scope);
    }
    outline.take_globals(file, &plan.globals, &wanted);
    Ok(outline)
}

impl Outline {
    fn take(
        &mut self,
        instruction: &Instruction,
        evaluated: &Evaluated,
        wanted: &mut BTreeSet<String>,
    ) {
        let span = instruction.span;
        match (&instruction.kind, evaluated) {
            (InstructionKind::Arg(definitions), Evaluated::Arg(declared)) => {
                for (definition, (name, value)) in definitions.iter().zip(declared) {
                    match definition.default {
                        Some(_) => add_argument(&mut self.args, name, value.clone(), instruction),
                        // What the global scope defines is shown from there.
                        None => {
                            wanted.insert(name.clone());
                        }
                    }
                }
            }
            (_, Evaluated::Run(run)) => {
                for mount in &run.mounts {
                    let (list, name, required) = match &mount.kind {
                        MountKind::Secret { id, required, .. } => {
                            (&mut self.secrets, id, *required)
                        }
                        MountKind::Ssh { id, required, .. } => (&mut self.ssh, id, *required),
                        MountKind::Cache { id, .. } => (&mut self.caches, id, false),
                        MountKind::Bind { .. } | MountKind::Tmpfs { .. } => continue,
                    };
                    match list.iter_mut().find(|known| known.name == *name) {
                        Some(known) => known.required |= required,
                        None => list.push(Asked {
                            name: name.clone(),
                            required,
                            span,
                        }),
                    }
                }
            }
            _ => {}
        }
    }

    /// Puts the global arguments that were asked for in front, and what no `ARG` with a default defines behind.
    fn take_globals(&mut self, file: &Dockerfile, globals: &Globals, wanted: &BTreeSet<String>) {
        let mut before = vec![];
        for instruction in &file.global_args {
            let InstructionKind::Arg(definitions) = &instruction.kind else {
                continue;
            };
            let names = definitions.iter().map(|definition| &definition.name.text);
            for name in names.filter(|name| wanted.contains(*name)) {
                let value = globals.get(name).map(Cow::into_owned);
                add_argument(&mut before, name, value, instruction);
            }
        }
        let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
        for instruction in stages {
            let InstructionKind::Arg(definitions) = &instruction.kind else {
                continue;
            };
            for definition in definitions {
                let name = &definition.name.text;
                let unknown = wanted.contains(name) && !globals.declares(name);
                if definition.default.is_none() && unknown {
                    add_argument(&mut self.args, name, None, instruction);
                }
            }
        }
        let mut rest = std::mem::take(&mut self.args);
        rest.sort_by_key(|argument| argument.span.start);
        rest.retain(|argument| before.iter().all(|known| known.name != argument.name));
        self.args = before;
        self.args.append(&mut rest);
    }
}

fn add_argument(
    args: &mut Vec<Argument>,
    name: &str,
    value: Option<String>,
    instruction: &Instruction,
) {
    if args.iter().all(|known| known.name != name) {
        args.push(Argument {
            name: name.to_owned(),
            value,
            description: describing(&instruction.comments, name).map(str::to_owned),
            span: instruction.span,
        });
    }
}

/// What a comment `# NAME text` says about `name`.
fn describing<'a>(comments: &'a [Comment], name: &str) -> Option<&'a str> {
    comments.iter().find_map(|comment| {
        let text = comment.text.strip_prefix(name)?.strip_prefix(' ')?;
        Some(text.trim())
    })
}

/// The variables that the `FROM`s of the plan name, and those that global defaults among them name in turn.
fn named_by_from(file: &Dockerfile, plan: &Plan) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let look = |word: &Word, named: &mut BTreeSet<String>| {
        if let Ok(expanded) = plan.globals.expand(word, plan.escape) {
            named.extend(expanded.used);
        }
    };
    for stage in &plan.stages {
        if let Some(from) = file.stages.get(stage.index).map(|stage| &stage.from) {
            look(&from.image, &mut named);
            from.platform.iter().for_each(|word| look(word, &mut named));
        }
    }
    // A default names only what stands above it.
    for instruction in file.global_args.iter().rev() {
        let InstructionKind::Arg(definitions) = &instruction.kind else {
            continue;
        };
        for definition in definitions.iter().rev() {
            if let Some(default) = &definition.default
                && named.contains(&definition.name.text)
            {
                look(default, &mut named);
            }
        }
    }
    named
}
