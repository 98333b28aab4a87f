//! Keys: public ones that verify, private ones that sign, and the encrypted files that private ones are kept in.

mod ed25519ph;
mod private;
mod public;
mod sealed;

pub use private::{Generate, PrivateKey, PrivateKeyError};
pub use public::{InvalidKey, Key, KeyId, KeyKind, PublicKey, Scheme};
pub use sealed::{Cost, SealError, open, seal};

use crate::der::{self, DerError, Reader};

/// Something that signs with a private key, wherever that key is.
pub trait Signer: Send + Sync {
    /// The key that verifies what this signs.
    fn public(&self) -> &PublicKey;

    /// A signature of `message`, which is hashed as `scheme` says. ECDSA signatures are DER.
    ///
    /// # Errors
    /// If the key cannot sign so, or what keeps it refuses.
    fn sign_with(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// A signature of `message` in the way that cosign expects of such a key.
    ///
    /// # Errors
    /// The same.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.sign_with(self.public().kind().scheme(), message)
    }
}

/// A signature that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key is of another kind.
    #[error("a key of kind {kind} cannot sign with {scheme:?}")]
    Scheme {
        /// The key's kind.
        kind: KeyKind,
        /// What was asked for.
        scheme: Scheme,
    },
    /// Whatever keeps the key did not sign.
    #[error("{keeper} did not sign: {reason}")]
    Refused {
        /// What keeps the key, for a person.
        keeper: String,
        /// What it said.
        reason: String,
    },
}

/// `r || s`, each of `size` bytes, from an ECDSA signature in DER: what JWS and COSE have.
///
/// # Errors
/// If `signature` is no such thing.
pub fn ecdsa_to_fixed(signature: &[u8], size: usize) -> Result<Vec<u8>, DerError> {
    let mut parts = Reader::document(signature)?;
    let (r, s) = (parts.unsigned()?, parts.unsigned()?);
    parts.end()?;
    let mut out = vec![0; 2 * size];
    for (number, place) in [(r, size), (s, 2 * size)] {
        if number.len() > size {
            return Err(DerError::Form(
                "a number that is larger than the curve's order",
            ));
        }
        out[place - number.len()..place].copy_from_slice(number);
    }
    Ok(out)
}

/// An ECDSA signature in DER from `r || s`.
#[must_use]
pub fn ecdsa_to_der(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    der::sequence(&[&der::unsigned(r), &der::unsigned(s)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_ecdsa_signature() {
        let mut fixed = vec![0; 64];
        fixed[31] = 5;
        fixed[32] = 0x80;
        let der = ecdsa_to_der(&fixed);
        assert_eq!(ecdsa_to_fixed(&der, 32).unwrap(), fixed);
        assert!(ecdsa_to_fixed(&der, 31).is_err());
        assert!(ecdsa_to_fixed(&der[1..], 32).is_err());
    }
}
