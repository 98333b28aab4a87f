//! What a stage begins with, and where its instructions take files from: other stages, images, contexts.

use std::sync::Arc;

use kiln_dockerfile::scope::{BaseConfig, DEFAULT_PATH};
use kiln_dockerfile::{Origin, PlannedStage, StageScope};
use kiln_layer::Tree;
use kiln_oci::{Digest, Platform};

use super::{Finished, Shared};
use crate::error::StepError;
use crate::files::{Files, LayerFiles};
use crate::options::ContextSource;
use crate::state::State;

impl<'a, 'b: 'a> Shared<'a, 'b> {
    /// What a stage begins with.
    pub(super) fn base(
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

    /// Waits for another stage.
    pub(super) fn finished(&self, index: usize) -> Result<Arc<Finished>, StepError> {
        let slot = self.finished.get(index).ok_or(StepError::Cancelled)?;
        slot.wait().ok_or(StepError::Cancelled)
    }

    /// Where `--from` and `from=` take files from; the main context for `None`.
    pub(super) fn files(&self, origin: Option<&Origin>) -> Result<Arc<dyn Files + 'a>, StepError> {
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
    pub(super) fn layers_of(&self, origin: &Origin) -> Result<(Vec<Digest>, String), StepError> {
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
