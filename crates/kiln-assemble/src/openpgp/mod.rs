//! OpenPGP as far as repositories are signed with it: public keys are read, signatures are checked.
//!
//! Source: RFC 9580, whose sections the modules name. Nothing here makes a key or a signature, holds a
//! secret, encrypts or decompresses; the arithmetic is `ring`'s. That is why it can be this small:
//!
//! | module | what | section |
//! | --- | --- | --- |
//! | [`armor`] | text form of packets | 6 |
//! | [`cleartext`] | a text with its signature below it | 7 |
//! | [`packet`] | where a packet begins and ends | 4.2 |
//! | [`key`] | public keys and their fingerprints | 5.5.2, 5.5.4 |
//! | [`signature`] | what a signature says and covers | 5.2.3, 5.2.4 |
//! | [`certificate`] | a key, its names and subkeys, and whether they hold | 10.1, 5.2.3.10 |
//!
//! Read are keys and signatures of the versions 4 and 6; RSA of 2048 to 8192 bits, Ed25519 in both its forms,
//! and ECDSA over P-256 and P-384; SHA-256, SHA-384 and SHA-512. All else counts for nothing: what is not
//! understood vouches for nobody. Only revocations are believed when they cannot be checked.

mod armor;
pub(crate) mod certificate;
pub(crate) mod cleartext;
mod key;
mod packet;
pub(crate) mod signature;

pub(crate) use certificate::certificates;
pub(crate) use signature::signatures;

/// What cannot be read, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

/// What comes of checking a signature with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The key made it over this.
    Good,
    /// It did not.
    Bad,
    /// Nobody can say here, or it would mean nothing: the reason why.
    Unsupported(&'static str),
}

/// How far a clock may be behind that of who signs, in seconds.
const SLACK: i64 = 86_400;

/// Whether something that was made then is from the future, seen from `now`.
fn is_early(created: u32, now: i64) -> bool {
    i64::from(created) > now.saturating_add(SLACK)
}

/// Whether what began then and lives that many seconds is over. No life, or one of zero, lasts for ever.
fn has_ended(began: u32, life: Option<u32>, now: i64) -> bool {
    let life = life.filter(|life| *life > 0);
    life.is_some_and(|life| i64::from(began) + i64::from(life) < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_end_and_zero_is_for_ever() {
        assert!(has_ended(100, Some(10), 111));
        assert!(!has_ended(100, Some(10), 110));
        assert!(!has_ended(100, Some(0), i64::MAX));
        assert!(!has_ended(100, None, i64::MAX));
        assert!(!has_ended(u32::MAX, Some(u32::MAX), 0));
        assert!(is_early(1_000_000, 900_000) && !is_early(1_000_000, 950_000));
        assert!(!is_early(u32::MAX, i64::MAX));
    }
}
