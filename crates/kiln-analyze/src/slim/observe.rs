//! What a workload reads of an image, without any privilege and without slowing it down: by access times.
//!
//! The image is unpacked into a directory of its own. Every access time in it is set far into the past,
//! the workload is run in that very directory, and what has a newer time afterwards was read, executed,
//! mapped or, for links, followed. The kernel does this for every way of reading there is, also for those
//! that tracing misses (io_uring), and no event can be lost. With the usual mount option `relatime` the
//! first read counts, because the time before it is older than the file's last change (`mount(8)`).
//!
//! It does not see files that are only opened or looked at (`stat`): their content did not matter. A mount
//! with `noatime` keeps no times, which is an error here.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_oci::Image;
use kiln_store::snapshot::{Marks, Snapshots};
use kiln_store::{Lease, SnapshotError, Store, StoreError};
use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, Timespec, Timestamps, UTIME_OMIT};

use super::trial::{Files, TrialError, Verdict, Workload, run_in};

/// 2000-01-01T00:00:00Z: before anything that a workload does.
const LONG_AGO: i64 = 946_684_800;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Files and links that were read.
    pub paths: BTreeSet<Vec<u8>>,
    /// Whether the workload did what it should.
    pub verdict: Verdict,
}

/// Why nothing could be observed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The workload could not be run.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image could not be unpacked.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// No times of access are kept where the store is.
    #[error("`{}` is mounted with noatime, so it cannot be seen what is read there", .0.display())]
    NoAccessTimes(PathBuf),
    /// A file could not be looked at.
    #[error("cannot watch `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Runs `workload` in `flat`, an image of one layer that needs no other, and says what it read.
///
/// # Errors
/// If the image cannot be unpacked, its program not be run, or access times are not kept.
pub fn observe(
    store: &Store,
    lease: &Lease,
    flat: &Image,
    workload: &Workload<'_>,
    cancelled: &Arc<AtomicBool>,
) -> Result<Observed, ObserveError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ObserveError::Io { path, source }
    };
    // Not among the store's snapshots: what runs here changes its files.
    let shelf = lease.scratch_path()?;
    fs::create_dir(&shelf).map_err(failed(&shelf))?;
    let mounted = rustix::fs::statvfs(&shelf).map_err(|error| failed(&shelf)(error.into()))?;
    if mounted.f_flag.contains(StatVfsMountFlags::NOATIME) {
        return Err(ObserveError::NoAccessTimes(shelf));
    }
    let snapshots = Snapshots::new(&shelf, Marks::User);
    let chain = &flat.config.rootfs.diff_ids;
    let unpacked = snapshots.snapshot(store, lease.work(), chain)?;
    let Some(root) = unpacked.first().map(|snapshot| snapshot.path().to_owned()) else {
        return Err(TrialError::NoCommand.into());
    };
    each(&root, &mut |path| make_old(path).map_err(failed(path)))?;
    let files = Files::Directory(&root);
    let verdict = run_in(store, lease, flat, workload, &files, cancelled)?;
    let mut paths = BTreeSet::new();
    each(&root, &mut |path| {
        let data = match fs::symlink_metadata(path) {
            // Something that the workload made and its helpers took away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            data => data.map_err(failed(path))?,
        };
        let inside = path.strip_prefix(&root).unwrap_or(path);
        if !data.is_dir() && data.atime() > LONG_AGO {
            paths.insert(inside.as_os_str().as_bytes().to_vec());
        }
        Ok(())
    })?;
    Ok(Observed { paths, verdict })
}

/// Visits all that is below a directory, without following links.
fn each(
    root: &Path,
    act: &mut dyn FnMut(&Path) -> Result<(), ObserveError>,
) -> Result<(), ObserveError> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let failed = |source| ObserveError::Io {
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                pending.push(path);
            } else {
                act(&path)?;
            }
        }
    }
    Ok(())
}

fn make_old(path: &Path) -> io::Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: LONG_AGO,
            tv_nsec: 0,
        },
        last_modification: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
