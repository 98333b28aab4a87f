//! Files that several packages have.
//!
//! Source: Debian Policy 7.6.1: a package that says `Replaces` takes the other's file over, else it is an
//! error. Directories may be shared by all.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::AssembleError;
use super::package::{Contents, Sifted};

/// What must be left out of packages because others replace it: names of packages, and paths.
#[derive(Debug, Default)]
pub(super) struct Dropped(HashSet<(String, Vec<u8>)>);

impl Dropped {
    /// Whether a package's file is another's now.
    pub(super) fn has(&self, package: &str, path: &[u8]) -> bool {
        // Nearly always there is none, and then nothing need be copied to look.
        !self.0.is_empty() && self.0.contains(&(package.to_owned(), path.to_vec()))
    }

    /// Finds what is in several packages. Gives the numbers of the layers that have too much.
    pub(super) fn find(&mut self, layers: &[Sifted]) -> Result<BTreeSet<usize>, AssembleError> {
        let mut owners: HashMap<&[u8], (usize, &Contents)> = HashMap::new();
        let mut again = BTreeSet::new();
        for (at, layer) in layers.iter().enumerate() {
            for contents in &layer.packages {
                for path in &contents.files {
                    let Some(&(other_at, other)) = owners.get(&path[..]) else {
                        owners.insert(path, (at, contents));
                        continue;
                    };
                    if contents.replaces(other) {
                        self.0.insert((other.name().to_owned(), path.clone()));
                        again.insert(other_at);
                        owners.insert(path, (at, contents));
                    } else if other.replaces(contents) {
                        self.0.insert((contents.name().to_owned(), path.clone()));
                        again.insert(at);
                    } else {
                        return Err(conflict(path, other, contents));
                    }
                }
            }
        }
        for contents in layers.iter().flat_map(|layer| &layer.packages) {
            let mut directories = contents.directories.iter();
            let both =
                directories.find_map(|path| owners.get(&path[..]).map(|owner| (path, owner.1)));
            if let Some((path, other)) = both {
                return Err(conflict(path, other, contents));
            }
        }
        Ok(again)
    }
}

fn conflict(path: &[u8], first: &Contents, second: &Contents) -> AssembleError {
    AssembleError::Conflict {
        path: format!("/{}", String::from_utf8_lossy(path)),
        first: first.name().to_owned(),
        second: second.name().to_owned(),
    }
}
