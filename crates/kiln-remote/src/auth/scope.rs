//! What a token must allow.
//!
//! Source: the distribution project, "Token Scope Documentation": `type:name:action,action`.

use std::fmt;

/// Rights on one repository, or on the list of repositories.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// Reading from a repository.
    Pull(String),
    /// Reading from and writing to a repository.
    Push(String),
    /// Removing from a repository.
    Delete(String),
    /// Listing all repositories.
    Catalog,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull(name) => write!(f, "repository:{name}:pull"),
            Self::Push(name) => write!(f, "repository:{name}:pull,push"),
            Self::Delete(name) => write!(f, "repository:{name}:delete,pull"),
            Self::Catalog => f.write_str("registry:catalog:*"),
        }
    }
}
