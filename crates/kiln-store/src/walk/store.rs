//! The memo of a context, kept in the store's cache.

use std::os::unix::ffi::OsStrExt as _;

use kiln_oci::Digest;

use super::{Memo, Walk, WalkError};
use crate::store::Store;

/// The cache's space for memos, one for each directory.
const SPACE: &str = "context-files";

impl Store {
    /// The content's digests of the regular files at `paths` of a walked directory, in the same
    /// order. Reads only those that changed since they were last asked for, in this process or
    /// another.
    ///
    /// # Errors
    /// Names a file that was not found, cannot be read, or is not as the walk found it.
    pub fn context_digests(
        &self,
        walk: &Walk,
        paths: &[Vec<u8>],
    ) -> Result<Vec<Digest>, WalkError> {
        let mut memo = walk.memo();
        let memo = memo.get_or_insert_with(|| self.load_memo(walk));
        let digests = memo.digests(walk, paths)?;
        if memo.is_changed() {
            // A memo that cannot be kept only means that the files are read again.
            let _ = self.cache_put(SPACE, &key(walk), &memo.encode(walk));
        }
        Ok(digests)
    }

    fn load_memo(&self, walk: &Walk) -> Memo {
        let stored = self.cache_get(SPACE, &key(walk)).ok().flatten();
        let memo = stored.and_then(|bytes| Memo::decode(&bytes).ok());
        memo.unwrap_or_default()
    }
}

/// The directory's real path, so that one that is reached in two ways has one memo.
fn key(walk: &Walk) -> Digest {
    let path = walk.root().canonicalize();
    let path = path.unwrap_or_else(|_| walk.root().to_owned());
    Digest::sha256(path.as_os_str().as_bytes())
}
