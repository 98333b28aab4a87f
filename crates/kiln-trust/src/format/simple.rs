//! Simple signing payloads: what cosign 1 and 2, skopeo and podman sign.
//!
//! Source: containers/image, `docs/containers-signature.5.md`; what cosign 3.1.1 and skopeo 1.22 write.

use kiln_oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The type that says that it is a signature and nothing else.
pub const TYPE: &str = "cosign container image signature";
/// What skopeo writes before it asks for cosign's.
const ATOMIC: &str = "atomic container signature";

/// A payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The name that the signer gave the image: a repository, perhaps with a tag.
    pub reference: String,
    /// The manifest that is signed.
    pub digest: Digest,
    /// Further claims.
    pub optional: Map<String, Value>,
}

/// Bytes that are no such payload.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPayload {
    /// Not JSON of this shape.
    #[error("the payload is not a simple signing document")]
    Json(#[from] serde_json::Error),
    /// Something else was signed.
    #[error("the payload is a `{0}`, not an image's signature")]
    Type(String),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    critical: Critical,
    optional: Option<Map<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

impl Payload {
    /// Reads a payload whose signature was verified. Unknown critical fields are refused: they would change what it means.
    ///
    /// # Errors
    /// See [`InvalidPayload`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidPayload> {
        let wire: Wire = serde_json::from_slice(bytes)?;
        let kind = wire.critical.r#type;
        if kind != TYPE && kind != ATOMIC {
            return Err(InvalidPayload::Type(kind.chars().take(100).collect()));
        }
        Ok(Self {
            reference: wire.critical.identity.docker_reference,
            digest: wire.critical.image.docker_manifest_digest,
            optional: wire.optional.unwrap_or_default(),
        })
    }

    /// Writes the payload that is to be signed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            critical: Critical {
                identity: Identity {
                    docker_reference: self.reference.clone(),
                },
                image: Image {
                    docker_manifest_digest: self.digest,
                },
                r#type: TYPE.to_owned(),
            },
            optional: Some(self.optional.clone()),
        };
        serde_json::to_vec(&wire).expect("because it has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_cosign_writes_it() {
        let payload = Payload {
            reference: "127.0.0.1:5055/demo/app".to_owned(),
            digest: Digest::sha256(b""),
            optional: Map::from_iter([("team".to_owned(), Value::from("bank"))]),
        };
        let text = String::from_utf8(payload.to_json()).unwrap();
        assert_eq!(
            text,
            "{\"critical\":{\"identity\":{\"docker-reference\":\"127.0.0.1:5055/demo/app\"},\"image\":{\"docker-manifest-digest\":\
             \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"},\"type\":\"cosign container image \
             signature\"},\"optional\":{\"team\":\"bank\"}}"
        );
        assert_eq!(Payload::parse(text.as_bytes()).unwrap(), payload);
        let null = text.replace("{\"team\":\"bank\"}", "null");
        assert!(Payload::parse(null.as_bytes()).unwrap().optional.is_empty());
    }

    #[test]
    fn other_documents_are_refused() {
        let good = Payload {
            reference: "r".to_owned(),
            digest: Digest::sha256(b""),
            optional: Map::new(),
        };
        let text = String::from_utf8(good.to_json()).unwrap();
        let other = text.replace(TYPE, "an invoice");
        assert!(matches!(
            Payload::parse(other.as_bytes()),
            Err(InvalidPayload::Type(_))
        ));
        for (from, to) in [
            ("sha256:", "sha256:x"),
            ("\"critical\":{", "\"critical\":{\"only-on\":1,"),
            ("docker-reference", "x"),
        ] {
            let other = text.replacen(from, to, 1);
            assert!(
                matches!(
                    Payload::parse(other.as_bytes()),
                    Err(InvalidPayload::Json(_))
                ),
                "{other}"
            );
        }
    }
}
