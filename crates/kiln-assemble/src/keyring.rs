//! Who may sign a repository, and whether one of them did.
//!
//! Sources: RFC 9580 section 7 (cleartext signatures) and 5.2.3.10 (binding of subkeys); what is refused
//! beside wrong signatures is what apt refuses: weak digests, and keys that are revoked or expired.

use std::time::Duration;

use pgp::composed::{CleartextSignedMessage, Deserializable as _, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::Signature;
use pgp::types::{KeyDetails, Tag};

/// The most signatures that are looked at in one file.
const MOST_SIGNATURES: usize = 32;

/// The keys that are trusted for a repository.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A file that holds no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It is neither a keyring nor its armoured form.
    #[error("not an OpenPGP keyring")]
    Format(#[source] pgp::errors::Error),
    /// There is no key in it.
    #[error("an OpenPGP keyring without a key")]
    Empty,
}

/// Why a signed text is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// It is not a text with a signature.
    #[error("not a signed text")]
    Format(#[source] pgp::errors::Error),
    /// None of those who signed it are in the keyring.
    #[error("signed by {signers}, none of which is in the keyring")]
    UnknownSigner {
        /// Fingerprints or ids of those who signed.
        signers: String,
    },
    /// A key of the keyring seems to have signed it, but did not.
    #[error("the signature of {key} does not fit the text: it was changed, or damaged on the way")]
    Bad {
        /// The key's fingerprint.
        key: String,
    },
    /// The signature is right, but its key or kind is not trusted any more.
    #[error("the signature of {key} is not trusted: {reason}")]
    Untrusted {
        /// The key's fingerprint.
        key: String,
        /// Why not.
        reason: &'static str,
    },
}

impl Keyring {
    /// Reads keys, in binary or armoured form, as many as there are.
    ///
    /// # Errors
    /// When there are none.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let keys = if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            let (keys, _) = SignedPublicKey::from_armor_many(bytes.trim_ascii_start())
                .map_err(KeyringError::Format)?;
            keys.collect::<Result<Vec<_>, _>>()
        } else {
            let keys = SignedPublicKey::from_bytes_many(bytes).map_err(KeyringError::Format)?;
            keys.collect()
        };
        let keys = keys.map_err(KeyringError::Format)?;
        match keys.is_empty() {
            true => Err(KeyringError::Empty),
            false => Ok(Self { keys }),
        }
    }

    /// The text that was signed, if a trusted key did so. `now` is in seconds since 1970. Whatever
    /// stands around the signed text in `message` is not in the result.
    ///
    /// # Errors
    /// When nobody of the keyring signed it, or it was changed since.
    pub fn verify(&self, message: &[u8], now: i64) -> Result<String, SignatureError> {
        let (message, _) =
            CleartextSignedMessage::from_armor(message).map_err(SignatureError::Format)?;
        let text = message.signed_text();
        let mut failure = None;
        for signature in message.signatures().iter().take(MOST_SIGNATURES) {
            match self.check(signature, &text, now) {
                None => {}
                Some(Ok(())) => return Ok(text),
                Some(Err(error)) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| SignatureError::UnknownSigner {
            signers: signers(message.signatures()),
        }))
    }

    /// Nothing when no key of the keyring made the signature.
    fn check(
        &self,
        signature: &Signature,
        text: &str,
        now: i64,
    ) -> Option<Result<(), SignatureError>> {
        for key in &self.keys {
            if is_issuer(signature, key) {
                let good = signature.verify(key, text.as_bytes()).is_ok();
                return Some(judge(signature, key, None, good, now));
            }
            for subkey in &key.public_subkeys {
                if is_issuer(signature, subkey) {
                    let good = signature.verify(subkey, text.as_bytes()).is_ok();
                    return Some(judge(signature, key, Some(subkey), good, now));
                }
            }
        }
        None
    }
}

/// Whether a signature names this key as its maker.
fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if !fingerprints.is_empty() {
        return fingerprints.contains(&&key.fingerprint());
    }
    signature.issuer_key_id().contains(&&key.legacy_key_id())
}

fn judge(
    signature: &Signature,
    key: &SignedPublicKey,
    subkey: Option<&pgp::composed::SignedPublicSubKey>,
    good: bool,
    now: i64,
) -> Result<(), SignatureError> {
    let shown = key.fingerprint().to_string();
    if !good {
        return Err(SignatureError::Bad { key: shown });
    }
    let own = self_signatures(key);
    let reason = if is_weak(signature) {
        Some("it uses a digest that is broken")
    } else if !key.details.revocation_signatures.is_empty() {
        Some("the key was revoked")
    } else if own.is_empty() {
        Some("the key does not vouch for itself")
    } else if has_ended(
        signature.created().map(seconds),
        signature.signature_expiration_time(),
        now,
    ) {
        Some("it has expired")
    } else if primary_has_expired(key, &own, now) {
        Some("the key has expired")
    } else {
        subkey.and_then(|subkey| subkey_fault(key, subkey, now))
    };
    match reason {
        None => Ok(()),
        Some(reason) => Err(SignatureError::Untrusted { key: shown, reason }),
    }
}

fn is_weak(signature: &Signature) -> bool {
    let strong = [
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
        HashAlgorithm::Sha3_256,
        HashAlgorithm::Sha3_512,
    ];
    !signature
        .hash_alg()
        .is_some_and(|used| strong.contains(&used))
}

/// What a key says about itself, and rightly so. Others may have signed it, too; that counts for nothing
/// here.
fn self_signatures(key: &SignedPublicKey) -> Vec<&Signature> {
    let mut own = vec![];
    for user in &key.details.users {
        own.extend(user.signatures.iter().filter(|signature| {
            is_issuer(signature, &key.primary_key)
                && signature.is_certification()
                && signature
                    .verify_certification(&key.primary_key, Tag::UserId, &user.id)
                    .is_ok()
        }));
    }
    own.extend(key.details.direct_signatures.iter().filter(|signature| {
        is_issuer(signature, &key.primary_key) && signature.verify_key(&key.primary_key).is_ok()
    }));
    own
}

/// The newest self-signature says until when the key may be used.
fn primary_has_expired(key: &SignedPublicKey, own: &[&Signature], now: i64) -> bool {
    let newest = own
        .iter()
        .max_by_key(|signature| signature.created().map(seconds));
    let life = newest.and_then(|signature| signature.key_expiration_time());
    has_ended(Some(seconds(key.created_at())), life, now)
}

fn subkey_fault(
    key: &SignedPublicKey,
    subkey: &pgp::composed::SignedPublicSubKey,
    now: i64,
) -> Option<&'static str> {
    if subkey.verify_bindings(&key.primary_key).is_err() {
        return Some("the subkey does not belong to the key");
    }
    let revoked = |signature: &Signature| {
        signature.typ() == Some(pgp::packet::SignatureType::SubkeyRevocation)
    };
    if subkey.signatures.iter().any(revoked) {
        return Some("the subkey was revoked");
    }
    let newest = subkey
        .signatures
        .iter()
        .max_by_key(|signature| signature.created().map(seconds));
    if !newest.is_some_and(|signature| signature.key_flags().sign()) {
        return Some("the subkey is not for signing");
    }
    let life = newest.and_then(Signature::key_expiration_time);
    has_ended(Some(seconds(subkey.created_at())), life, now).then_some("the subkey has expired")
}

fn seconds(time: pgp::types::Timestamp) -> i64 {
    i64::from(time.as_secs())
}

/// Whether what began then and lives that long is over. No life, or one of zero, lasts for ever.
fn has_ended(began: Option<i64>, life: Option<pgp::types::Duration>, now: i64) -> bool {
    let life = life
        .map(|life| Duration::from(life).as_secs())
        .filter(|life| *life > 0);
    let end = life
        .zip(began)
        .map(|(life, began)| began.saturating_add_unsigned(life));
    end.is_some_and(|end| end < now)
}

fn signers(signatures: &[Signature]) -> String {
    let mut names: Vec<String> = vec![];
    for signature in signatures.iter().take(MOST_SIGNATURES) {
        let fingerprints = signature.issuer_fingerprint();
        match fingerprints.first() {
            Some(fingerprint) => names.push(fingerprint.to_string()),
            None => names.extend(signature.issuer_key_id().iter().map(ToString::to_string)),
        }
    }
    match names.is_empty() {
        true => "somebody who is not named".to_owned(),
        false => names.join(", "),
    }
}
