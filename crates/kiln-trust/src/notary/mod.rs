//! Notary Project signatures: a JWS or COSE envelope with a certificate chain.
//!
//! Sources: Notary Project, `specs/signature-specification.md`, `signature-envelope-jws.md`, `signature-envelope-cose.md`; what notation 1.3.2
//! writes and accepts.

mod cbor;
mod cose;
mod jws;
mod write;

pub use write::{NotaryError, NotaryOptions, put};

use std::collections::BTreeMap;

use kiln_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::key::{KeyKind, PublicKey, Scheme, ecdsa_to_der};
use crate::x509::{Certificate, CertificateError};

/// The artifact type of a signature's manifest; older writers have it as the config's media type.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// A JWS envelope.
pub const JWS: &str = "application/jose+json";
/// A COSE envelope.
pub const COSE: &str = "application/cose";
/// What is signed.
const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
/// Signed with a certificate, as opposed to by a signing authority's word.
const SCHEME: &str = "notary.x509";

const SIGNING_SCHEME: &str = "io.cncf.notary.signingScheme";
const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
const AGENT: &str = "io.cncf.notary.signingAgent";
const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";

/// The most certificates of one chain.
const MAX_CHAIN: usize = 16;

/// What was signed: the descriptor of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Further claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Target,
}

/// An envelope that was read and not believed.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The very bytes that the signature is over.
    message: Vec<u8>,
    signature: Vec<u8>,
    scheme: Scheme,
    payload: Vec<u8>,
    certificates: Vec<Certificate>,
    timestamp: Option<Vec<u8>>,
    signed_at: Option<Time>,
    expires: Option<Time>,
}

/// Bytes that are no envelope.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEnvelope {
    /// Not JSON of this shape.
    #[error("it is no JWS envelope: {0}")]
    Json(#[from] serde_json::Error),
    /// Not CBOR.
    #[error("it is no COSE envelope: {0}")]
    Cbor(&'static str),
    /// Not base64.
    #[error("the {0} of the envelope is not base64")]
    Base64(&'static str),
    /// An algorithm that signatures may not have.
    #[error("the algorithm {0} is not accepted")]
    Algorithm(String),
    /// Something that must be understood and is not.
    #[error("the envelope demands `{0}`, which kiln does not know")]
    Critical(String),
    /// Something else.
    #[error("the envelope's {what} is `{found}`")]
    Kind {
        /// Of which header.
        what: &'static str,
        /// What it has.
        found: String,
    },
    /// A time that is none.
    #[error("the envelope's time `{0}` cannot be read")]
    Time(String),
    /// Certificates that are none.
    #[error("the envelope's certificates cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// None or too many.
    #[error("the envelope has {0} certificates; 1 to {MAX_CHAIN} are accepted")]
    Chain(usize),
}

impl Envelope {
    /// Reads an envelope of this media type.
    ///
    /// # Errors
    /// See [`InvalidEnvelope`].
    pub fn parse(media_type: &str, bytes: &[u8]) -> Result<Self, InvalidEnvelope> {
        match media_type {
            COSE => cose::parse(bytes),
            _ => jws::parse(bytes),
        }
    }

    /// Whether `key` made it. The algorithm must be the one that the specification has for such a key.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        if scheme(key.kind()) != Some(self.scheme) {
            return false;
        }
        match key.kind().coordinate() {
            Some(size) if self.signature.len() != 2 * size => false,
            Some(_) => {
                key.verifies_with(self.scheme, &self.message, &ecdsa_to_der(&self.signature))
            }
            None => key.verifies_with(self.scheme, &self.message, &self.signature),
        }
    }

    /// The raw signature, which a time stamp is of.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The signer's certificate and those behind it.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// A time stamp in DER.
    #[must_use]
    pub fn timestamp(&self) -> Option<&[u8]> {
        self.timestamp.as_deref()
    }

    /// When the signer says that it was.
    #[must_use]
    pub fn signed_at(&self) -> Option<Time> {
        self.signed_at
    }

    /// Until when it is good.
    #[must_use]
    pub fn expires(&self) -> Option<Time> {
        self.expires
    }

    /// What is signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What was signed. To be asked for after the signature was verified.
    ///
    /// # Errors
    /// If the payload is no target.
    pub fn target(&self) -> Result<Target, serde_json::Error> {
        serde_json::from_slice::<Payload>(&self.payload).map(|payload| payload.target_artifact)
    }
}

/// The scheme that a key must sign with: its size decides.
fn scheme(kind: KeyKind) -> Option<Scheme> {
    match kind {
        KeyKind::P256 => Some(Scheme::EcdsaSha256),
        KeyKind::P384 => Some(Scheme::EcdsaSha384),
        KeyKind::P521 => Some(Scheme::EcdsaSha512),
        KeyKind::Rsa(2048) => Some(Scheme::RsaPssSha256),
        KeyKind::Rsa(3072) => Some(Scheme::RsaPssSha384),
        KeyKind::Rsa(4096) => Some(Scheme::RsaPssSha512),
        KeyKind::Rsa(_) | KeyKind::Ed25519 => None,
    }
}

/// Names of algorithms, in JOSE and in COSE.
const ALGORITHMS: &[(&str, i64, Scheme)] = &[
    ("ES256", -7, Scheme::EcdsaSha256),
    ("ES384", -35, Scheme::EcdsaSha384),
    ("ES512", -36, Scheme::EcdsaSha512),
    ("PS256", -37, Scheme::RsaPssSha256),
    ("PS384", -38, Scheme::RsaPssSha384),
    ("PS512", -39, Scheme::RsaPssSha512),
];

/// The headers that are signed, from either form.
#[derive(Default)]
struct Protected {
    scheme: Option<Scheme>,
    content_type: String,
    signing_scheme: String,
    critical: Vec<String>,
    signed_at: Option<Time>,
    expires: Option<Time>,
}

impl Protected {
    /// Checks what the specification demands of them.
    fn check(&self) -> Result<Scheme, InvalidEnvelope> {
        for name in &self.critical {
            if name != SIGNING_SCHEME && name != EXPIRY {
                return Err(InvalidEnvelope::Critical(name.chars().take(100).collect()));
            }
        }
        let cut = |text: &str| text.chars().take(100).collect();
        if self.content_type != PAYLOAD {
            return Err(InvalidEnvelope::Kind {
                what: "content type",
                found: cut(&self.content_type),
            });
        }
        if self.signing_scheme != SCHEME {
            return Err(InvalidEnvelope::Kind {
                what: "signing scheme",
                found: cut(&self.signing_scheme),
            });
        }
        self.scheme
            .ok_or_else(|| InvalidEnvelope::Algorithm("none".to_owned()))
    }
}

fn certificates(chain: &[Vec<u8>]) -> Result<Vec<Certificate>, InvalidEnvelope> {
    if !(1..=MAX_CHAIN).contains(&chain.len()) {
        return Err(InvalidEnvelope::Chain(chain.len()));
    }
    Ok(chain
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<_, _>>()?)
}
