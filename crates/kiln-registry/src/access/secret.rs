//! Tokens that kiln hands out: random, shown once, stored as their SHA-256 only.
//!
//! A token reads `kiln_robot_` or the like, 32 characters of randomness (160 bits), and 6 of a checksum. The
//! beginning lets scanners of leaked secrets find it with one regular expression (`kiln_[a-z]+_[a-z2-7]{38}`);
//! the checksum lets them, and the server, tell a token from noise without asking the database. 160 random
//! bits need no slow hash: there is nothing to guess.

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

/// The alphabet of RFC 4648 section 6, in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const RANDOM: usize = 32;
const CHECK: usize = 6;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The only credential of a robot account.
    Robot,
    /// Made by a user for programs of his.
    Personal,
    /// What `docker login` keeps instead of the password (an identity token, in Docker's words).
    Refresh,
}

impl SecretKind {
    const ALL: [Self; 3] = [Self::Robot, Self::Personal, Self::Refresh];

    /// How tokens of this kind begin.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Robot => "kiln_robot_",
            Self::Personal => "kiln_token_",
            Self::Refresh => "kiln_refresh_",
        }
    }
}

/// A token in clear. It is in memory for one request and is never written down; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    kind: SecretKind,
    text: String,
}

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

impl Secret {
    /// A new token.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate(kind: SecretKind) -> Result<Self, NoRandomness> {
        let mut text = format!("{}{}", kind.prefix(), random_letters::<RANDOM>()?);
        let check = checksum(&text);
        text.push_str(&check);
        Ok(Self { kind, text })
    }

    /// Reads what a client sent. `None` when it cannot be a token of kiln's: then it may be a password.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let kind = SecretKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))?;
        let rest = &text.as_bytes()[kind.prefix().len()..];
        let whole = rest.len() == RANDOM + CHECK && rest.iter().all(|byte| ALPHABET.contains(byte));
        let (body, check) = text.split_at_checked(text.len().checked_sub(CHECK)?)?;
        (whole && checksum(body) == check).then(|| Self {
            kind,
            text: text.to_owned(),
        })
    }

    /// What the token is for.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The token itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the token in hexadecimal: what the database has.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.kind.prefix())
    }
}

/// Lower case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

/// `N` random letters and digits, 5 bits each.
pub(crate) fn random_letters<const N: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; N];
    fill(&mut bytes)?;
    Ok(letters(&bytes))
}

/// Random bytes from the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    SystemRandom::new().fill(bytes).map_err(|_| NoRandomness)
}

/// A random number that fits a database integer and is never negative.
pub(crate) fn random_number() -> Result<i64, NoRandomness> {
    let mut bytes = [0_u8; 8];
    fill(&mut bytes)?;
    Ok(i64::from_le_bytes(bytes) & i64::MAX)
}

/// One letter for the low five bits of each byte.
fn letters(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect()
}

fn checksum(text: &str) -> String {
    letters(&Sha256::digest(text.as_bytes())[..CHECK])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_differ() {
        for kind in SecretKind::ALL {
            let secret = Secret::generate(kind).unwrap();
            let other = Secret::generate(kind).unwrap();
            assert_ne!(secret, other);
            assert_eq!(secret.reveal().len(), kind.prefix().len() + 38);
            assert_eq!(Secret::parse(secret.reveal()), Some(secret.clone()));
            assert_eq!(secret.fingerprint().len(), 64);
            assert!(!format!("{secret:?}").contains(&secret.reveal()[15..]));
        }
    }

    #[test]
    fn a_changed_token_is_noise() {
        let secret = Secret::generate(SecretKind::Robot).unwrap();
        let text = secret.reveal();
        let mut changed = text.to_owned().into_bytes();
        let place = text.len() - 10;
        changed[place] = if changed[place] == b'a' { b'b' } else { b'a' };
        assert_eq!(Secret::parse(std::str::from_utf8(&changed).unwrap()), None);
        assert_eq!(Secret::parse(&text[..text.len() - 1]), None);
        assert_eq!(Secret::parse(&format!("{text}a")), None);
        assert_eq!(Secret::parse(&text.to_uppercase()), None);
    }

    #[test]
    fn passwords_are_not_tokens() {
        let umlauts = format!("kiln_robot_{}", "ä".repeat(19));
        for text in [
            "",
            "kiln_robot_",
            "kiln_",
            "hunter2hunter2",
            &umlauts,
            &"a".repeat(1 << 20),
        ] {
            assert_eq!(Secret::parse(text), None);
        }
    }
}
