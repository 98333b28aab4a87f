//! Keys of objects, and other names that nobody can guess.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};

/// The name of an object: 32 hexadecimal digits. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

/// A text that is no key.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the key of an object")]
pub struct InvalidKey(String);

/// Sixteen random bytes.
pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.expect("because the system's random numbers never end once they are there");
    bytes
}

impl ObjectKey {
    /// A new one.
    #[must_use]
    pub fn unique() -> Self {
        let digits: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(digits.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text.len() == 32 && text.bytes().all(is_digit) {
            true => Ok(Self(text.into())),
            false => Err(InvalidKey(text.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_are_nothing_but_digits() {
        let key = ObjectKey::unique();
        assert_ne!(key, ObjectKey::unique());
        assert_eq!(key.as_str().parse::<ObjectKey>().unwrap(), key);
        let other = "../../../../../../../../etc/pass";
        assert_eq!(other.len(), 32);
        assert!(other.parse::<ObjectKey>().is_err());
    }
}
