//! Names of accounts and projects.
//!
//! An account's name goes into shells, YAML and URLs: `[a-z0-9._-]` and nothing that any of them reads in a
//! special way. A project's name is the first part of its repositories' names, so it follows their grammar.

use std::fmt;
use std::str::FromStr;

use crate::name::RepositoryName;

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an account's name.
    #[error(
        "`{name}` cannot be the name of an account: 1 to 128 of a-z, 0-9, `.`, `_` and `-`, the first a letter \
         or a digit"
    )]
    Account {
        /// What was given, shortened.
        name: String,
    },
    /// Not a project's name.
    #[error(
        "`{name}` cannot be the name of a project: 1 to 100 of a-z and 0-9, with single `.`, one or two `_` or \
         any number of `-` between them"
    )]
    Project {
        /// What was given, shortened.
        name: String,
    },
}

/// The name of a user or a robot account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// The name of a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(String);

/// Enough of a wrong name to recognize it.
fn shown(name: &str) -> String {
    name.chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

impl FromStr for AccountName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let good = name.len() <= 128
            && name.bytes().next().is_some_and(plain)
            && name
                .bytes()
                .all(|byte| plain(byte) || b"._-".contains(&byte));
        match good {
            true => Ok(Self(name.to_owned())),
            false => Err(NameError::Account { name: shown(name) }),
        }
    }
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        match name.len() <= 100 && !name.contains('/') && name.parse::<RepositoryName>().is_ok() {
            true => Ok(Self(name.to_owned())),
            false => Err(NameError::Project { name: shown(name) }),
        }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

as_text!(AccountName);
as_text!(ProjectName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names() {
        for good in ["a", "0", "ci.build-1_x", "a..b", &"a".repeat(128)] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "a b",
            "a$b",
            "-a",
            ".a",
            "_a",
            "a/b",
            "a:b",
            "a\nb",
            "ä",
            &"a".repeat(129),
            "a\0",
        ] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn project_names() {
        for good in [
            "a",
            "team",
            "a.b",
            "a_b",
            "a__b",
            "a-b",
            "a---b",
            "0-0",
            &"a".repeat(100),
        ] {
            assert!(good.parse::<ProjectName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "a/b",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a.-b",
            "..",
            ".",
            "a b",
            "a\r\nb",
            &"a".repeat(101),
        ] {
            assert!(bad.parse::<ProjectName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_shows_no_control_characters() {
        let error = "a\r\nSet-Cookie: x"
            .parse::<AccountName>()
            .expect_err("it is bad");
        assert!(!error.to_string().contains(['\r', '\n']));
        let long = "x"
            .repeat(100_000)
            .parse::<ProjectName>()
            .expect_err("it is bad");
        assert!(long.to_string().len() < 400);
    }
}
