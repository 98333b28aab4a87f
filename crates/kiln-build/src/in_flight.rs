//! Steps of one build that have the same key: the second waits for the first and takes its result.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use kiln_oci::Digest;

use crate::state::Made;

/// The keys that are being worked on, those that this build has made, and the results that it used.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    busy: Mutex<HashMap<Digest, Arc<Turn>>>,
    made: Mutex<HashSet<Digest>>,
    used: Mutex<BTreeMap<Digest, Made>>,
}

#[derive(Debug, Default)]
struct Turn {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// The right to work on one key, until dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Turn>);

impl InFlight {
    /// Waits until nobody else works on `key`.
    pub(crate) fn enter(&self, key: Digest) -> Entered {
        let turn = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(busy.entry(key).or_default())
        };
        let taken = turn.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = turn.freed.wait_while(taken, |taken| *taken);
        *taken.unwrap_or_else(PoisonError::into_inner) = true;
        Entered(turn)
    }

    /// This build has made the result for `key`.
    pub(crate) fn remember(&self, key: Digest) {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
    }

    /// The result for `key` is part of this build, made here or found.
    pub(crate) fn used(&self, key: Digest, made: Made) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(key, made);
    }

    /// All results that are part of this build, by their keys.
    pub(crate) fn into_used(self) -> BTreeMap<Digest, Made> {
        self.used
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this build has made the result for `key`.
    pub(crate) fn made_here(&self, key: &Digest) -> bool {
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(key)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn equal_keys_take_turns() {
        let (flight, busy) = (InFlight::default(), AtomicUsize::new(0));
        let key = Digest::sha256(b"x");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _turn = flight.enter(key);
                    assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    busy.fetch_sub(1, Ordering::SeqCst);
                    flight.remember(key);
                });
            }
        });
        assert!(flight.made_here(&key));
    }
}
