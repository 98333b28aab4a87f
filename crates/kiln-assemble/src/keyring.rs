//! Who may sign a repository, and whether one of them did.
//!
//! What is refused beside wrong signatures is what apt refuses: weak digests, and keys that are revoked or
//! expired. How keys and signatures are read is in [`openpgp`](crate::openpgp).

use crate::openpgp::certificate::Certificate;
use crate::openpgp::cleartext::Cleartext;
use crate::openpgp::signature::{Signature, hex, kind};
use crate::openpgp::{Malformed, Outcome, certificates, signatures};

/// The most signatures that are looked at in one file.
const MOST_SIGNATURES: usize = 32;

/// The keys that are trusted for a repository.
#[derive(Debug)]
pub struct Keyring {
    keys: Vec<Certificate>,
}

/// A file that holds no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It is neither a keyring nor its armoured form.
    #[error("not an OpenPGP keyring")]
    Format(#[source] Malformed),
    /// There is no key in it that can be used.
    #[error("an OpenPGP keyring without a key of version 4 or 6")]
    Empty,
}

/// Why a signed text is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// It is not a text with a signature.
    #[error("not a signed text")]
    Format(#[source] Malformed),
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
    /// The signature may be right, but its key or kind is not trusted, or not any more.
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
        let keys = certificates(bytes).map_err(KeyringError::Format)?;
        match keys.is_empty() {
            true => Err(KeyringError::Empty),
            false => Ok(Self { keys }),
        }
    }

    /// The text that was signed, if a trusted key did so. `now` is in seconds since 1970. The message must be
    /// a signed text and nothing else; blanks at the end of its lines, which no signature covers, are not in
    /// the result.
    ///
    /// # Errors
    /// When nobody of the keyring signed it, or it was changed since.
    pub fn verify(&self, message: &[u8], now: i64) -> Result<String, SignatureError> {
        let message = Cleartext::parse(message).map_err(SignatureError::Format)?;
        let signatures = signatures(&message.signature).map_err(SignatureError::Format)?;
        self.check_all(&signatures, |_| &message.signed, now)?;
        Ok(message.text)
    }

    /// Whether a trusted key made one of the signatures, which are in a file of their own, over `content`.
    /// `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When nobody of the keyring signed it, or it was changed since.
    pub fn verify_detached(
        &self,
        content: &[u8],
        signature: &[u8],
        now: i64,
    ) -> Result<(), SignatureError> {
        let signatures = signatures(signature).map_err(SignatureError::Format)?;
        let text = with_carriage_returns(content);
        let covered = |signature: &Signature| match signature.kind {
            kind::TEXT => &text[..],
            _ => content,
        };
        self.check_all(&signatures, covered, now)
    }

    /// Whether one of the signatures is good and trusted. `covered` is what each is over.
    fn check_all<'a>(
        &self,
        signatures: &[Signature],
        covered: impl Fn(&Signature) -> &'a [u8],
        now: i64,
    ) -> Result<(), SignatureError> {
        let mut failure = None;
        for signature in signatures.iter().take(MOST_SIGNATURES) {
            for key in &self.keys {
                match check(signature, key, covered(signature), now) {
                    None => {}
                    Some(Ok(())) => return Ok(()),
                    Some(Err(error)) => failure = Some(error),
                }
            }
        }
        Err(failure.unwrap_or_else(|| SignatureError::UnknownSigner {
            signers: signers(signatures),
        }))
    }
}

/// Nothing when neither the key nor a subkey of it made the signature.
fn check(
    signature: &Signature,
    key: &Certificate,
    content: &[u8],
    now: i64,
) -> Option<Result<(), SignatureError>> {
    let (subkey, maker) = key.keys().find(|(_, key)| signature.is_by(key))?;
    let shown = hex(key.primary.fingerprint());
    let untrusted = |reason, key| Err(SignatureError::Untrusted { key, reason });
    if ![kind::BINARY, kind::TEXT].contains(&signature.kind) {
        return Some(untrusted("it is about something else than a file", shown));
    }
    Some(match maker.check(signature, &[content]) {
        Outcome::Bad => Err(SignatureError::Bad { key: shown }),
        Outcome::Unsupported(reason) => untrusted(reason, shown),
        Outcome::Good => match key.fault(subkey, signature, now) {
            Some(reason) => untrusted(reason, shown),
            None => Ok(()),
        },
    })
}

/// A text as signatures over texts cover it (RFC 9580 section 5.2.1.2).
fn with_carriage_returns(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut before = 0;
    for byte in content {
        if *byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        before = *byte;
    }
    out
}

fn signers(signatures: &[Signature]) -> String {
    let looked_at = signatures.iter().take(MOST_SIGNATURES);
    let names: Vec<String> = looked_at.filter_map(Signature::signer).collect();
    match names.is_empty() {
        true => "somebody who is not named".to_owned(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_texts_are_made_one_kind() {
        assert_eq!(with_carriage_returns(b"a\nb\r\n\nc"), b"a\r\nb\r\n\r\nc");
    }
}
