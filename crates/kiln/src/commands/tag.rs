//! `kiln tag`: one more name for an image.

use std::process::ExitCode;

use kiln_oci::{Platform, Reference};

use super::{Context, find_image};
use crate::ui::report::Report;

/// Give an image another name
#[derive(Debug, clap::Args)]
pub(crate) struct TagArgs {
    /// Name or id of the image
    image: String,
    /// The new name; an image that had it loses it
    name: String,
}

/// Points `name` to the same manifest or index.
pub(crate) fn tag(context: &Context, args: &TagArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let name: Reference = args.name.parse()?;
    if name.digest().is_some() {
        return Err(Report::usage(
            "a new name cannot have a digest: the image decides it",
        ));
    }
    let known = args.image.parse::<Reference>().ok();
    let stored = known
        .map(|known| store.reference(&known))
        .transpose()?
        .flatten();
    let descriptor = match stored {
        Some(descriptor) => descriptor,
        None => {
            let image = find_image(&store, &args.image, &Platform::host())?;
            kiln_oci::Descriptor::of(
                image
                    .manifest
                    .media_type
                    .as_deref()
                    .unwrap_or(kiln_oci::media_type::OCI_MANIFEST),
                image.manifest.bytes(),
            )
        }
    };
    store.set_reference(&name, &descriptor)?;
    Ok(ExitCode::SUCCESS)
}
