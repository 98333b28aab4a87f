//! Verifies passwords without letting them melt the machine.
//!
//! A verification takes tens of milliseconds and tens of megabytes on purpose, and `docker pull` with Basic
//! authentication brings the same password with each of a hundred requests. So only a few run at once, only
//! so many wait, and what was verified is known for some seconds under a keyed hash: the key is random and
//! lives in this process, so that a memory dump taken later has no hash that could be searched offline
//! cheaply, and an entry counts only as long as the account's epoch is the one that it was verified against.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::hmac;
use tokio::sync::Semaphore;

use super::password::{self, PasswordCost, StoredPassword};
use super::secret::{NoRandomness, fill};
use crate::clock::Clock;

/// How much is done at once.
#[derive(Debug, Clone, Copy)]
pub struct VerifierLimits {
    /// Verifications that run at the same time; each needs the memory of a [`PasswordCost`].
    pub at_once: usize,
    /// Requests that may wait for one; more are turned away.
    pub waiting: usize,
    /// How long a verified password is known.
    pub remember: Duration,
    /// How many verified passwords are known at most.
    pub remembered: usize,
}

impl Default for VerifierLimits {
    fn default() -> Self {
        Self {
            at_once: 2,
            waiting: 128,
            remember: Duration::from_secs(30),
            remembered: 4096,
        }
    }
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

type Known = HashMap<[u8; 32], (i64, Duration)>;

/// Verifies passwords, a few at once.
#[derive(Debug)]
pub(crate) struct Verifier {
    limits: VerifierLimits,
    clock: Clock,
    running: Semaphore,
    waiting: AtomicUsize,
    key: hmac::Key,
    known: Mutex<Known>,
    /// Verified against when there is no such account, so that both answers take the same time.
    nobody: StoredPassword,
}

impl Verifier {
    pub(crate) fn new(
        limits: VerifierLimits,
        cost: PasswordCost,
        clock: Clock,
    ) -> Result<Self, NoRandomness> {
        let mut key = [0_u8; 32];
        fill(&mut key)?;
        let password = password::random()?;
        Ok(Self {
            limits,
            clock,
            running: Semaphore::new(limits.at_once.max(1)),
            waiting: AtomicUsize::new(0),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            known: Mutex::default(),
            nobody: password::hash(&password, cost).map_err(|_| NoRandomness)?,
        })
    }

    /// Whether this name and password were verified some seconds ago, for this epoch of the account.
    pub(crate) fn knows(&self, name: &str, password: &str, epoch: i64) -> bool {
        let label = self.label(name, password);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&label)
            .is_some_and(|&(at_epoch, until)| at_epoch == epoch && self.clock.elapsed() < until)
    }

    /// Verifies `password` for the account `name`. `account` is its epoch and stored hash, `None` when there
    /// is no such account: that takes as long. `go` is asked when it is this request's turn, for what may
    /// have happened while it waited.
    pub(crate) async fn verify<E>(
        &self,
        name: &str,
        password: &str,
        account: Option<(i64, &StoredPassword)>,
        go: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<bool, E>, Busy> {
        let _place = Place::take(&self.waiting, self.limits.waiting).ok_or(Busy)?;
        let _turn = self.running.acquire().await.map_err(|_| Busy)?;
        if let Some((epoch, _)) = account
            && self.knows(name, password, epoch)
        {
            return Ok(Ok(true));
        }
        if let Err(stop) = go() {
            return Ok(Err(stop));
        }
        let stored = account.map_or(&self.nobody, |(_, stored)| stored).clone();
        let given = password.to_owned();
        let right = tokio::task::spawn_blocking(move || password::verify(&given, &stored))
            .await
            .unwrap_or(false);
        let Some((epoch, _)) = account.filter(|_| right) else {
            return Ok(Ok(false));
        };
        self.remember(self.label(name, password), epoch);
        Ok(Ok(true))
    }

    fn remember(&self, label: [u8; 32], epoch: i64) {
        let now = self.clock.elapsed();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.limits.remembered {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() < self.limits.remembered {
            known.insert(label, (epoch, now + self.limits.remember));
        }
    }

    fn label(&self, name: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
        context.update(password.as_bytes());
        let mut label = [0; 32];
        label.copy_from_slice(context.sign().as_ref());
        label
    }
}

/// One of the places where requests wait; free again when dropped, also when the request is given up.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let taken = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        (taken < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn verifier(limits: VerifierLimits, clock: &Clock) -> Verifier {
        Verifier::new(limits, PasswordCost::LEAST, clock.clone()).unwrap()
    }

    fn go() -> Result<(), Infallible> {
        Ok(())
    }

    #[tokio::test]
    async fn what_was_verified_is_known_for_a_while_and_for_one_epoch() {
        let clock = Clock::standing_at(0);
        let verifier = verifier(VerifierLimits::default(), &clock);
        let stored = password::hash("open sesame", PasswordCost::LEAST).unwrap();
        let account = Some((7, &stored));
        assert_eq!(
            verifier.verify("ali", "wrong", account, go).await,
            Ok(Ok(false))
        );
        assert!(!verifier.knows("ali", "wrong", 7));
        assert_eq!(
            verifier.verify("ali", "open sesame", account, go).await,
            Ok(Ok(true))
        );
        assert!(verifier.knows("ali", "open sesame", 7));
        assert!(
            !verifier.knows("ali", "open sesame", 8),
            "the password was changed"
        );
        assert!(!verifier.knows("baba", "open sesame", 7));
        clock.step(-1_000_000_000);
        assert!(
            verifier.knows("ali", "open sesame", 7),
            "a step of the wall clock"
        );
        clock.advance(Duration::from_secs(31));
        assert!(
            !verifier.knows("ali", "open sesame", 7),
            "half a minute later"
        );
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let verifier = verifier(VerifierLimits::default(), &Clock::standing_at(0));
        for password in ["", "open sesame"] {
            assert_eq!(
                verifier.verify("nobody", password, None, go).await,
                Ok(Ok(false))
            );
        }
    }

    #[tokio::test]
    async fn only_so_many_wait_and_only_so_many_are_known() {
        let limits = VerifierLimits {
            waiting: 0,
            ..VerifierLimits::default()
        };
        let full = verifier(limits, &Clock::standing_at(0));
        assert_eq!(full.verify("a", "b", None, go).await, Err(Busy));
        assert_eq!(
            full.waiting.load(Ordering::Relaxed),
            0,
            "its place is free again"
        );

        let limits = VerifierLimits {
            remembered: 2,
            ..VerifierLimits::default()
        };
        let small = verifier(limits, &Clock::standing_at(0));
        let stored = password::hash("open sesame", PasswordCost::LEAST).unwrap();
        for name in ["a", "b", "c"] {
            let verified = small
                .verify(name, "open sesame", Some((1, &stored)), go)
                .await;
            assert_eq!(verified, Ok(Ok(true)));
        }
        assert_eq!(small.known.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_happened_meanwhile_stops_it() {
        let verifier = verifier(VerifierLimits::default(), &Clock::standing_at(0));
        let stored = password::hash("open sesame", PasswordCost::LEAST).unwrap();
        let stopped = verifier
            .verify("a", "open sesame", Some((1, &stored)), || Err("locked"))
            .await;
        assert_eq!(stopped, Ok(Err("locked")));
    }
}
