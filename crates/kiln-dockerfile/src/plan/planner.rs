//! Stage by stage: what it is built on, what its steps are, and what they take from elsewhere.

use super::{Globals, Names, Origin, PlanOptions, PlannedStage, PlannedStep};
use crate::diagnostic::Diagnostic;
use crate::expand::Variables;
use crate::parse::parse_trigger;
use crate::platform::{PlatformParts, automatic_args, is_proxy_arg, is_special_arg};
use crate::span::Span;
use crate::suggest;
use crate::syntax::{Dockerfile, InstructionKind, MountKey, Stage, Word};
use std::collections::BTreeSet;

/// The state of planning.
pub(super) struct Planner<'a> {
    pub(super) file: &'a Dockerfile,
    pub(super) options: &'a PlanOptions,
    pub(super) globals: Globals,
    pub(super) names: Names,
    /// What is wrong with the stages planned so far.
    pub(super) problems: Vec<Diagnostic>,
}

impl Planner<'_> {
    /// The index of the target stage.
    pub(super) fn target(&self) -> Result<usize, Diagnostic> {
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
    pub(super) fn stage(
        &mut self,
        index: usize,
        earlier: &[Option<PlannedStage>],
    ) -> Option<PlannedStage> {
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
        let same = |stage: &&Stage| stage.has_name(image);
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
pub(super) fn reach(target: usize, stages: &[Option<PlannedStage>]) -> BTreeSet<usize> {
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
pub(super) fn unused(file: &Dockerfile, options: &PlanOptions) -> Vec<String> {
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
