//! `--check-reproducible`: builds twice and shows the first difference.

use kiln_build::{BuildContext, BuildError, BuildOptions, Built};
use kiln_dockerfile::Dockerfile;
use kiln_layer::LayerIndex;
use kiln_oci::Image;
use kiln_store::Store;

use crate::ui;

/// Builds twice from nothing. Says on standard error whether the results agree, and where they first differ.
pub(super) fn twice(
    context: &BuildContext<'_>,
    dockerfile: &Dockerfile,
    options: &BuildOptions,
) -> Result<Built, BuildError> {
    let first = kiln_build::build(context, dockerfile, options)?;
    let second = kiln_build::build(context, dockerfile, options)?;
    if first.descriptor.digest == second.descriptor.digest {
        ui::note(&format!(
            "reproducible: both builds gave {}",
            first.descriptor.digest
        ));
        return Ok(second);
    }
    for (one, two) in first.images.iter().zip(&second.images) {
        let images = (
            context.store.image_at(&one.manifest),
            context.store.image_at(&two.manifest),
        );
        if let (Ok(one), Ok(two)) = images
            && let Some(difference) = difference(context.store, &one, &two)
        {
            ui::note(&format!("not reproducible: {difference}"));
            break;
        }
    }
    Err(BuildError::NotReproducible)
}

/// The first difference between two images, in one sentence.
fn difference(store: &Store, one: &Image, two: &Image) -> Option<String> {
    let steps: Vec<&str> = one
        .config
        .history
        .iter()
        .filter(|step| !step.empty_layer)
        .map(|step| step.created_by.as_deref().unwrap_or("(unknown)"))
        .collect();
    let pairs = one
        .config
        .rootfs
        .diff_ids
        .iter()
        .zip(&two.config.rootfs.diff_ids);
    for (number, (a, b)) in pairs.enumerate() {
        if a != b {
            let step = steps.get(number).copied().unwrap_or("(unknown)");
            let (a, b) = (store.layer_index(a).ok()?, store.layer_index(b).ok()?);
            return Some(format!(
                "in the layer of `{step}`, {}",
                layer_difference(&a, &b)
            ));
        }
    }
    (one.config.bytes() != two.config.bytes()).then(|| "the configs differ".to_owned())
}

fn layer_difference(a: &LayerIndex, b: &LayerIndex) -> String {
    for (one, two) in a.entries.iter().zip(&b.entries) {
        let path = one.entry.display_path();
        if one.entry.path != two.entry.path {
            return format!(
                "one build has `/{path}` where the other has `/{}`",
                two.entry.display_path()
            );
        }
        let what = if one.entry.kind != two.entry.kind {
            "its type or size"
        } else if one.content != two.content {
            "its content"
        } else if one.entry.mtime != two.entry.mtime {
            "its time"
        } else if one.entry != two.entry {
            "its mode, owner or attributes"
        } else {
            continue;
        };
        return format!("`/{path}` differs in {what}");
    }
    format!(
        "one build has {} entries, the other {}",
        a.entries.len(),
        b.entries.len()
    )
}
