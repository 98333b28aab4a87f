//! The directory that a step writes into.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::SnapshotError;
use super::shelf::remove_tree;

/// An upper directory of an overlay and its work directory. Dropped, both are removed.
#[derive(Debug)]
pub struct Upper {
    /// Holds both, so that one rename makes a snapshot of it. Nothing once it is somebody else's.
    place: Option<PathBuf>,
    dir: PathBuf,
    work: PathBuf,
}

impl Upper {
    /// Makes both in the new directory `place`.
    pub(super) fn create(place: PathBuf) -> Result<Self, SnapshotError> {
        let upper = Self {
            dir: place.join("fs"),
            work: place.join("work"),
            place: Some(place),
        };
        for path in [&upper.dir, &upper.work] {
            fs::create_dir(path).map_err(SnapshotError::io("create", path))?;
        }
        // The root directory of the container takes its mode from here, whatever the umask.
        let mode = fs::Permissions::from_mode(0o755);
        let set = fs::set_permissions(&upper.dir, mode);
        set.map_err(SnapshotError::io("set the mode of", &upper.dir))?;
        Ok(upper)
    }

    /// What the overlay takes as `upperdir`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the overlay takes as `workdir`.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Leaves both where they are, for somebody who wants to look at a failed step: the upper and
    /// the work directory. The latter starts anew, because overlayfs refuses one that was once
    /// mounted without syncs (Linux, Documentation/filesystems/overlayfs.rst, "Volatile mount").
    #[must_use]
    pub fn keep(mut self) -> (PathBuf, PathBuf) {
        self.place = None;
        // If either fails, the mount will say so.
        let _ = remove_tree(&self.work);
        let _ = std::fs::create_dir(&self.work);
        (self.dir.clone(), self.work.clone())
    }

    /// Removes the work directory and gives the directory that holds `fs`.
    pub(super) fn finish(mut self) -> Result<PathBuf, SnapshotError> {
        remove_tree(&self.work)?;
        let place = self.place.take();
        Ok(place.expect("because only this and `keep` take it, and both end the value"))
    }
}

impl Drop for Upper {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            // What stays is cleaned with the lease's leftovers.
            let _ = remove_tree(place);
        }
    }
}
