//! Several transfers at once.

use std::sync::{Mutex, PoisonError};

use kiln_oci::Descriptor;

use crate::ui::report::Report;

/// Does `work` for each blob once, on up to `threads` threads, the largest first, so that no large one is left
/// for the end. After the first failure, which is the result, nothing new begins.
pub(super) fn each(
    threads: usize,
    mut blobs: Vec<Descriptor>,
    work: impl Fn(&Descriptor) -> Result<(), Report> + Sync,
) -> Result<(), Report> {
    blobs.sort_by_key(|blob| (blob.size, blob.digest));
    blobs.dedup_by_key(|blob| blob.digest);
    let threads = threads.min(blobs.len());
    let queue = Mutex::new(blobs);
    let failure = Mutex::new(None);
    let serve = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(descriptor) = next else { return };
            if let Err(error) = work(&descriptor) {
                queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(serve);
        }
        serve();
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn blobs(count: u8) -> Vec<Descriptor> {
        (0..count)
            .map(|n| Descriptor::of("a/b", &[n % 10]))
            .collect()
    }

    #[test]
    fn each_blob_once() {
        let count = AtomicUsize::new(0);
        each(4, blobs(30), |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(count.into_inner(), 10);
        each(4, vec![], |_| Err(Report::new("never"))).unwrap();
    }

    #[test]
    fn the_first_failure_ends_it() {
        let count = AtomicUsize::new(0);
        let result = each(1, blobs(10), |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Err(Report::new("no"))
        });
        assert_eq!(result.unwrap_err().message(), "no");
        assert_eq!(count.into_inner(), 1);
    }
}
