//! Passwords: their rules, and their hashes by Argon2id (RFC 9106) as PHC strings.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use super::names::AccountName;
use super::secret::{NoRandomness, random_letters};

/// What a verification costs. A stored hash keeps the cost that it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Default for PasswordCost {
    /// 19 MiB and two passes: the least that OWASP's cheat sheet on password storage recommends.
    fn default() -> Self {
        Self {
            memory: 19 * 1024,
            passes: 2,
        }
    }
}

impl PasswordCost {
    /// The least that Argon2 allows: for tests, which make many accounts.
    pub const LEAST: Self = Self {
        memory: 8,
        passes: 1,
    };
}

/// Why a password cannot be used, or could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short to withstand guessing.
    #[error("the password is too short: at least {PASSWORD_LEAST} characters")]
    TooShort,
    /// So long that hashing it would be work for nothing.
    #[error("the password is too long: at most {PASSWORD_MOST} bytes")]
    TooLong,
    /// Clients cut such passwords off or change them.
    #[error("the password has a control character")]
    ControlCharacter,
    /// The first thing that is tried.
    #[error("the password holds the account's own name and little else")]
    IsName,
    /// It would be taken for a token.
    #[error("the password looks like one of kiln's own tokens")]
    LooksLikeToken,
    /// The hash could not be made.
    #[error("the password could not be hashed: {reason}")]
    Hash {
        /// What Argon2 says.
        reason: String,
    },
}

/// Fewest characters of a password (NIST SP 800-63B section 5.1.1.2 asks for eight).
pub const PASSWORD_LEAST: usize = 8;
/// Most bytes of a password.
pub const PASSWORD_MOST: usize = 256;

/// A stored hash: a PHC string. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredPassword(pub(crate) String);

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Holds a new password to the rules. There are few: length is what counts, and whoever wants more rules
/// gets `Password1!`.
///
/// # Errors
/// When one of them is broken.
pub(crate) fn check(name: &AccountName, password: &str) -> Result<(), PasswordError> {
    if password.len() > PASSWORD_MOST {
        return Err(PasswordError::TooLong);
    }
    if password.chars().count() < PASSWORD_LEAST {
        return Err(PasswordError::TooShort);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::ControlCharacter);
    }
    let without_name = password.to_lowercase().replace(name.as_str(), "");
    if name.as_str().len() >= 3 && without_name.chars().count() < 4 {
        return Err(PasswordError::IsName);
    }
    if password.starts_with("kiln_") && super::secret::Secret::parse(password).is_some() {
        return Err(PasswordError::LooksLikeToken);
    }
    Ok(())
}

/// Hashes a password with a fresh salt. Takes tens of milliseconds of a processor: not for an async thread.
pub(crate) fn hash(password: &str, cost: PasswordCost) -> Result<StoredPassword, PasswordError> {
    let failed = |error: &dyn fmt::Display| PasswordError::Hash {
        reason: error.to_string(),
    };
    let params = Params::new(cost.memory, cost.passes, 1, None).map_err(|error| failed(&error))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon
        .hash_password(password.as_bytes())
        .map_err(|error| failed(&error))?;
    Ok(StoredPassword(hash.to_string()))
}

/// Whether `password` is the one that was hashed. As slow as [`hash`].
pub(crate) fn verify(password: &str, stored: &StoredPassword) -> bool {
    // More than this was never accepted, and a megabyte would take a megabyte's time.
    password.len() <= PASSWORD_MOST
        && PasswordHash::new(&stored.0).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        })
}

/// A password for the first administrator: 120 random bits in groups that can be typed.
pub(crate) fn random() -> Result<String, NoRandomness> {
    let letters = random_letters::<24>()?;
    let groups: Vec<&str> = (0..4)
        .map(|group| &letters[group * 6..group * 6 + 6])
        .collect();
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_and_no_other() {
        let stored = hash("correct horse", PasswordCost::LEAST).unwrap();
        assert!(
            stored.0.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{}",
            stored.0
        );
        assert!(verify("correct horse", &stored));
        for wrong in [
            "",
            "correct hors",
            "correct horse ",
            "Correct horse",
            "correct horse\0",
        ] {
            assert!(!verify(wrong, &stored), "{wrong:?}");
        }
        assert!(!verify(&"x".repeat(1 << 20), &stored));
        assert!(!verify("x", &StoredPassword("not a hash".into())));
        assert!(!verify("", &StoredPassword(String::new())));
        assert_ne!(stored, hash("correct horse", PasswordCost::LEAST).unwrap());
        assert_eq!(format!("{stored:?}"), "…");
    }

    #[test]
    fn rules() {
        let name: AccountName = "alice".parse().unwrap();
        for good in [
            "12345678",
            "正确的马电池订书",
            "alice-likes-cats",
            &"x".repeat(256),
            "with: a colon",
        ] {
            assert!(check(&name, good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1234567",
            "alice123",
            "ALICEALICE",
            "line\nfeed-here",
            &"x".repeat(257),
        ] {
            assert!(check(&name, bad).is_err(), "{bad:?}");
        }
        let token =
            super::super::secret::Secret::generate(super::super::SecretKind::Personal).unwrap();
        assert!(matches!(
            check(&name, token.reveal()),
            Err(PasswordError::LooksLikeToken)
        ));
    }

    #[test]
    fn a_random_password_keeps_the_rules() {
        let name: AccountName = "admin".parse().unwrap();
        let password = random().unwrap();
        assert_eq!(password.len(), 27);
        assert!(check(&name, &password).is_ok());
        assert_ne!(password, random().unwrap());
    }
}
