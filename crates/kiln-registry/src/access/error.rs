//! Why accounts and projects could not be read or changed.

use super::names::NameError;
use super::password::PasswordError;
use super::robot_scope::RobotScopeError;
use super::secret::NoRandomness;
use crate::database::DatabaseError;

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A user or a robot account.
    Account,
    /// A user.
    User,
    /// A robot account.
    Robot,
    /// A personal or refresh token.
    Token,
    /// A project.
    Project,
    /// A user's membership of a project.
    Member,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Robot => "robot account",
            Self::Token => "token",
            Self::Project => "project",
            Self::Member => "member",
        })
    }
}

/// Why accounts or projects could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The database failed.
    #[error("accounts cannot be read or changed now")]
    Database(#[from] DatabaseError),
    /// The system has no random numbers.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A password cannot be used.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A robot's scope cannot be used.
    #[error(transparent)]
    Scope(#[from] RobotScopeError),
    /// The name is in use.
    #[error("there is already a {thing} `{name}`")]
    Taken {
        /// What there is.
        thing: Thing,
        /// Its name.
        name: String,
    },
    /// There is no such thing.
    #[error("there is no {thing} `{name}`")]
    Unknown {
        /// What is missing.
        thing: Thing,
        /// The name that was asked for.
        name: String,
    },
    /// Without him nobody could change anything any more.
    #[error("`{name}` is the last system administrator that is not disabled")]
    LastAdministrator {
        /// The administrator.
        name: String,
    },
    /// A project with repositories is not deleted.
    #[error("the project `{project}` has repositories, `{repository}` for one")]
    NotEmpty {
        /// The project.
        project: String,
        /// One of its repositories.
        repository: String,
    },
    /// The current password was not the right one.
    #[error("the current password is not right")]
    WrongPassword,
    /// An expiry is not in the future.
    #[error("the time of expiry has passed already")]
    ExpiryInThePast,
    /// A description is too long, or has line breaks or other control characters.
    #[error("a description has at most {DESCRIPTION_MOST} characters and no control characters")]
    Description,
    /// Somebody has too many tokens.
    #[error("`{owner}` has {most} tokens already")]
    TooManyTokens {
        /// Whose.
        owner: String,
        /// How many are allowed.
        most: i64,
    },
    /// A password could not be hashed because the server is ending.
    #[error("the server is ending")]
    Ending,
    /// The server has no accounts.
    #[error("this server was started open: it has no accounts")]
    Open,
}

/// Most characters of a description.
pub(crate) const DESCRIPTION_MOST: usize = 256;

/// Holds a description to its limits.
pub(crate) fn check_description(text: &str) -> Result<(), AccessError> {
    let good = text.chars().count() <= DESCRIPTION_MOST && !text.chars().any(char::is_control);
    if good {
        Ok(())
    } else {
        Err(AccessError::Description)
    }
}
