//! The four roles that a member of a project can have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::Action;

/// A member's role. Each may do all that the one before it may.
///
/// Beside the roles there is the system administrator, a mark on a user: he may do everything everywhere.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Guest,
    /// Reads and pushes.
    Developer,
    /// Also deletes, restores, and keeps the rules.
    Maintainer,
    /// Also decides who takes part.
    Admin,
}

/// A word that is none of the roles.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is not a role: guest, developer, maintainer or admin")]
pub struct UnknownRole {
    word: String,
}

impl Role {
    /// From the least to the most.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Developer, Self::Maintainer, Self::Admin];

    /// Whether a member with this role may do `action`.
    #[must_use]
    pub fn allows(self, action: Action) -> bool {
        self >= action.least_role()
    }

    /// The word in the database and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Developer => "developer",
            Self::Maintainer => "maintainer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == word)
            .ok_or_else(|| UnknownRole {
                word: word.chars().take(40).collect(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grow() {
        for pair in Role::ALL.windows(2) {
            for action in Action::ALL {
                assert!(
                    !pair[0].allows(action) || pair[1].allows(action),
                    "{} may {action}, {} may not",
                    pair[0],
                    pair[1]
                );
            }
        }
    }

    #[test]
    fn words_are_read_back() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        assert!("Admin".parse::<Role>().is_err());
        assert!("".parse::<Role>().is_err());
    }
}
