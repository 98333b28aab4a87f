//! Lists of what is called back: keys, certificates, images. Signed, with an end, and with a number that only grows.
//!
//! The list is a DSSE envelope. Whoever can replace the file can neither forge it nor hold it back for ever, because it ends; and cannot
//! put an older one in its place, because the number of the newest that was seen is remembered.

use std::collections::BTreeSet;

use kiln_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::format::dsse::{Envelope, InvalidEnvelope};
use crate::key::{KeyId, Signer, SignerError};
use crate::policy::TrustedKey;

/// The payload type of a list.
pub const PAYLOAD_TYPE: &str = "application/vnd.kiln.revocations.v1+json";

/// The largest list that is read, in bytes.
pub const MAX_SIZE: usize = 16 << 20;

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    /// Grows with every change.
    pub version: u64,
    /// When it was made.
    pub issued: Time,
    /// Until when it is good. Nothing can be verified after that without a newer one.
    pub expires: Time,
    /// Keys.
    #[serde(default)]
    pub keys: Vec<RevokedKey>,
    /// Certificates, by serial number.
    #[serde(default)]
    pub certificates: Vec<RevokedCertificate>,
    /// Images and signatures, by digest.
    #[serde(default)]
    pub digests: Vec<RevokedDigest>,
}

/// A key that is not believed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// Which.
    pub id: KeyId,
    /// Signatures that are proven to be older are still good. Without it none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A certificate that is not believed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedCertificate {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// An image or a signature that must not be used any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedDigest {
    /// Which.
    pub digest: Digest,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// The newest list that was seen: what a later one is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its number.
    pub version: u64,
    /// The digest of its payload.
    pub digest: Digest,
}

/// A list that is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// Larger than lists are.
    #[error("the revocation list has {0} bytes, which is too much")]
    TooLarge(usize),
    /// Not an envelope.
    #[error("the revocation list cannot be read")]
    Envelope(#[from] InvalidEnvelope),
    /// Something else was signed.
    #[error("the revocation list is a `{0}`")]
    Type(String),
    /// Not signed by whom the policy names.
    #[error(
        "the revocation list is signed by {found} of the keys that the policy names for it, and {wanted} are needed"
    )]
    Signatures {
        /// How many signed.
        found: usize,
        /// How many must.
        wanted: usize,
    },
    /// Not a list.
    #[error("the revocation list is damaged")]
    Json(#[from] serde_json::Error),
    /// Too old.
    #[error("the revocation list ended on {0}: get a newer one")]
    Expired(Time),
    /// Older than one that was seen before.
    #[error(
        "the revocation list has number {found}, but number {seen} was seen before: it was rolled back"
    )]
    RolledBack {
        /// The newest that was seen.
        seen: u64,
        /// This one.
        found: u64,
    },
    /// Two lists with one number.
    #[error("there are two different revocation lists with number {0}")]
    Changed(u64),
}

impl Revocations {
    /// Signs the list.
    ///
    /// # Errors
    /// If a key does not sign.
    pub fn sign(&self, signers: &[&dyn Signer]) -> Result<Vec<u8>, SignerError> {
        let payload = serde_json::to_vec(self).expect("because it has a JSON form");
        Ok(Envelope::sign(PAYLOAD_TYPE, payload, signers)?.to_json())
    }

    /// Reads a list, and what is to be remembered of it. `seen` is what was remembered last time.
    ///
    /// # Errors
    /// See [`RevocationError`].
    pub fn read(
        bytes: &[u8],
        keys: &[&TrustedKey],
        threshold: usize,
        now: Time,
        seen: Option<&Seen>,
    ) -> Result<(Self, Seen), RevocationError> {
        if bytes.len() > MAX_SIZE {
            return Err(RevocationError::TooLarge(bytes.len()));
        }
        let envelope = Envelope::parse(bytes)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(RevocationError::Type(
                envelope.payload_type.chars().take(100).collect(),
            ));
        }
        let signed = keys.iter().filter(|trusted| {
            trusted.is_good_at(now) && envelope.signature_of(&trusted.key).is_some()
        });
        let signed: BTreeSet<KeyId> = signed.map(|trusted| trusted.key.id()).collect();
        if signed.len() < threshold.max(1) {
            return Err(RevocationError::Signatures {
                found: signed.len(),
                wanted: threshold.max(1),
            });
        }
        let list: Self = serde_json::from_slice(&envelope.payload)?;
        let mine = Seen {
            version: list.version,
            digest: Digest::sha256(&envelope.payload),
        };
        match seen {
            Some(seen) if seen.version > mine.version => {
                return Err(RevocationError::RolledBack {
                    seen: seen.version,
                    found: mine.version,
                });
            }
            Some(seen) if seen.version == mine.version && seen.digest != mine.digest => {
                return Err(RevocationError::Changed(mine.version));
            }
            _ => {}
        }
        if list.expires < now {
            return Err(RevocationError::Expired(list.expires));
        }
        Ok((list, mine))
    }

    /// Why a key's signature is not believed, if it was made at `proven` or at an unknown time.
    #[must_use]
    pub fn of_key(&self, id: &KeyId, proven: Option<Time>) -> Option<&str> {
        let revoked = self.keys.iter().find(|key| key.id == *id)?;
        match (revoked.since, proven) {
            (Some(since), Some(proven)) if proven < since => None,
            _ => Some(&revoked.reason),
        }
    }

    /// Why a certificate is not believed.
    #[must_use]
    pub fn of_certificate(&self, serial: &str) -> Option<&str> {
        let normal = |text: &str| {
            text.trim_start_matches('0')
                .to_ascii_lowercase()
                .replace(':', "")
        };
        let revoked = self
            .certificates
            .iter()
            .find(|one| normal(&one.serial) == normal(serial))?;
        Some(&revoked.reason)
    }

    /// Why a manifest must not be used.
    #[must_use]
    pub fn of_digest(&self, digest: &Digest) -> Option<&str> {
        let revoked = self.digests.iter().find(|one| one.digest == *digest)?;
        Some(&revoked.reason)
    }
}

impl TrustedKey {
    /// Whether signatures of this time are believed.
    #[must_use]
    pub fn is_good_at(&self, at: Time) -> bool {
        self.not_before.is_none_or(|first| first <= at)
            && self.not_after.is_none_or(|last| at <= last)
    }
}
