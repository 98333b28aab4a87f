//! What can go wrong with the database, told apart by what the caller can do about it.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// The cause of an error. Shared, because all writes of one commit fail together.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It cannot be opened.
    #[error("cannot open the database {place}")]
    Open {
        /// The file, or the server's address.
        place: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// Another server works on it.
    #[error("the database {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer kiln wrote it.
    #[error(
        "the database {place} was changed by a newer kiln (`{migration}`): use that or a later one"
    )]
    Newer {
        /// The file, or the server's address.
        place: String,
        /// The first change that this kiln does not know.
        migration: String,
    },
    /// The disk, or the user's share of it, is full.
    #[error("the database's disk is full")]
    Full {
        /// What was reported.
        #[source]
        source: Cause,
    },
    /// Nothing can be written.
    #[error("the database cannot be written to")]
    ReadOnly {
        /// What was reported.
        #[source]
        source: Cause,
    },
    /// A row with this key is there already.
    #[error("the database has such a row already")]
    Duplicate {
        /// What was reported.
        #[source]
        source: Cause,
    },
    /// The server cannot be reached, or cannot take more now. Trying again may help.
    #[error("the database is not available")]
    Unavailable {
        /// What was reported.
        #[source]
        source: Cause,
    },
    /// A statement failed for another reason.
    #[error("the database failed at `{sql}`")]
    Statement {
        /// The statement.
        sql: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The file is damaged, or foreign.
    #[error("the database {place} is damaged")]
    Damaged {
        /// The file.
        place: String,
        /// What was reported.
        #[source]
        source: Cause,
    },
    /// A column is not what the query expects.
    #[error("column {column} of a result is {found}, expected {expected}")]
    Unexpected {
        /// Which, from 0.
        column: usize,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The function that was given to [`write`](super::Database::write) or
    /// [`read`](super::Database::read) panicked, or the database was closed.
    #[error("the database's work was not done: {reason}")]
    Abandoned {
        /// Which of them.
        reason: &'static str,
    },
}
