//! Base images: found once a build, for each platform that a stage asks for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kiln_dockerfile::{Dockerfile, Origin, Plan, PlanOptions, PlannedStage, plan};
use kiln_oci::{Image, Platform, SourceError};

use crate::error::BuildError;
use crate::options::{BuildContext, ContextSource};

/// The images that a build has asked for.
pub(crate) struct Bases<'a> {
    context: &'a BuildContext<'a>,
    known: Mutex<HashMap<(String, Platform), Arc<Image>>>,
}

impl<'a> Bases<'a> {
    pub(crate) fn new(context: &'a BuildContext<'a>) -> Self {
        Self {
            context,
            known: Mutex::default(),
        }
    }

    /// The image that `origin` names, or `None` if it is no image at all (a stage, nothing, a directory).
    ///
    /// # Errors
    /// If there is none, or not for this platform.
    pub(crate) fn image(
        &self,
        origin: &Origin,
        platform: &Platform,
    ) -> Result<Option<Arc<Image>>, SourceError> {
        let name = match origin {
            Origin::Image(name) => name,
            Origin::Context(name) => match self.context.named.get(name) {
                Some(ContextSource::Image(image)) => image,
                _ => return Ok(None),
            },
            Origin::Scratch | Origin::Stage(_) => return Ok(None),
        };
        let key = (name.clone(), platform.clone());
        if let Some(image) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(Some(Arc::clone(image)));
        }
        let image = Arc::new(self.context.resolver.resolve(name, platform)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(Arc::clone(known.entry(key).or_insert(image))))
    }

    /// The plan, with the `ONBUILD` triggers of base images in it. A trigger may bring in further stages
    /// and so further images, until no image is new.
    ///
    /// # Errors
    /// If the Dockerfile is wrong or a base image cannot be had.
    pub(crate) fn plan(
        &self,
        file: &Dockerfile,
        options: &mut PlanOptions,
        target: &Platform,
    ) -> Result<Plan, BuildError> {
        loop {
            let planned = plan(file, options).map_err(BuildError::Dockerfile)?;
            let triggers = self.triggers(&planned, target)?;
            if triggers == options.triggers {
                return Ok(planned);
            }
            options.triggers = triggers;
        }
    }

    fn triggers(
        &self,
        plan: &Plan,
        target: &Platform,
    ) -> Result<BTreeMap<usize, Vec<String>>, BuildError> {
        let mut triggers = BTreeMap::new();
        for stage in &plan.stages {
            let platform = stage_platform(stage, target);
            let image = self.image(&stage.base, &platform);
            let image = image.map_err(|source| BuildError::Step {
                step: stage.original.clone(),
                span: stage.span,
                source: Box::new(source.into()),
            })?;
            let on_build = image.map(|image| image.config.config.on_build.clone());
            if let Some(on_build) = on_build.filter(|on_build| !on_build.is_empty()) {
                triggers.insert(stage.index, on_build);
            }
        }
        Ok(triggers)
    }
}

/// What a stage is built for: its own `--platform`, else that of the build. The plan has checked it.
pub(crate) fn stage_platform(stage: &PlannedStage, target: &Platform) -> Platform {
    let own = stage.platform.as_ref().and_then(|text| text.parse().ok());
    own.unwrap_or_else(|| target.clone())
}
