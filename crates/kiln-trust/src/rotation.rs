//! A key's successor: a statement, signed by both, that one takes the other's place.
//!
//! The old key's signature says that its owner wants it; the new key's, that whoever wrote the statement has that key and does not
//! claim another's.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::format::dsse::{Envelope, InvalidEnvelope};
use crate::key::{InvalidKey, KeyId, PublicKey, Signer, SignerError};

/// The payload type of the statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.kiln.rotation.v1+json";

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The key that is succeeded.
    pub from: KeyId,
    /// Its successor, as PEM.
    pub to: String,
    /// From when signatures of the successor are believed.
    pub at: Time,
}

/// A statement that is not believed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Not an envelope.
    #[error("it cannot be read")]
    Envelope(#[from] InvalidEnvelope),
    /// Something else was signed.
    #[error("it is a `{0}`, not a rotation")]
    Type(String),
    /// The key that is succeeded did not sign.
    #[error("the key that is succeeded did not sign it")]
    Old,
    /// The successor did not sign.
    #[error("the successor did not sign it")]
    New,
    /// Of another key.
    #[error("it is about the key {0}")]
    OtherKey(KeyId),
    /// Not a statement.
    #[error("it is damaged")]
    Json(#[from] serde_json::Error),
    /// No key.
    #[error("its successor is no key")]
    Key(#[from] InvalidKey),
}

impl Rotation {
    /// Signs that `new` succeeds `old`.
    ///
    /// # Errors
    /// If a key does not sign.
    pub fn sign(old: &dyn Signer, new: &dyn Signer, at: Time) -> Result<Vec<u8>, SignerError> {
        let rotation = Self {
            from: old.public().id(),
            to: new.public().to_pem(),
            at,
        };
        let payload = serde_json::to_vec(&rotation).expect("because it has a JSON form");
        Ok(Envelope::sign(PAYLOAD_TYPE, payload, &[old, new])?.to_json())
    }

    /// The successor of `old`, and from when it is one.
    ///
    /// # Errors
    /// See [`RotationError`].
    pub fn read(bytes: &[u8], old: &PublicKey) -> Result<(PublicKey, Time), RotationError> {
        let envelope = Envelope::parse(bytes)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(RotationError::Type(
                envelope.payload_type.chars().take(100).collect(),
            ));
        }
        if envelope.signature_of(old).is_none() {
            return Err(RotationError::Old);
        }
        let rotation: Self = serde_json::from_slice(&envelope.payload)?;
        if rotation.from != old.id() {
            return Err(RotationError::OtherKey(rotation.from));
        }
        let new = PublicKey::from_pem(rotation.to.as_bytes())?;
        match envelope.signature_of(&new) {
            Some(_) => Ok((new, rotation.at)),
            None => Err(RotationError::New),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Generate, PrivateKey};

    #[test]
    fn both_must_sign() {
        let [old, new, other] = [(); 3].map(|()| PrivateKey::generate(Generate::P256).unwrap());
        let signed = Rotation::sign(&old, &new, Time(5)).unwrap();
        assert_eq!(
            Rotation::read(&signed, old.public()).unwrap(),
            (new.public().clone(), Time(5))
        );
        assert!(matches!(
            Rotation::read(&signed, other.public()),
            Err(RotationError::Old)
        ));
        // Somebody claims another's key as the successor of his own.
        let claim = Rotation {
            from: old.public().id(),
            to: other.public().to_pem(),
            at: Time(5),
        };
        let payload = serde_json::to_vec(&claim).unwrap();
        let forged = Envelope::sign(PAYLOAD_TYPE, payload.clone(), &[&old])
            .unwrap()
            .to_json();
        assert!(matches!(
            Rotation::read(&forged, old.public()),
            Err(RotationError::New)
        ));
        let typed = Envelope::sign("x", payload, &[&old, &other])
            .unwrap()
            .to_json();
        assert!(matches!(
            Rotation::read(&typed, old.public()),
            Err(RotationError::Type(_))
        ));
        // A statement about a third key that the old one signed by chance.
        let third = Rotation {
            from: other.public().id(),
            to: new.public().to_pem(),
            at: Time(5),
        };
        let third = Envelope::sign(
            PAYLOAD_TYPE,
            serde_json::to_vec(&third).unwrap(),
            &[&old, &new],
        )
        .unwrap();
        assert!(matches!(
            Rotation::read(&third.to_json(), old.public()),
            Err(RotationError::OtherKey(_))
        ));
    }
}
