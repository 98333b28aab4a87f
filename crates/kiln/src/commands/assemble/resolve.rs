//! Assembled images as a base: `FROM kiln:presets/NAME`, and an image file as a named context of a build.

use kiln_assemble::Downloads;
use kiln_oci::{Image, Platform, Reference, Source as _, SourceError};
use kiln_store::Store;

use super::inputs::{self, Inputs};
use super::make::Making;
use super::new::{self, SourceArgs};
use crate::commands::Context;
use crate::commands::build::resolver::PullPolicy;
use crate::ui::report::{Report, Reported};

/// What begins the name of an image file.
pub(crate) const SCHEME: &str = "image-file";

/// What begins the name of a preset.
const PRESETS: &str = "kiln:presets/";

/// What a name asks for, if it is one of an assembled image.
enum Asked<'a> {
    Preset(&'a str),
    File(&'a str),
}

impl<'a> Asked<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let file = name
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.strip_prefix("://"));
        let preset = name.strip_prefix(PRESETS).map(Self::Preset);
        preset.or(file.map(Self::File))
    }
}

/// The image that `name` asks for, or nothing if it is no name of an assembled image. A preset is made when
/// the store has none, or the policy wants the newest; an image file from its lock, every time.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn resolve(
    context: &Context,
    store: &Store,
    name: &str,
    platform: &Platform,
    policy: PullPolicy,
) -> Option<Result<Image, SourceError>> {
    let asked = Asked::parse(name)?;
    let failed = |report: Report| SourceError::Read {
        name: name.to_owned(),
        source: Reported(report).into(),
    };
    let found = match asked {
        Asked::Preset(preset) => of_preset(context, store, preset, platform, policy),
        Asked::File(path) => of_file(context, store, path, platform),
    };
    Some(match found {
        Ok(reference) => store.image(&reference, platform),
        Err(report) => Err(failed(report)),
    })
}

/// The name under which the store has an assembled base, so that it stays, and is found again.
fn reference(kind: &str, name: &str, tag: &str) -> Result<Reference, Report> {
    Ok(format!("localhost/kiln-{kind}/{name}:{tag}").parse()?)
}

fn of_preset(
    context: &Context,
    store: &Store,
    preset: &str,
    platform: &Platform,
    policy: PullPolicy,
) -> Result<Reference, Report> {
    let source = SourceArgs::default().resolved(context)?;
    let architecture = inputs::architecture_of(platform)?;
    let text = new::text(preset, &source, &[architecture])?;
    let tag = format!("{}-{architecture}", source.suite.replace('/', "-"));
    let reference = reference("presets", preset, &tag)?;
    let at_hand = store.image(&reference, platform).is_ok();
    if policy == PullPolicy::Never || (policy == PullPolicy::Missing && at_hand) {
        return Ok(reference);
    }
    let inputs = Inputs::preset(context, &text)?;
    make(context, store, &inputs, None, &reference)?;
    Ok(reference)
}

fn of_file(
    context: &Context,
    store: &Store,
    path: &str,
    platform: &Platform,
) -> Result<Reference, Report> {
    let inputs = Inputs::read(context, path.as_ref())?;
    let lock = inputs.needed_lock()?;
    let architecture = inputs::architecture_of(platform)?;
    if !inputs.architectures.contains(&architecture) {
        return Err(Report::new(format!(
            "`{path}` is not for {platform}: it has no {architecture} among its architectures"
        )));
    }
    let digest = kiln_oci::Digest::sha256(path.as_bytes());
    let name = &digest.hex()[..16];
    let reference = reference("image-files", name, "latest")?;
    // All of its architectures: the lock holds for all of them together.
    make(context, store, &inputs, Some(lock), &reference)?;
    Ok(reference)
}

fn make(
    context: &Context,
    store: &Store,
    inputs: &Inputs,
    lock: Option<kiln_assemble::Lock>,
    name: &Reference,
) -> Result<(), Report> {
    let lease = store.lease()?;
    let client = inputs::client(&context.environment, false)?;
    let on_event = |_: kiln_assemble::Event<'_>| ();
    let downloads = Downloads::open(store, &lease, client.as_ref(), &on_event)?;
    let making = Making {
        context,
        store,
        lease: &lease,
        downloads: &downloads,
        threads: None,
    };
    let (_, made) = making.make(inputs, lock)?;
    store.set_reference(name, &made.descriptor)?;
    Ok(())
}
