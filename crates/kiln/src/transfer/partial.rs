//! Files that are written beside their place.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::ui::report::Report;

/// A file that is written beside its place, so that what was there stays until the new one is whole.
pub(crate) struct Partial<'a> {
    path: PathBuf,
    dest: &'a Path,
}

impl<'a> Partial<'a> {
    /// Begins it.
    pub(crate) fn create(dest: &'a Path) -> Result<Self, Report> {
        let mut name = dest.as_os_str().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = Self {
            path: name.into(),
            dest,
        };
        partial.writer()?;
        Ok(partial)
    }

    /// Opens it for writing, empty.
    pub(crate) fn writer(&self) -> Result<BufWriter<File>, Report> {
        let file = File::create(&self.path).map_err(|error| self.failed(&error))?;
        Ok(BufWriter::with_capacity(1 << 20, file))
    }

    /// Puts it in its place.
    pub(crate) fn publish(self) -> Result<(), Report> {
        std::fs::rename(&self.path, self.dest).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> Report {
        Report::new(format!("cannot write `{}`: {error}", self.dest.display()))
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        // Gone already if it was published.
        let _ = std::fs::remove_file(&self.path);
    }
}
