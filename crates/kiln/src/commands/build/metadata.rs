//! `--metadata-file`: facts about the result, under the keys that buildx uses.

use kiln_build::{Built, ContextSource};
use kiln_oci::{Descriptor, Reference};
use serde_json::json;

/// The file's content.
pub(super) fn metadata(
    built: &Built,
    pushed: Option<&Descriptor>,
    names: &[Reference],
    context: &ContextSource,
) -> String {
    // What others can fetch is what they want to know.
    let descriptor = pushed.unwrap_or(&built.descriptor);
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut value = json!({
        "containerimage.digest": descriptor.digest,
        "containerimage.descriptor": descriptor,
        "image.name": names.join(","),
        "kiln.platforms": built.images.iter().map(|image| image.platform.to_string()).collect::<Vec<_>>(),
    });
    if let [image] = &built.images[..] {
        value["containerimage.config.digest"] = json!(image.config.digest);
    }
    if let ContextSource::Repository(repository) = context {
        value["kiln.source"] = json!({
            "repository": repository.remote,
            "commit": repository.commit,
            "committed": repository.committed,
        });
    }
    format!("{value:#}\n")
}
