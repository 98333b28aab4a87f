//! One call per item on all cores, on threads of its own.
//!
//! Not rayon's: its waiting threads take other work up, and one that holds a snapshot's lock could
//! so come to wait for that very lock.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Fewer items than this are not worth a second thread.
const FEW: usize = 4;

/// Calls `work` with every item. Each thread has a state of its own, made by `state`. After an error
/// the other threads stop at their next item.
///
/// # Errors
/// The first error that happened.
pub(super) fn for_each<T: Sync, S, E: Send>(
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = if items.len() < FEW { 1 } else { cores.min(8) };
    let next = AtomicUsize::new(0);
    let is_failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let run = || {
        let mut state = state();
        while !is_failed.load(Ordering::Relaxed) {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            if let Err(error) = work(&mut state, item) {
                is_failed.store(true, Ordering::Relaxed);
                let mut failure = failure.lock().expect("because no thread panics with it");
                failure.get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let failure = failure
        .into_inner()
        .expect("because no thread panics with it");
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let items: Vec<usize> = (0..1000).collect();
        let sum = AtomicUsize::new(0);
        let result = for_each(
            &items,
            || (),
            |(), item| {
                sum.fetch_add(*item, Ordering::Relaxed);
                Ok::<(), ()>(())
            },
        );
        assert_eq!(result, Ok(()));
        assert_eq!(sum.into_inner(), 999 * 1000 / 2);
    }

    #[test]
    fn an_error_comes_out() {
        let items: Vec<usize> = (0..1000).collect();
        let result = for_each(
            &items,
            || (),
            |(), item| match item {
                500 => Err("five hundred"),
                _ => Ok(()),
            },
        );
        assert_eq!(result, Err("five hundred"));
    }
}
