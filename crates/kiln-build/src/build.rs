//! The build: a plan for each platform, a thread for each stage that the target reaches, and the images at the end.
//!
//! A stage's thread does its instructions one after the other and waits where it needs another stage, so
//! independent stages run side by side without a scheduler, and so do platforms. A step that several of them share is
//! done once, because it has one key. How many of them *work* at once is bounded
//! by places, which nobody holds while waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::{Dockerfile, PlanOptions};
use kiln_oci::{Descriptor, Digest, Index, Platform, Raw, media_type};
use kiln_store::Lease;

use crate::bases::Bases;
use crate::cancel::Cancel;
use crate::context::Contexts;
use crate::error::BuildError;
use crate::event::Warnings;
use crate::in_flight::InFlight;
use crate::options::{BuildContext, BuildOptions};
use crate::output::{BuiltImage, write_image};
use crate::slots::{Places, Slot};
use crate::stage::{self, Finished, Shared};
use crate::state::{Made, State, Trees};

/// What a build made. Its content cannot be collected while this value lives; give it a name in the store
/// before dropping it, or export it.
#[derive(Debug)]
pub struct Built {
    /// The manifest, or for several platforms the index.
    pub descriptor: Descriptor,
    /// The images, in the order of the platforms asked for.
    pub images: Vec<BuiltImage>,
    /// What the steps of this build made, by their keys, whether they were done now or before.
    pub steps: BTreeMap<Digest, Made>,
    /// Keeps the content.
    pub lease: Arc<Lease>,
}

impl Built {
    /// The image's id: the digest of its config, or of the index for several platforms.
    #[must_use]
    pub fn id(&self) -> Digest {
        match &self.images[..] {
            [image] => image.config.digest,
            _ => self.descriptor.digest,
        }
    }
}

/// Builds `dockerfile`.
///
/// # Errors
/// See [`BuildError`]. Whatever failed, the store is sound and scratch files are gone.
pub fn build(
    context: &BuildContext<'_>,
    dockerfile: &Dockerfile,
    options: &BuildOptions,
) -> Result<Built, BuildError> {
    let lease = Arc::new(context.store.lease()?);
    let bases = Bases::new(context);
    let trees = Trees::new(context.store);
    let steps = context.steps;
    let contexts = Contexts::new(context, &lease, steps);
    let in_flight = InFlight::default();
    let places = Places::new(options.jobs);
    let warnings = Warnings::new(context.observer);
    let runs: Vec<Run<'_, '_>> = options
        .platforms
        .iter()
        .map(|platform| Run {
            context,
            options,
            dockerfile,
            platform,
            bases: &bases,
            contexts: &contexts,
            trees: &trees,
            lease: &lease,
            steps,
            in_flight: &in_flight,
            places: &places,
            warnings: &warnings,
        })
        .collect();
    let images = run_platforms(&runs)?;
    drop(contexts);
    context.store.sync_all()?;
    let descriptor = match &images[..] {
        [image] => image.manifest.clone(),
        _ => write_index(context, &lease, &images)?,
    };
    Ok(Built {
        descriptor,
        images,
        steps: in_flight.into_used(),
        lease,
    })
}

fn write_index(
    context: &BuildContext<'_>,
    lease: &Lease,
    images: &[BuiltImage],
) -> Result<Descriptor, BuildError> {
    let index = Raw::new(Index::new(
        images.iter().map(|image| image.manifest.clone()).collect(),
    ));
    context.store.put_document(lease, index.bytes())?;
    Ok(Descriptor::of(media_type::OCI_INDEX, index.bytes()))
}

/// The build for one platform.
struct Run<'a, 'b> {
    context: &'a BuildContext<'a>,
    options: &'a BuildOptions,
    dockerfile: &'a Dockerfile,
    platform: &'a Platform,
    bases: &'a Bases<'a>,
    contexts: &'a Contexts<'b>,
    trees: &'a Trees<'a>,
    lease: &'a Arc<Lease>,
    steps: &'a AtomicUsize,
    in_flight: &'a InFlight,
    places: &'a Places,
    warnings: &'a Warnings<'a>,
}

impl Run<'_, '_> {
    /// Builds the target and writes its image.
    fn image(&self) -> Result<BuiltImage, BuildError> {
        write_image(self.context, self.lease, self.target()?, self.options)
    }

    /// The state of the target stage.
    fn target(&self) -> Result<State, BuildError> {
        let mut plan_options = PlanOptions {
            build_args: self.options.build_args.clone(),
            target: self.options.target.clone(),
            build_platform: parts(&Platform::host()),
            target_platform: parts(self.platform),
            named_contexts: self.context.named.keys().cloned().collect(),
            ..PlanOptions::default()
        };
        let plan = self
            .bases
            .plan(self.dockerfile, &mut plan_options, self.platform)?;
        if !plan.unused_build_args.is_empty() {
            let names = plan.unused_build_args.join(", ");
            self.warnings
                .say(format!("no ARG declares the build arguments {names}"));
        }
        let finished: Vec<Slot<Arc<Finished>>> =
            self.dockerfile.stages.iter().map(|_| Slot::new()).collect();
        let shared = Shared {
            build: self.context,
            options: self.options,
            plan: &plan,
            platform: self.platform,
            bases: self.bases,
            contexts: self.contexts,
            trees: self.trees,
            lease: self.lease,
            places: self.places,
            steps: self.steps,
            in_flight: self.in_flight,
            warnings: self.warnings,
            finished: &finished,
        };
        run_stages(&shared)?;
        let target = finished
            .get(plan.target)
            .and_then(Slot::wait)
            .ok_or(BuildError::Worker)?;
        Ok(target.state.clone())
    }
}

/// Runs all platforms side by side. Their images, in order.
fn run_platforms(runs: &[Run<'_, '_>]) -> Result<Vec<BuiltImage>, BuildError> {
    let [first, ..] = runs else {
        return Ok(vec![]);
    };
    let failure = Failure::new(first.context.cancel);
    let images: Vec<Option<BuiltImage>> = std::thread::scope(|scope| {
        let running: Vec<_> = runs
            .iter()
            .map(|run| scope.spawn(|| failure.watch(run.image())))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| failure.watch(Err(BuildError::Worker)))
            })
            .collect()
    });
    failure.into_result()?;
    images
        .into_iter()
        .map(|image| image.ok_or(BuildError::Worker))
        .collect()
}

/// Runs every stage of the plan.
fn run_stages(shared: &Shared<'_, '_>) -> Result<(), BuildError> {
    let failure = Failure::new(shared.build.cancel);
    std::thread::scope(|scope| {
        for stage in &shared.plan.stages {
            let (failure, slot) = (&failure, &shared.finished[stage.index]);
            scope.spawn(move || {
                let _unblock = SetOnDrop(slot);
                if let Some(finished) = failure.watch(stage::run(shared, stage)) {
                    slot.set(Some(Arc::new(finished)));
                }
            });
        }
    });
    failure.into_result()
}

/// The first failure of things that run side by side: it stops the others and is the one that is reported.
struct Failure<'a> {
    cancel: &'a Cancel,
    first: Mutex<Option<BuildError>>,
}

impl<'a> Failure<'a> {
    fn new(cancel: &'a Cancel) -> Self {
        let first = Mutex::new(None);
        Self { cancel, first }
    }

    /// Takes notice of how one of them ended.
    fn watch<T>(&self, result: Result<T, BuildError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let by_person = matches!(error, BuildError::Cancelled);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        // What waits for something that failed is cancelled; that is not news.
        if first
            .as_ref()
            .is_none_or(|old| matches!(old, BuildError::Cancelled))
        {
            *first = Some(error);
        }
        drop(first);
        if !by_person {
            self.cancel.cancel();
        }
        None
    }

    fn into_result(self) -> Result<(), BuildError> {
        let first = self.first.into_inner();
        first
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), Err)
    }
}

/// Makes sure that nobody waits for a stage whose thread is gone, even if it panicked.
struct SetOnDrop<'a>(&'a Slot<Arc<Finished>>);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

fn parts(platform: &Platform) -> PlatformParts {
    PlatformParts {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone().unwrap_or_default(),
        os_version: platform.os_version.clone().unwrap_or_default(),
    }
}
