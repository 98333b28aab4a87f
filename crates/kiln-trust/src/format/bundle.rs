//! Sigstore bundles, version 0.3, with a DSSE envelope: what cosign 3 writes by default.
//!
//! Source: sigstore/protobuf-specs, `sigstore_bundle.proto`, in its JSON form; what cosign 3.1.1 writes and accepts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::dsse::{Envelope, InvalidEnvelope, Wire};
use super::names;
use crate::key::KeyId;

/// The most time stamps and certificates of one bundle that are looked at.
const MAX_MATERIAL: usize = 16;

/// A bundle, its parts decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What is signed, and the signatures.
    pub envelope: Envelope,
    /// The hint at the key, as it stands there. Nothing relies on it.
    pub hint: Option<String>,
    /// The certificates in DER, the signer's first.
    pub certificates: Vec<Vec<u8>>,
    /// RFC 3161 time stamp responses or tokens in DER, over the raw signature.
    pub timestamps: Vec<Vec<u8>>,
    /// Whether it has entries of a transparency log.
    pub has_log_entries: bool,
}

/// Bytes that are no bundle that kiln reads.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBundle {
    /// Not JSON of this shape.
    #[error("it is no Sigstore bundle")]
    Json(#[from] serde_json::Error),
    /// Another document or version.
    #[error("it is `{0}`, not a Sigstore bundle of version 0.1 to 0.3")]
    MediaType(String),
    /// A signature of a blob without an envelope.
    #[error("the bundle has no DSSE envelope")]
    NoEnvelope,
    /// The envelope is none.
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    /// A part that is not base64.
    #[error("the {0} of the bundle is not base64")]
    Base64(&'static str),
    /// More certificates or time stamps than anybody makes.
    #[error("the bundle has {0} certificates or time stamps; {MAX_MATERIAL} are accepted")]
    TooMany(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBundle {
    media_type: String,
    verification_material: Material,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Wire>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<Chain>,
    #[serde(default, skip_serializing)]
    tlog_entries: Vec<serde::de::IgnoredAny>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

#[derive(Serialize, Deserialize)]
struct Chain {
    #[serde(default)]
    certificates: Vec<Certificate>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timestamp {
    signed_timestamp: String,
}

impl Bundle {
    /// A bundle of an envelope that the key with this id signed.
    #[must_use]
    pub fn of_key(envelope: Envelope, id: KeyId) -> Self {
        Self {
            envelope,
            hint: Some(id.hint()),
            certificates: vec![],
            timestamps: vec![],
            has_log_entries: false,
        }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// See [`InvalidBundle`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidBundle> {
        let wire: WireBundle = serde_json::from_slice(bytes)?;
        if !is_known(&wire.media_type) {
            let kind = wire.media_type.chars().take(100).collect();
            return Err(InvalidBundle::MediaType(kind));
        }
        let envelope = Envelope::from_wire(wire.dsse_envelope.ok_or(InvalidBundle::NoEnvelope)?)?;
        let material = wire.verification_material;
        let chain = material
            .x509_certificate_chain
            .map(|chain| chain.certificates)
            .unwrap_or_default();
        let certificates: Vec<Certificate> =
            material.certificate.into_iter().chain(chain).collect();
        let stamps = material
            .timestamp_verification_data
            .unwrap_or_default()
            .rfc3161_timestamps;
        let count = certificates.len().max(stamps.len());
        if count > MAX_MATERIAL {
            return Err(InvalidBundle::TooMany(count));
        }
        let decode = |text: &str, what| {
            STANDARD
                .decode(text)
                .map_err(|_| InvalidBundle::Base64(what))
        };
        let certificates = certificates
            .iter()
            .map(|one| decode(&one.raw_bytes, "certificate"));
        let stamps = stamps
            .iter()
            .map(|one| decode(&one.signed_timestamp, "time stamp"));
        Ok(Self {
            envelope,
            hint: material
                .public_key
                .map(|key| key.hint)
                .filter(|hint| !hint.is_empty()),
            certificates: certificates.collect::<Result<_, _>>()?,
            timestamps: stamps.collect::<Result<_, _>>()?,
            has_log_entries: !material.tlog_entries.is_empty(),
        })
    }

    /// Writes the JSON form. Log entries are not kept: kiln makes none.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let certificate = self.certificates.first();
        let stamps = self.timestamps.iter().map(|raw| Timestamp {
            signed_timestamp: STANDARD.encode(raw),
        });
        let wire = WireBundle {
            media_type: names::BUNDLE.to_owned(),
            verification_material: Material {
                public_key: self
                    .hint
                    .clone()
                    .filter(|_| certificate.is_none())
                    .map(|hint| Hint { hint }),
                certificate: certificate.map(|raw| Certificate {
                    raw_bytes: STANDARD.encode(raw),
                }),
                timestamp_verification_data: (!self.timestamps.is_empty()).then(|| Timestamps {
                    rfc3161_timestamps: stamps.collect(),
                }),
                ..Material::default()
            },
            dsse_envelope: Some(self.envelope.to_wire()),
        };
        serde_json::to_vec(&wire).expect("because it has a JSON form")
    }
}

/// Versions 0.1 and 0.2 have another form of the media type, and what is read here alike.
fn is_known(media_type: &str) -> bool {
    matches!(
        media_type,
        names::BUNDLE
            | "application/vnd.dev.sigstore.bundle+json;version=0.1"
            | "application/vnd.dev.sigstore.bundle+json;version=0.2"
            | "application/vnd.dev.sigstore.bundle+json;version=0.3"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bundle() -> Bundle {
        let envelope = Envelope {
            payload_type: "t".to_owned(),
            payload: b"{}".to_vec(),
            signatures: vec![vec![1, 2]],
        };
        Bundle::of_key(envelope, KeyId([7; 32]))
    }

    #[test]
    fn written_and_read() {
        let mut bundle = bundle();
        assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
        bundle.timestamps.push(vec![3]);
        assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
    }

    #[test]
    fn what_is_no_bundle() {
        let good = String::from_utf8(bundle().to_json()).unwrap();
        let other = good.replace("v0.3", "v0.9");
        assert!(matches!(
            Bundle::parse(other.as_bytes()),
            Err(InvalidBundle::MediaType(_))
        ));
        let bare = good.replace("dsseEnvelope", "messageSignature");
        assert!(matches!(
            Bundle::parse(bare.as_bytes()),
            Err(InvalidBundle::NoEnvelope)
        ));
        assert!(Bundle::parse(&good.as_bytes()[..good.len() - 1]).is_err());
        let deep = "[".repeat(100_000);
        assert!(matches!(
            Bundle::parse(deep.as_bytes()),
            Err(InvalidBundle::Json(_))
        ));
    }

    proptest! {
        #[test]
        fn a_changed_byte_never_panics(at in 0_usize..400, byte in any::<u8>()) {
            let mut bytes = bundle().to_json();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = Bundle::parse(&bytes);
        }
    }
}
