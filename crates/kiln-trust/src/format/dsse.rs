//! DSSE envelopes: a payload, its type, and signatures over both.
//!
//! Source: "DSSE: Dead Simple Signing Envelope" 1.0.2, protocol.md and envelope.md.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::{Deserialize, Serialize};

use crate::key::{PublicKey, Signer, SignerError};

/// The most signatures that are looked at.
pub const MAX_SIGNATURES: usize = 16;

/// Both alphabets are allowed by the specification.
const URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An envelope, its parts decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub payload_type: String,
    /// The payload. It means nothing before a signature was verified.
    pub payload: Vec<u8>,
    /// The raw signatures.
    pub signatures: Vec<Vec<u8>>,
}

/// Bytes that are no envelope.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEnvelope {
    /// Not JSON of this shape.
    #[error("it is no DSSE envelope")]
    Json(#[from] serde_json::Error),
    /// A part that is not base64.
    #[error("the {0} of the DSSE envelope is not base64")]
    Base64(&'static str),
    /// None, or more than anybody makes.
    #[error("the DSSE envelope has {0} signatures; 1 to {MAX_SIGNATURES} are accepted")]
    Signatures(usize),
}

/// The JSON form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wire {
    payload: String,
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WireSignature {
    sig: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keyid: String,
}

impl Envelope {
    /// Signs a payload.
    ///
    /// # Errors
    /// If the key does not sign.
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        signers: &[&dyn Signer],
    ) -> Result<Self, SignerError> {
        let message = encoding(payload_type, &payload);
        let signatures = signers.iter().map(|signer| signer.sign(&message));
        Ok(Self {
            signatures: signatures.collect::<Result<_, _>>()?,
            payload_type: payload_type.to_owned(),
            payload,
        })
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// See [`InvalidEnvelope`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidEnvelope> {
        Self::from_wire(serde_json::from_slice(bytes)?)
    }

    pub(crate) fn from_wire(wire: Wire) -> Result<Self, InvalidEnvelope> {
        let count = wire.signatures.len();
        if !(1..=MAX_SIGNATURES).contains(&count) {
            return Err(InvalidEnvelope::Signatures(count));
        }
        let decode = |text: &str| STANDARD.decode(text).or_else(|_| URL.decode(text));
        let signatures = wire.signatures.iter().map(|one| decode(&one.sig));
        Ok(Self {
            payload: decode(&wire.payload).map_err(|_| InvalidEnvelope::Base64("payload"))?,
            signatures: signatures
                .collect::<Result<_, _>>()
                .map_err(|_| InvalidEnvelope::Base64("signature"))?,
            payload_type: wire.payload_type,
        })
    }

    pub(crate) fn to_wire(&self) -> Wire {
        let signature = |raw: &Vec<u8>| WireSignature {
            sig: STANDARD.encode(raw),
            keyid: String::new(),
        };
        Wire {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self.signatures.iter().map(signature).collect(),
        }
    }

    /// Writes the JSON form.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.to_wire()).expect("because it has a JSON form")
    }

    /// The signature of `key` among those of the envelope.
    #[must_use]
    pub fn signature_of(&self, key: &PublicKey) -> Option<&[u8]> {
        let message = encoding(&self.payload_type, &self.payload);
        let mut signatures = self.signatures.iter().map(Vec::as_slice);
        signatures.find(|signature| key.verifies(&message, signature))
    }
}

/// What is signed of an envelope: the pre-authentication encoding.
#[must_use]
pub fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Generate, PrivateKey};

    #[test]
    fn the_encoding_of_the_specification() {
        assert_eq!(
            encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn signed_written_and_read() {
        let (one, two) = (
            PrivateKey::generate(Generate::P256).unwrap(),
            PrivateKey::generate(Generate::Ed25519).unwrap(),
        );
        let envelope = Envelope::sign("t", b"p".to_vec(), &[&one, &two]).unwrap();
        let read = Envelope::parse(&envelope.to_json()).unwrap();
        assert_eq!(read, envelope);
        assert!(
            read.signature_of(one.public()).is_some() && read.signature_of(two.public()).is_some()
        );
        let stranger = PrivateKey::generate(Generate::P256).unwrap();
        assert!(read.signature_of(stranger.public()).is_none());
        let other = Envelope {
            payload_type: "u".to_owned(),
            ..read
        };
        assert!(
            other.signature_of(one.public()).is_none(),
            "the type is signed too"
        );
    }

    #[test]
    fn what_is_no_envelope() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"payload":"","payloadType":"t","signatures":[]}"#,
            r#"{"payload":"!","payloadType":"t","signatures":[{"sig":""}]}"#,
            r#"{"payload":"","payloadType":"t","signatures":[{"sig":"!"}]}"#,
        ] {
            assert!(Envelope::parse(text.as_bytes()).is_err(), "{text}");
        }
        let many = r#"{"sig":""},"#.repeat(MAX_SIGNATURES);
        let many =
            format!(r#"{{"payload":"","payloadType":"t","signatures":[{many}{{"sig":""}}]}}"#);
        assert!(matches!(
            Envelope::parse(many.as_bytes()),
            Err(InvalidEnvelope::Signatures(17))
        ));
    }
}
