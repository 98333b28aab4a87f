//! The build: a plan, a thread for each stage that the target reaches, and the image at the end.
//!
//! A stage's thread does its instructions one after the other and waits where it needs another stage, so
//! independent stages run side by side without a scheduler. How many of them *work* at once is bounded
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
use crate::context::Contexts;
use crate::error::BuildError;
use crate::event::Event;
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
    let steps = AtomicUsize::new(0);
    let contexts = Contexts::new(context, &lease, &steps);
    let in_flight = InFlight::default();
    let places = Places::new(options.jobs);
    let mut images = vec![];
    for platform in &options.platforms {
        let run = Run {
            context,
            options,
            dockerfile,
            platform,
            bases: &bases,
            contexts: &contexts,
            trees: &trees,
            lease: &lease,
            steps: &steps,
            in_flight: &in_flight,
            places: &places,
        };
        let state = run.target()?;
        images.push(write_image(context, &lease, state, options)?);
    }
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
}

impl Run<'_, '_> {
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
            let message = format!("no ARG declares the build arguments {names}");
            self.context
                .observer
                .event(&Event::Warning { message: &message });
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

/// Runs every stage of the plan. The first failure stops the others and is the one that is reported.
fn run_stages(shared: &Shared<'_, '_>) -> Result<(), BuildError> {
    let first: Mutex<Option<BuildError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for stage in &shared.plan.stages {
            let (first, slot) = (&first, &shared.finished[stage.index]);
            scope.spawn(move || {
                let _unblock = SetOnDrop(slot);
                match stage::run(shared, stage) {
                    Ok(finished) => slot.set(Some(Arc::new(finished))),
                    Err(error) => {
                        let by_person = matches!(error, BuildError::Cancelled);
                        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                        // Stages that wait for a failed one are cancelled; that is not news.
                        if first
                            .as_ref()
                            .is_none_or(|old| matches!(old, BuildError::Cancelled))
                        {
                            *first = Some(error);
                        }
                        drop(first);
                        if !by_person {
                            shared.build.cancel.cancel();
                        }
                    }
                }
            });
        }
    });
    first
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
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
