//! One stage: its base, then its instructions one after the other, each on what the ones before it made.

mod add;
mod caches;
mod config;
mod copy;
mod mounts;
mod results;
mod run;
mod sources;
mod ssh;

pub use run::Kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiln_dockerfile::plan::PlannedStep;
use kiln_dockerfile::{Evaluated, Plan, PlannedStage, Span, StageScope};
use kiln_layer::Tree;
use kiln_oci::Platform;
use kiln_store::{Lease, SnapshotError};

use crate::bases::{Bases, stage_platform};
use crate::context::Contexts;
use crate::error::{BuildError, StepError};
use crate::event::{Event, StepId, Warnings};
use crate::options::{BuildContext, BuildOptions, Reproducible};
use crate::remote::Fetcher;
use crate::slots::{Places, Slot};
use crate::state::{Made, State, Trees};
use crate::time;

/// What all stages of a build for one platform share.
pub(crate) struct Shared<'a, 'b> {
    pub(crate) build: &'a BuildContext<'a>,
    pub(crate) options: &'a BuildOptions,
    pub(crate) plan: &'a Plan,
    pub(crate) platform: &'a Platform,
    pub(crate) bases: &'a Bases<'a>,
    pub(crate) contexts: &'a Contexts<'b>,
    pub(crate) trees: &'a Trees<'a>,
    pub(crate) lease: &'a Arc<Lease>,
    pub(crate) places: &'a Places,
    pub(crate) steps: &'a AtomicUsize,
    pub(crate) in_flight: &'a crate::in_flight::InFlight,
    pub(crate) warnings: &'a Warnings<'a>,
    /// One for each stage of the file.
    pub(crate) finished: &'a [Slot<Arc<Finished>>],
}

/// A stage that is done.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) state: State,
    scope: StageScope,
}

/// A stage at work.
pub(crate) struct Worker<'a, 'b> {
    shared: &'a Shared<'a, 'b>,
    stage: &'a PlannedStage,
    platform: Platform,
    state: State,
    scope: StageScope,
    /// What a person sees before the number of a step: the platform if there are several, and the stage.
    label: String,
    /// Steps that a person sees, for `[builder 2/5]`.
    shown: usize,
    total: usize,
}

/// Runs a stage to its end.
///
/// # Errors
/// The first step that fails.
pub(crate) fn run(shared: &Shared<'_, '_>, stage: &PlannedStage) -> Result<Finished, BuildError> {
    let platform = stage_platform(stage, shared.platform);
    let total = 1 + stage.steps.iter().filter(|step| is_shown(step)).count();
    let label = shared.label(stage, &platform);
    let name = format!("[{label} 1/{total}] {}", stage.original);
    let (state, scope) = shared.step(&name, stage.span, |step| {
        let (state, scope) = shared.base(stage, &platform)?;
        shared.build.observer.event(&Event::Cached { step });
        Ok((state, scope))
    })?;
    let mut worker = Worker {
        shared,
        stage,
        platform,
        state,
        scope,
        label,
        shown: 1,
        total,
    };
    for step in &stage.steps {
        worker.step(step)?;
    }
    Ok(Finished {
        state: worker.state,
        scope: worker.scope,
    })
}

/// Whether an instruction takes long enough to be shown.
fn is_shown(step: &PlannedStep) -> bool {
    matches!(
        step.instruction.kind.name(),
        "RUN" | "COPY" | "ADD" | "WORKDIR"
    )
}

impl<'a, 'b: 'a> Shared<'a, 'b> {
    /// `builder`, or where several platforms are built at once `linux/arm64 builder`; a stage that runs on one platform
    /// for another is `linux/amd64->arm64 builder`, as BuildKit has it.
    fn label(&self, stage: &PlannedStage, platform: &Platform) -> String {
        let name = stage.name.clone();
        let name = name.unwrap_or_else(|| format!("stage-{}", stage.index));
        let target = self.platform.to_string();
        match self.options.platforms.len() {
            0 | 1 => name,
            _ if platform == self.platform => format!("{target} {name}"),
            _ => {
                let same_os = target.strip_prefix(&format!("{}/", platform.os));
                format!("{platform}->{} {name}", same_os.unwrap_or(&target))
            }
        }
    }

    /// Announces a step, does it, and tells how it ended.
    fn step<T>(
        &self,
        name: &str,
        span: Span,
        act: impl FnOnce(StepId) -> Result<T, StepError>,
    ) -> Result<T, BuildError> {
        if self.build.cancel.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        let start = Instant::now();
        self.build.observer.event(&Event::Started { step, name });
        act(step).map_err(|source| {
            let is_cancelled = matches!(
                source,
                StepError::Cancelled | StepError::Snapshot(SnapshotError::Interrupted)
            );
            if is_cancelled {
                return BuildError::Cancelled;
            }
            self.build.observer.event(&Event::Failed {
                step,
                elapsed: start.elapsed(),
            });
            BuildError::Step {
                step: name.to_owned(),
                span,
                source: Box::new(source),
            }
        })
    }

    /// What fetches from the web for this build.
    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher {
            store: self.build.store,
            lease: self.lease,
            client: self.build.client,
            observer: self.build.observer,
            cancel: self.build.cancel,
            git_ssh: self.build.git_ssh,
        }
    }

    /// The latest time that anything may have, in a reproducible build on a base of this age.
    fn epoch(&self, base_created: Option<&str>) -> Option<i64> {
        match self.options.reproducible {
            Reproducible::No => None,
            Reproducible::Epoch(epoch) => Some(epoch),
            Reproducible::FromBase => {
                let created = base_created.and_then(time::from_rfc3339);
                Some(created.unwrap_or(time::FALLBACK_EPOCH))
            }
        }
    }
}

impl Worker<'_, '_> {
    /// Does one instruction.
    fn step(&mut self, planned: &PlannedStep) -> Result<(), BuildError> {
        let instruction = &planned.instruction;
        let evaluated = self
            .scope
            .evaluate(instruction)
            .map_err(|diagnostic| BuildError::Dockerfile(vec![diagnostic]))?;
        self.warn_about_undefined();
        if !is_shown(planned) {
            self.configure(&evaluated);
            return Ok(());
        }
        self.shown += 1;
        let shown = match &evaluated {
            Evaluated::Run(run) => format!("RUN {}", run.display.trim_start_matches("RUN ")),
            _ => instruction.original.clone(),
        };
        let name = format!("[{} {}/{}] {shown}", self.label, self.shown, self.total);
        let history = evaluated
            .history()
            .map_or_else(|| shown.clone(), |(created_by, _)| created_by);
        let shared = self.shared;
        let layer = shared.step(&name, instruction.span, |step| {
            self.execute(step, &evaluated)
        })?;
        if let Some(layer) = layer {
            self.state.push(&layer, history);
        } else {
            self.state.remember(history, true);
        }
        Ok(())
    }

    fn execute(&mut self, step: StepId, evaluated: &Evaluated) -> Result<Option<Made>, StepError> {
        match evaluated {
            Evaluated::Run(run) => self.run(step, run).map(Some),
            Evaluated::Copy(copy) => self.copy(step, copy).map(Some),
            Evaluated::Add(add) => self.add(step, add).map(Some),
            Evaluated::Workdir(path) => self.workdir(step, path),
            _ => Ok(None),
        }
    }

    fn warn_about_undefined(&mut self) {
        for undefined in self.scope.take_undefined() {
            let hint = undefined
                .suggestion
                .map(|name| format!(" (did you mean ${name}?)"));
            let message = format!(
                "undefined variable ${}{}",
                undefined.name,
                hint.unwrap_or_default()
            );
            self.shared.warnings.say(message);
        }
    }

    /// The merged view of the stage so far.
    fn tree(&self) -> Result<Tree, StepError> {
        self.shared.trees.get(&self.state.chain())
    }
}
