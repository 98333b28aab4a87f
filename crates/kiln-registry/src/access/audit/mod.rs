//! The audit log: every change, and every access that was refused.
//!
//! A change of accounts and projects writes its event in its own transaction: one is never there without the
//! other. Events of content (pushes, deletes) and of refused access go through a queue and are written in
//! batches, so that nobody waits; a crash loses the last of them. Refusals that repeat are counted instead of
//! written again, so that a flood of them stays a few rows.

mod event;
mod query;
mod queue;

pub use event::{Actor, ActorKind, Event, Outcome};
pub use query::{AuditEntry, AuditFilter, AuditPage};
pub(crate) use queue::{Queue, Used};

use crate::database::{DatabaseError, Transaction};

/// Writes an event as part of a transaction.
///
/// # Errors
/// When the database fails.
pub fn record(transaction: &mut dyn Transaction, event: &Event) -> Result<(), DatabaseError> {
    queue::insert(transaction, event, 1)
}

pub(crate) use query::{entries, forget};
