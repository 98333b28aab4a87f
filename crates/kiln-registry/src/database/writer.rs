//! One thread writes; what waits together is committed together.
//!
//! A commit that must be on disk costs one wait for the disk. The thread takes every closure that
//! waits, runs each inside a savepoint of one transaction, and commits once: a hundred small pushes
//! share the wait. A closure that fails is undone alone. Nobody is answered before the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::{DatabaseError, Transaction};

/// The most closures that share one commit. It bounds for how long the first of them waits.
const MOST_TOGETHER: usize = 128;

/// A connection that the thread can write with.
pub(crate) trait WriteSession: Transaction {
    /// Begins a transaction that no other writer can be in at the same time. `durable` says whether
    /// its commit must be on disk, or may be lost by a power cut.
    fn begin(&mut self, durable: bool) -> Result<(), DatabaseError>;
    /// Marks a place to come back to.
    fn savepoint(&mut self) -> Result<(), DatabaseError>;
    /// Keeps what was done since the mark.
    fn release(&mut self) -> Result<(), DatabaseError>;
    /// Undoes what was done since the mark.
    fn undo(&mut self) -> Result<(), DatabaseError>;
    /// Ends the transaction.
    fn commit(&mut self) -> Result<(), DatabaseError>;
    /// Gives the transaction up. A transaction that is gone already is fine.
    fn rollback(&mut self);
    /// Whether the transaction still stands: some failures end it.
    fn stands(&self) -> bool;
}

/// Called once with the commit's outcome.
type Answer = Box<dyn FnOnce(Result<(), DatabaseError>) + Send>;

/// What a closure's run leads to.
pub(crate) struct Ran {
    /// Whether its changes are to be kept.
    pub(crate) keep: bool,
    /// Tells the caller.
    pub(crate) answer: Answer,
}

/// Runs a closure in a transaction, or hears why there is none.
type Work = Box<dyn FnOnce(Result<&mut dyn Transaction, DatabaseError>) -> Ran + Send>;

/// A closure that waits to be run.
pub(crate) struct Job {
    /// Whether its caller wants it on disk.
    pub(crate) durable: bool,
    /// Does the work.
    pub(crate) work: Work,
}

/// The way to the thread. The thread ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Writer(Sender<Job>);

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(session: impl WriteSession + Send + 'static) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        thread::Builder::new()
            .name("database writer".to_owned())
            .spawn(move || run(session, &receiver))?;
        Ok(Self(sender))
    }

    /// Puts a closure into the line. It is dropped, unanswered, where the thread is gone.
    pub(crate) fn submit(&self, job: Job) {
        // A dropped job's caller sees that its answer will not come.
        let _ = self.0.send(job);
    }
}

fn run(mut session: impl WriteSession, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut together = vec![first];
        together.extend(jobs.try_iter().take(MOST_TOGETHER - 1));
        commit_together(&mut session, together);
    }
}

fn commit_together(session: &mut impl WriteSession, jobs: Vec<Job>) {
    let durable = jobs.iter().any(|job| job.durable);
    if let Err(error) = session.begin(durable) {
        session.rollback();
        for job in jobs {
            refuse(job, &error);
        }
        return;
    }
    let mut kept: Vec<Answer> = vec![];
    let mut undone: Vec<Answer> = vec![];
    let mut jobs = jobs.into_iter();
    let mut outcome = Ok(());
    while outcome.is_ok()
        && let Some(job) = jobs.next()
    {
        outcome = run_one(session, job, &mut kept, &mut undone);
    }
    let outcome = outcome.and_then(|()| session.commit());
    if outcome.is_err() {
        session.rollback();
    }
    for answer in kept {
        answer(outcome.clone());
    }
    for answer in undone {
        answer(Ok(()));
    }
    if let Err(error) = outcome {
        for job in jobs {
            refuse(job, &error);
        }
    }
}

/// Runs one closure in a savepoint. Fails only when the whole transaction is lost.
fn run_one(
    session: &mut impl WriteSession,
    job: Job,
    kept: &mut Vec<Answer>,
    undone: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    if let Err(error) = session.savepoint() {
        refuse(job, &error);
        return Err(error);
    }
    let work = job.work;
    // A panic is the caller's, who sees that no answer comes; the others go on.
    let ran = catch_unwind(AssertUnwindSafe(|| work(Ok(&mut *session)))).ok();
    let keep = ran.as_ref().is_some_and(|ran| ran.keep);
    let settled = match (keep, session.stands()) {
        (true, true) => session.release(),
        (false, true) => session.undo(),
        (_, false) => Err(DatabaseError::Abandoned {
            reason: "another write of the same commit ended it, because the disk is full or failed",
        }),
    };
    match ran {
        Some(ran) if keep => kept.push(ran.answer),
        Some(ran) => undone.push(ran.answer),
        None => {}
    }
    settled
}

/// Answers a closure that cannot be run.
fn refuse(job: Job, error: &DatabaseError) {
    let ran = (job.work)(Err(error.clone()));
    (ran.answer)(Err(error.clone()));
}
