//! What a manifest says about itself: its kind, what it needs, what it refers to.

use kiln_oci::{Descriptor, Digest, Document, InvalidDocument, media_type};

use super::PutManifestError;

/// A manifest or index that was read.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) media_type: String,
    /// What the referrers list calls it: the manifest's own word, else its config's type.
    pub(super) artifact_type: Option<String>,
    pub(super) subject: Option<Digest>,
    /// Its annotations as JSON, if it has any.
    pub(super) annotations: Option<String>,
    /// Blobs that must be there, with the sizes that it says.
    pub(super) blobs: Vec<(Digest, u64)>,
    /// Those of them that are layers.
    pub(super) layers: Vec<Digest>,
    /// Manifests that must be there.
    pub(super) manifests: Vec<Digest>,
}

fn invalid(reason: impl Into<String>) -> PutManifestError {
    PutManifestError::Invalid {
        reason: reason.into(),
    }
}

/// Reads a manifest that was sent as `sent`, a media type without parameters.
pub(super) fn describe(sent: Option<&str>, bytes: &[u8]) -> Result<Described, PutManifestError> {
    let document = Document::parse(bytes).map_err(|error| match error {
        InvalidDocument::TooLarge { .. } => PutManifestError::TooLarge {
            limit: kiln_oci::MAX_DOCUMENT_SIZE,
        },
        InvalidDocument::Json(ref source) => invalid(format!("{error}: {source}")),
        other => invalid(other.to_string()),
    })?;
    match document {
        Document::Manifest(manifest) => {
            let own = manifest.media_type.as_deref();
            let kind = kind(sent, own, media_type::OCI_MANIFEST, media_type::is_manifest)?;
            let config = manifest.config.media_type.clone();
            let layers = manifest.layers.iter().filter(|layer| is_kept(layer));
            let mut blobs = vec![(manifest.config.digest, manifest.config.size)];
            blobs.extend(layers.clone().map(|layer| (layer.digest, layer.size)));
            Ok(Described {
                media_type: kind,
                artifact_type: Some(manifest.artifact_type.unwrap_or(config)),
                subject: manifest.subject.map(|subject| subject.digest),
                annotations: annotations(&manifest.annotations)?,
                blobs,
                layers: layers
                    .filter(|layer| media_type::is_layer(&layer.media_type))
                    .map(|layer| layer.digest)
                    .collect(),
                manifests: vec![],
            })
        }
        Document::Index(index) => {
            let own = index.media_type.as_deref();
            let kind = kind(sent, own, media_type::OCI_INDEX, media_type::is_index)?;
            // BuildKit keeps a build cache as an index whose entries are blobs.
            let (manifests, blobs): (Vec<_>, Vec<_>) = index.manifests.iter().partition(|entry| {
                media_type::is_manifest(&entry.media_type)
                    || media_type::is_index(&entry.media_type)
            });
            Ok(Described {
                media_type: kind,
                artifact_type: index.artifact_type,
                subject: index.subject.map(|subject| subject.digest),
                annotations: annotations(&index.annotations)?,
                blobs: blobs.iter().map(|blob| (blob.digest, blob.size)).collect(),
                layers: vec![],
                manifests: manifests.iter().map(|entry| entry.digest).collect(),
            })
        }
    }
}

/// A layer that is to be had elsewhere need not be here.
fn is_kept(layer: &Descriptor) -> bool {
    layer.urls.is_empty()
}

fn kind(
    sent: Option<&str>,
    own: Option<&str>,
    default: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<String, PutManifestError> {
    if let (Some(sent), Some(own)) = (sent, own)
        && sent != own
    {
        let reason = format!("it was sent as `{sent}` and calls itself `{own}`");
        return Err(invalid(reason));
    }
    let kind = sent.or(own).unwrap_or(default);
    match fits(kind) {
        true => Ok(kind.to_owned()),
        false => Err(invalid(format!("its fields are not those of `{kind}`"))),
    }
}

fn annotations(
    annotations: &std::collections::BTreeMap<String, String>,
) -> Result<Option<String>, PutManifestError> {
    if annotations.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(annotations);
    text.map(Some).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_oci::Index;

    #[test]
    fn a_cache_index_needs_blobs_and_an_image_index_manifests() {
        let index = Index::new(vec![
            Descriptor::of(media_type::OCI_LAYER_ZSTD, b"layer"),
            Descriptor::of(media_type::OCI_MANIFEST, b"manifest"),
        ]);
        let bytes = serde_json::to_vec(&index).unwrap();
        let described = describe(None, &bytes).unwrap();
        assert_eq!(described.media_type, media_type::OCI_INDEX);
        assert_eq!(described.blobs, [(Digest::sha256(b"layer"), 5)]);
        assert_eq!(described.manifests, [Digest::sha256(b"manifest")]);
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        let index = serde_json::to_vec(&Index::new(vec![])).unwrap();
        for sent in [
            media_type::OCI_MANIFEST,
            media_type::DOCKER_INDEX,
            "text/html",
        ] {
            assert!(describe(Some(sent), &index).is_err(), "{sent}");
        }
        assert!(describe(Some(media_type::OCI_INDEX), &index).is_ok());
        for bytes in [
            &b"{}"[..],
            b"[]",
            b"",
            b"{\"schemaVersion\":1}",
            b"{\"schemaVersion\":2}",
        ] {
            assert!(describe(None, bytes).is_err());
        }
    }
}
