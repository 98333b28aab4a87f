//! Manifests and indexes.
//!
//! Source: OCI image specification, "manifest.md" and "image-index.md"; Docker's "Image Manifest V 2,
//! Schema 2" shares the shape.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, Platform, media_type};

/// The largest manifest or index that kiln reads, in bytes. Registries accept 4 MiB, so that is the
/// least a client must take, and more is an attack on memory.
pub const MAX_DOCUMENT_SIZE: u64 = 4 << 20;

/// One image for one platform, or an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own type. OCI lets it be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// What this manifest refers to, if it is a referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Manifests for several platforms under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own type. OCI lets it be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What this index refers to, if it is a referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free key and value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of `manifests`.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The image manifest for `wanted`: the first that names a satisfying platform; else the only
    /// image there is, if it names no platform at all.
    #[must_use]
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        let named = self.manifests.iter().find(|manifest| {
            manifest
                .platform
                .as_ref()
                .is_some_and(|p| p.satisfies(wanted))
        });
        named.or_else(|| match &self.manifests[..] {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        })
    }
}

/// A top-level document that a reference may lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image or artifact.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Box<Index>),
}

/// Bytes that are neither a manifest nor an index.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// Larger than [`MAX_DOCUMENT_SIZE`].
    #[error("a manifest of {size} bytes is larger than the {MAX_DOCUMENT_SIZE} that are accepted")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// Not JSON of the expected shape.
    #[error("not a manifest or index")]
    Json(#[from] serde_json::Error),
    /// An old or foreign schema.
    #[error("unsupported manifest: schema version {version}; kiln reads schema 2 and OCI")]
    Schema {
        /// The version it claims.
        version: u32,
    },
    /// A manifest that could be read as two different things (CVE-2021-41190).
    #[error("ambiguous manifest: it has both `layers` and `manifests`")]
    Ambiguous,
}

impl Document {
    /// Reads raw bytes, telling the two kinds apart by their fields rather than by what the sender
    /// claims; a document with the fields of both is refused, as the specification's advisory asks.
    ///
    /// # Errors
    /// See [`InvalidDocument`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            schema_version: u32,
            #[serde(default)]
            manifests: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            layers: Option<serde::de::IgnoredAny>,
        }
        if bytes.len() as u64 > MAX_DOCUMENT_SIZE {
            return Err(InvalidDocument::TooLarge {
                size: bytes.len() as u64,
            });
        }
        let shape: Shape = serde_json::from_slice(bytes)?;
        if shape.schema_version != 2 {
            return Err(InvalidDocument::Schema {
                version: shape.schema_version,
            });
        }
        match (shape.manifests, shape.layers) {
            (Some(_), Some(_)) => Err(InvalidDocument::Ambiguous),
            (Some(_), None) => Ok(Self::Index(Box::new(serde_json::from_slice(bytes)?))),
            (None, _) => Ok(Self::Manifest(Box::new(serde_json::from_slice(bytes)?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn descriptor(platform: Option<&str>) -> Descriptor {
        Descriptor {
            platform: platform.map(|text| text.parse().unwrap()),
            ..Descriptor::new(media_type::OCI_MANIFEST, Digest::sha256(b"x"), 1)
        }
    }

    #[test]
    fn selection_prefers_the_platform_and_takes_a_lone_unnamed_image() {
        let index = Index::new(vec![
            descriptor(Some("linux/arm64")),
            descriptor(Some("linux/amd64")),
        ]);
        let wanted = "linux/amd64".parse().unwrap();
        assert_eq!(index.select(&wanted), Some(&index.manifests[1]));
        assert_eq!(index.select(&"linux/s390x".parse().unwrap()), None);
        let lone = Index::new(vec![descriptor(None)]);
        assert_eq!(lone.select(&wanted), Some(&lone.manifests[0]));
    }

    #[test]
    fn kinds_are_told_apart_by_their_fields() {
        let index = serde_json::to_vec(&Index::new(vec![])).unwrap();
        assert!(matches!(Document::parse(&index), Ok(Document::Index(_))));
        let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(matches!(
            Document::parse(both),
            Err(InvalidDocument::Ambiguous)
        ));
        let old = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(
            Document::parse(old),
            Err(InvalidDocument::Schema { version: 1 })
        ));
        assert!(matches!(
            Document::parse(b"{"),
            Err(InvalidDocument::Json(_))
        ));
        let huge = vec![b' '; MAX_DOCUMENT_SIZE as usize + 1];
        assert!(matches!(
            Document::parse(&huge),
            Err(InvalidDocument::TooLarge { .. })
        ));
    }
}
