//! Is the content what its names say?

use std::fs::File;
use std::io;

use kiln_oci::{Digest, DigestReader};
use rayon::prelude::*;

use crate::disk::sync_directory;
use crate::error::StoreError;
use crate::store::{Store, is_missing};

impl Store {
    /// Reads every blob on all cores and compares it with its name. Gives those that are damaged,
    /// sorted; one that cannot be read counts as damaged. `progress` hears of each blob when it was
    /// read.
    ///
    /// # Errors
    /// If the store cannot be listed.
    pub fn verify(
        &self,
        mut progress: impl FnMut(&Digest) + Send,
    ) -> Result<Vec<Digest>, StoreError> {
        let blobs = self.blobs()?;
        let progress = std::sync::Mutex::new(&mut progress);
        let mut damaged: Vec<Digest> = blobs
            .par_iter()
            .filter_map(|(digest, path)| {
                let is_sound = match File::open(path).and_then(|file| digest_of(file, digest)) {
                    Ok(actual) => actual == *digest,
                    // Collected meanwhile.
                    Err(error) => is_missing(&error),
                };
                let mut progress = progress
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                (**progress)(digest);
                (!is_sound).then_some(*digest)
            })
            .collect();
        damaged.sort_unstable();
        Ok(damaged)
    }

    /// Takes a damaged blob out of the store, so that it is made or loaded again. False if it was
    /// gone already.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.check_writable()?;
        let path = self.blob_path(digest);
        match std::fs::remove_file(&path) {
            Ok(()) => {
                let directory = path.parent().unwrap_or(self.root());
                sync_directory(directory).map_err(StoreError::io("sync", directory))?;
                Ok(true)
            }
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(StoreError::io("remove", &path)(error)),
        }
    }
}

fn digest_of(file: File, named: &Digest) -> io::Result<Digest> {
    let mut reader = DigestReader::new(file, named.algorithm());
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().0)
}
