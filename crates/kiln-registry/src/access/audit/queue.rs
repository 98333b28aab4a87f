//! Events on their way to the database, and the times at which tokens were used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::event::{Event, Outcome};
use crate::clock::Clock;
use crate::database::{Database, DatabaseError, Transaction, Value};

/// Events that wait at most. When there are more, what was refused is counted and not written.
const WAITING_MOST: usize = 16_384;
/// Events that are written by one transaction.
const BATCH: usize = 512;
/// The same refusal within this time is counted, not written.
const SAME: Duration = Duration::from_secs(60);
/// Refusals that are remembered for counting.
const RECENT_MOST: usize = 4_096;
/// A token's last use is written this often at most.
const USED_EVERY: Duration = Duration::from_secs(60);

/// A token that was used: a personal or refresh token by its id, or a robot by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Used {
    /// A token's id.
    Token(String),
    /// A robot's name.
    Robot(String),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    actor: super::Actor,
    action: String,
    subject: String,
}

#[derive(Debug, Default)]
struct State {
    /// Events, and how often each happened.
    waiting: Vec<(Event, i64)>,
    /// Refusals of the last minute: when first, the event, and how often since it was written.
    recent: HashMap<Same, (Duration, Event, i64)>,
    used: HashMap<Used, i64>,
    used_written: HashMap<Used, Duration>,
    lost: i64,
}

/// The queue. Adding to it never waits.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    clock: Clock,
    some: Arc<Notify>,
}

impl Queue {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Adds an event.
    pub(crate) fn add(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if event.outcome == Outcome::Denied && !is_first(&mut state, &event, self.clock.elapsed()) {
            return;
        }
        if state.waiting.len() >= WAITING_MOST {
            state.lost += 1;
            return;
        }
        state.waiting.push((event, 1));
        self.some.notify_one();
    }

    /// Notes that a token was used now.
    pub(crate) fn used(&self, token: Used) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = state
            .used_written
            .get(&token)
            .is_some_and(|written| elapsed.saturating_sub(*written) < USED_EVERY);
        if fresh || state.used.len() >= RECENT_MOST {
            return;
        }
        if state.used_written.len() >= RECENT_MOST {
            state.used_written.clear();
        }
        state.used_written.insert(token.clone(), elapsed);
        state.used.insert(token, now);
        self.some.notify_one();
    }

    /// Tells its waiter when there is something to write. Not bound to the queue, so that who waits does not
    /// keep it.
    pub(crate) fn waiting(&self) -> Arc<Notify> {
        Arc::clone(&self.some)
    }

    /// Writes all that waits.
    ///
    /// # Errors
    /// When the database fails; what could not be written waits on.
    pub(crate) async fn flush(&self, database: &Database) -> Result<(), DatabaseError> {
        loop {
            let (events, used) = self.take();
            if events.is_empty() && used.is_empty() {
                return Ok(());
            }
            let (kept, kept_used) = (events.clone(), used.clone());
            let written = database
                .write(move |transaction| {
                    for (event, count) in &events {
                        insert(transaction, event, *count)?;
                    }
                    used.iter()
                        .try_for_each(|(token, at)| touch(transaction, token, *at))
                })
                .await;
            if let Err(error) = written {
                self.give_back(kept, kept_used);
                return Err(error);
            }
        }
    }

    fn take(&self) -> (Vec<(Event, i64)>, HashMap<Used, i64>) {
        let elapsed = self.clock.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(BATCH);
        let mut events: Vec<(Event, i64)> = state.waiting.drain(..count).collect();
        let over = |first: Duration| elapsed.saturating_sub(first) >= SAME;
        state.recent.retain(|_, (first, event, again)| {
            let over = over(*first);
            if over && *again > 0 {
                events.push((event.clone(), *again));
            }
            !over
        });
        if state.lost > 0 {
            let lost = std::mem::take(&mut state.lost);
            let actor = super::Actor::system();
            let event = Event::new(
                self.clock.now(),
                actor,
                "events-lost",
                Outcome::Done,
                None,
                "audit",
            );
            events.push((event, lost));
        }
        (events, std::mem::take(&mut state.used))
    }

    fn give_back(&self, events: Vec<(Event, i64)>, used: HashMap<Used, i64>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, count) in events {
            if state.waiting.len() < WAITING_MOST {
                state.waiting.push((event, count));
            } else {
                state.lost += count;
            }
        }
        for (token, at) in used {
            state.used.entry(token).or_insert(at);
        }
    }
}

/// Whether a refusal is the first of its kind for a while; counts it when not.
fn is_first(state: &mut State, event: &Event, now: Duration) -> bool {
    let same = Same {
        actor: event.actor.clone(),
        action: event.action.clone(),
        subject: event.subject.clone(),
    };
    if let Some((first, _, again)) = state.recent.get_mut(&same)
        && now.saturating_sub(*first) < SAME
    {
        *again += 1;
        return false;
    }
    if state.recent.len() >= RECENT_MOST && !state.recent.contains_key(&same) {
        // Thousands of different refusals within a minute are somebody's flood.
        state.lost += 1;
        return false;
    }
    let before = state.recent.insert(same, (now, event.clone(), 0));
    if let Some((_, old, again)) = before.filter(|(_, _, again)| *again > 0)
        && state.waiting.len() < WAITING_MOST
    {
        state.waiting.push((old, again));
    }
    true
}

/// Writes one event.
pub(super) fn insert(
    transaction: &mut dyn Transaction,
    event: &Event,
    count: i64,
) -> Result<(), DatabaseError> {
    let address = event.actor.address.map(|address| address.to_string());
    let detail = serde_json::Value::Object(event.detail.clone());
    transaction.execute(
        "INSERT INTO audit (at, actor, actor_kind, address, action, outcome, project, subject, detail, count) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            event.at.into(),
            (&event.actor.name).into(),
            event.actor.kind.name().into(),
            address.unwrap_or_default().into(),
            (&event.action).into(),
            event.outcome.name().into(),
            Value::from(event.project.clone()),
            (&event.subject).into(),
            detail.to_string().into(),
            count.into(),
        ],
    )?;
    Ok(())
}

fn touch(transaction: &mut dyn Transaction, token: &Used, at: i64) -> Result<(), DatabaseError> {
    let (sql, key) = match token {
        Used::Token(id) => ("UPDATE account_token SET used = $1 WHERE id = $2", id),
        Used::Robot(name) => ("UPDATE account_robot SET used = $1 WHERE name = $2", name),
    };
    transaction.execute(sql, &[at.into(), key.into()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::audit::{Actor, AuditFilter, entries};

    fn denied(subject: &str) -> Event {
        Event::new(
            5,
            Actor::system(),
            "pull",
            Outcome::Denied,
            Some("team"),
            subject,
        )
    }

    async fn counts(database: &Database) -> Vec<(String, i64)> {
        let page = database
            .read(|transaction| entries(transaction, &AuditFilter::default(), 1_000, None))
            .await
            .unwrap();
        page.items
            .into_iter()
            .map(|entry| (entry.subject, entry.count))
            .collect()
    }

    #[tokio::test]
    async fn a_flood_of_refusals_stays_a_few_rows() {
        let directory = kiln_testkit::TempDir::new();
        let database = Database::open_sqlite(&directory.join("db")).unwrap();
        let clock = Clock::standing_at(0);
        let queue = Queue::new(clock.clone());
        for _ in 0..1_000 {
            queue.add(denied("team/app"));
        }
        queue.add(denied("team/other"));
        queue.flush(&database).await.unwrap();
        assert_eq!(
            counts(&database).await,
            [("team/other".into(), 1), ("team/app".into(), 1)]
        );
        clock.advance(SAME);
        queue.flush(&database).await.unwrap();
        assert_eq!(counts(&database).await[0], ("team/app".into(), 999));
    }

    #[tokio::test]
    async fn memory_is_limited_and_what_is_lost_is_said() {
        let directory = kiln_testkit::TempDir::new();
        let database = Database::open_sqlite(&directory.join("db")).unwrap();
        let queue = Queue::new(Clock::standing_at(0));
        for number in 0..RECENT_MOST + 10 {
            queue.add(denied(&number.to_string()));
        }
        {
            let state = queue.state.lock().unwrap();
            assert_eq!((state.waiting.len(), state.lost), (RECENT_MOST, 10));
        }
        for number in 0..WAITING_MOST {
            queue.add(Event {
                outcome: Outcome::Done,
                ..denied(&number.to_string())
            });
        }
        {
            let mut state = queue.state.lock().unwrap();
            assert_eq!(state.waiting.len(), WAITING_MOST);
            assert_eq!(state.lost, 10 + RECENT_MOST as i64);
            // Writing them all takes long and shows nothing more.
            state.waiting.clear();
        }
        queue.flush(&database).await.unwrap();
        let page = database
            .read(|transaction| {
                let filter = AuditFilter {
                    action: Some("events-lost".into()),
                    ..AuditFilter::default()
                };
                entries(transaction, &filter, 10, None)
            })
            .await
            .unwrap();
        assert_eq!(page.items[0].count, 10 + RECENT_MOST as i64);
    }

    #[tokio::test]
    async fn changes_are_never_counted_together() {
        let directory = kiln_testkit::TempDir::new();
        let database = Database::open_sqlite(&directory.join("db")).unwrap();
        let queue = Queue::new(Clock::standing_at(0));
        for _ in 0..3 {
            queue.add(Event {
                outcome: Outcome::Done,
                ..denied("team/app")
            });
        }
        queue.flush(&database).await.unwrap();
        assert_eq!(counts(&database).await.len(), 3);
    }
}
