//! One stage: its base, then its instructions one after the other, each on what the ones before it made.

mod add;
mod caches;
mod config;
mod copy;
mod mounts;
mod run;
mod ssh;

pub use run::Kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiln_dockerfile::plan::PlannedStep;
use kiln_dockerfile::scope::{BaseConfig, DEFAULT_PATH};
use kiln_dockerfile::{Evaluated, Origin, Plan, PlannedStage, Span, StageScope};
use kiln_layer::{LayerIndex, LayerWriter, Tree};
use kiln_oci::{Digest, Platform};
use kiln_store::{BlobWriter, Lease};

use crate::bases::{Bases, stage_platform};
use crate::context::Contexts;
use crate::error::{BuildError, StepError};
use crate::event::{Event, StepId};
use crate::files::{Files, LayerFiles};
use crate::key::KeyBuilder;
use crate::options::{BuildContext, BuildOptions, CacheUse, ContextSource, Reproducible};
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
    let name = format!("{} {}", label(stage, 1, total), stage.original);
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

fn label(stage: &PlannedStage, number: usize, total: usize) -> String {
    let name = stage
        .name
        .clone()
        .unwrap_or_else(|| format!("stage-{}", stage.index));
    format!("[{name} {number}/{total}]")
}

impl<'a, 'b: 'a> Shared<'a, 'b> {
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
            if matches!(source, StepError::Cancelled) {
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

    /// What a stage begins with.
    fn base(
        &self,
        stage: &PlannedStage,
        platform: &Platform,
    ) -> Result<(State, StageScope), StepError> {
        if let Origin::Stage(index) = stage.base {
            let parent = self.finished(index)?;
            let scope = StageScope::on_stage(stage.index, &parent.scope);
            let mut state = parent.state.clone();
            // The plan has its triggers among this stage's steps.
            state.config.config.on_build.clear();
            return Ok((state, scope));
        }
        let mut state = match self.bases.image(&stage.base, platform)? {
            Some(image) => {
                self.build.store.adopt(self.lease, &image)?;
                let mut state =
                    State::of_image(&image, self.epoch(image.config.created.as_deref()));
                state.config.config.on_build.clear();
                state
            }
            None if matches!(stage.base, Origin::Scratch) => {
                let mut state = State::scratch(platform.clone(), self.epoch(None));
                state.config.config.working_dir = "/".to_owned();
                state
            }
            None => self.directory_as_base(&stage.base, platform)?,
        };
        let config = &mut state.config.config;
        if !config.env_pairs().any(|(name, _)| name == "PATH") {
            config.env.insert(0, format!("PATH={DEFAULT_PATH}"));
        }
        let base = BaseConfig {
            env: config
                .env_pairs()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            working_dir: config.working_dir.clone(),
            shell: config.shell.clone().unwrap_or_default(),
        };
        Ok((state, StageScope::on_image(self.plan, stage.index, &base)))
    }

    /// A named context that is a directory can stand for a stage: its files are the root file system.
    fn directory_as_base(&self, base: &Origin, platform: &Platform) -> Result<State, StepError> {
        let Origin::Context(name) = base else {
            return Err(StepError::Missing(
                "this base is neither an image nor a directory".to_owned(),
            ));
        };
        let mut state = State::scratch(platform.clone(), self.epoch(None));
        let files = self.contexts.files(Some(name))?;
        let layer = self.everything_as_layer(&*files, state.epoch)?;
        state.push(&layer, format!("FROM {name}"));
        state.base_layers = 1;
        Ok(state)
    }

    /// What fetches from the web for this build.
    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher {
            store: self.build.store,
            lease: self.lease,
            client: self.build.client,
            observer: self.build.observer,
            cancel: self.build.cancel,
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

    /// Waits for another stage.
    fn finished(&self, index: usize) -> Result<Arc<Finished>, StepError> {
        let slot = self.finished.get(index).ok_or(StepError::Cancelled)?;
        slot.wait().ok_or(StepError::Cancelled)
    }

    /// Where `--from` and `from=` take files from; the main context for `None`.
    fn files(&self, origin: Option<&Origin>) -> Result<Arc<dyn Files + 'a>, StepError> {
        match origin {
            None => self.contexts.files(None),
            Some(Origin::Scratch) => Ok(Arc::new(LayerFiles::new(
                "the empty image".to_owned(),
                Tree::new(),
                self.build.store,
            ))),
            Some(Origin::Context(name))
                if !matches!(self.build.named.get(name), Some(ContextSource::Image(_))) =>
            {
                self.contexts.files(Some(name))
            }
            Some(origin) => {
                let (chain, place) = self.layers_of(origin)?;
                let tree = self.trees.get(&chain)?;
                Ok(Arc::new(LayerFiles::new(place, tree, self.build.store)))
            }
        }
    }

    /// The layers of a stage or image, and its name for messages.
    fn layers_of(&self, origin: &Origin) -> Result<(Vec<Digest>, String), StepError> {
        if let Origin::Stage(index) = origin {
            let name = self.plan.stage(*index).and_then(|stage| stage.name.clone());
            let place = format!("stage {}", name.unwrap_or_else(|| index.to_string()));
            return Ok((self.finished(*index)?.state.chain(), place));
        }
        let image = self.bases.image(origin, self.platform)?.ok_or_else(|| {
            StepError::Missing("this source is neither a stage nor an image".to_owned())
        })?;
        self.build.store.adopt(self.lease, &image)?;
        let place = match origin {
            Origin::Image(name) | Origin::Context(name) => format!("the image {name}"),
            Origin::Scratch | Origin::Stage(_) => String::new(),
        };
        Ok((image.config.rootfs.diff_ids.clone(), place))
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
        let name = format!("{} {shown}", label(self.stage, self.shown, self.total));
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
            self.shared
                .build
                .observer
                .event(&Event::Warning { message: &message });
        }
    }

    /// The merged view of the stage so far.
    fn tree(&self) -> Result<Tree, StepError> {
        self.shared.trees.get(&self.state.chain())
    }

    /// Whether results of earlier builds may be used in this stage.
    fn may_use_cache(&self) -> bool {
        match &self.shared.options.cache {
            CacheUse::All => true,
            CacheUse::None => false,
            CacheUse::Except(stages) => !stages
                .iter()
                .any(|name| Some(name.as_str()) == self.stage.name.as_deref()),
        }
    }

    /// The result of a step: the one at hand under `key`, else a new one. Two stages that come to the same
    /// key at once make it once.
    fn cached(
        &self,
        step: StepId,
        key: &Digest,
        make: impl FnOnce() -> Result<Arc<LayerIndex>, StepError>,
    ) -> Result<Made, StepError> {
        let shared = self.shared;
        let start = Instant::now();
        let _turn = shared.in_flight.enter(*key);
        if let Some(made) = shared.known_layer(key, self.may_use_cache())? {
            shared.build.observer.event(&Event::Cached { step });
            return Ok(made);
        }
        let _place = shared.places.take();
        if shared.build.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let made = shared.remember_layer(key, &*make()?, self.state.epoch)?;
        shared.build.observer.event(&Event::Finished {
            step,
            elapsed: start.elapsed(),
        });
        Ok(made)
    }
}

/// The cache space that maps step keys to what the steps made.
const STEPS: &str = "step";

impl Shared<'_, '_> {
    /// The layer that an earlier step with this key made, if it is still there. A result of this very build
    /// counts even where earlier ones do not.
    fn known_layer(&self, key: &Digest, may_use_cache: bool) -> Result<Option<Made>, StepError> {
        if !may_use_cache && !self.in_flight.made_here(key) {
            return Ok(None);
        }
        let made = match self.layer_at_hand(key)? {
            Some(made) => Some(made),
            None => self.layer_from_elsewhere(key)?,
        };
        if let Some(made) = made {
            self.in_flight.used(*key, made);
        }
        Ok(made)
    }

    fn layer_at_hand(&self, key: &Digest) -> Result<Option<Made>, StepError> {
        let store = self.build.store;
        let bytes = store.cache_get(STEPS, key)?;
        let Some(made) = bytes.and_then(|bytes| Made::parse(&bytes)) else {
            return Ok(None);
        };
        // Held before it is looked for: a prune that runs beside cannot take it in between.
        self.lease.hold_blob(&made.diff_id)?;
        Ok(store.has_blob(&made.diff_id)?.then_some(made))
    }

    /// A cache that fails costs time, not the build.
    fn layer_from_elsewhere(&self, key: &Digest) -> Result<Option<Made>, StepError> {
        let Some(cache) = self.build.step_cache else {
            return Ok(None);
        };
        let made = match cache.fetch(key, self.lease) {
            Ok(made) => made,
            Err(error) => {
                let message = format!("a result in the cache cannot be used: {error}");
                self.build
                    .observer
                    .event(&Event::Warning { message: &message });
                None
            }
        };
        if let Some(made) = made {
            let text = made.to_text();
            self.build.store.cache_put(STEPS, key, text.as_bytes())?;
        }
        Ok(made)
    }

    fn remember_layer(
        &self,
        key: &Digest,
        layer: &LayerIndex,
        epoch: Option<i64>,
    ) -> Result<Made, StepError> {
        let created = epoch.unwrap_or_else(time::now);
        let made = Made {
            diff_id: layer.diff_id,
            size: layer.size,
            created,
        };
        self.in_flight.remember(*key);
        self.in_flight.used(*key, made);
        self.build
            .store
            .cache_put(STEPS, key, made.to_text().as_bytes())?;
        Ok(made)
    }

    /// Writes a new layer.
    fn write_layer(
        &self,
        fill: impl FnOnce(&mut LayerWriter<BlobWriter>) -> Result<(), StepError>,
    ) -> Result<Arc<LayerIndex>, StepError> {
        let mut writer = self.build.store.layer_writer(self.lease)?;
        fill(&mut writer)?;
        Ok(self.build.store.commit_layer(self.lease, writer)?)
    }
}

/// The part of every step's key that says where it stands: what lies below, and what time counts as.
fn key_on(kind: &str, below: Option<&State>, epoch: Option<i64>) -> KeyBuilder {
    let mut key = KeyBuilder::new(kind);
    match below {
        Some(state) => key.digest(&state.chain_key()),
        None => key.text("on nothing"),
    };
    match epoch {
        Some(epoch) => key.number(1).number(epoch.cast_unsigned()),
        None => key.number(0),
    };
    key
}
