//! Connections that only read: made when they are first needed, kept, and used again.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{DatabaseError, Transaction};

/// A connection that reads.
pub(crate) trait ReadSession: Transaction + Send {
    /// Begins a transaction that sees one state and changes nothing.
    fn begin_read(&mut self) -> Result<(), DatabaseError>;
    /// Ends it, also after a statement failed.
    fn end_read(&mut self) -> Result<(), DatabaseError>;
}

/// Makes one more connection.
type Open = Box<dyn Fn() -> Result<Box<dyn ReadSession>, DatabaseError> + Send + Sync>;

/// Where readers come from. How many there are at once, the caller decides.
pub(crate) struct Readers {
    open: Open,
    idle: Mutex<Vec<Box<dyn ReadSession>>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    pub(crate) fn new<S: ReadSession + 'static>(
        open: impl Fn() -> Result<S, DatabaseError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Box::new(move || Ok(Box::new(open()?))),
            idle: Mutex::default(),
        }
    }

    /// Runs `work` in a transaction that sees one state.
    pub(crate) fn read<T, E: From<DatabaseError>>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle().pop();
        let mut session = match idle {
            Some(session) => session,
            None => (self.open)()?,
        };
        session.begin_read()?;
        let result = work(&mut *session);
        session.end_read()?;
        self.idle().push(session);
        result
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn ReadSession>>> {
        // A panic of `work` happens while no lock is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
