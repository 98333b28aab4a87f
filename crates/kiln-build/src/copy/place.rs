//! Where copied files go.
//!
//! Source: the Dockerfile reference, "COPY"; where it is silent, BuildKit's behaviour: a directory that is
//! made on the way is root's (or `--chown`'s), an existing destination keeps its mode and owner and takes the
//! source's time, a file or directory that is there already, unchanged, is not written again.

use std::collections::{BTreeMap, HashMap, HashSet};

use kiln_layer::entry::join_path;
use kiln_layer::{Entry, InodeId, Kind, Node, ResolveError, Time, Tree};

use super::attributes::Attributes;
use super::select::{Chosen, Pick};
use crate::files::{Files, ReadError};

/// A copy that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Something that is no directory stands where one is needed.
    #[error("cannot copy into `/{path}`: it is a {kind}, not a directory")]
    NotADirectory {
        /// What stands there.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A directory stands where a file should go.
    #[error("cannot replace the directory `/{path}` by a file")]
    IsADirectory {
        /// The directory.
        path: String,
    },
    /// Symbolic links that lead round in a circle.
    #[error("cannot follow `{path}`: {reason}")]
    Unreachable {
        /// The destination.
        path: String,
        /// What stands in the way.
        reason: String,
    },
    /// The source could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The layer could not be written.
    #[error("cannot write the layer")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The entries of a new layer, by path.
#[derive(Default)]
pub(crate) struct Placement<'a> {
    pub(super) entries: BTreeMap<Vec<u8>, Placed<'a>>,
    /// First source and place of each file that has several names.
    links: HashMap<(usize, InodeId), (Vec<u8>, Vec<u8>)>,
}

pub(super) struct Placed<'a> {
    pub(super) entry: Entry,
    /// Where the bytes of a regular file are.
    pub(super) source: Option<(&'a dyn Files, Vec<u8>)>,
    pub(super) why: Why,
}

/// Why an entry is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was copied.
    Copied,
    /// A new directory on the way to something that was copied.
    OnTheWay,
    /// A directory that the image has as it is; it is in the layer only if something below it is.
    Unchanged,
}

/// Where to copy to.
#[derive(Debug, Clone)]
pub(crate) struct Destination<'a> {
    /// Absolute and clean; a trailing slash means a directory.
    pub(crate) path: &'a str,
    /// The image below; `None` for `--link`, which looks at nothing.
    pub(crate) image: Option<&'a Tree>,
    /// Owner and permissions.
    pub(crate) attributes: &'a Attributes,
}

impl<'a> Destination<'a> {
    fn below(&self, path: &[u8]) -> Option<Node<'a>> {
        self.image.and_then(|tree| tree.get(path))
    }

    /// The destination with its links followed, as a path of the image.
    fn base(&self) -> Result<Vec<u8>, PlaceError> {
        let path = self.path.trim_matches('/').as_bytes();
        let Some(tree) = self.image else {
            return Ok(path.to_vec());
        };
        match tree.resolve(path, true) {
            Ok(resolved) => Ok(resolved.path),
            Err(ResolveError::NotADirectory { at, .. }) => {
                let kind = self
                    .below(at.as_bytes())
                    .map_or("file", |node| node.entry().kind.name());
                Err(PlaceError::NotADirectory { path: at, kind })
            }
            Err(error) => {
                let path = self.path.to_owned();
                Err(PlaceError::Unreachable {
                    path,
                    reason: error.to_string(),
                })
            }
        }
    }
}

impl<'a> Placement<'a> {
    /// Places what was chosen from `files`, over what was placed before.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub(crate) fn add(
        &mut self,
        files: &'a dyn Files,
        chosen: &[Chosen],
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        let base = dest.base()?;
        let mut perhaps_unchanged = vec![];
        for one in chosen {
            match one {
                Chosen::File { name, from } => {
                    let into =
                        dest.path.ends_with('/') || base.is_empty() || self.is_there(&base, dest);
                    let to = if into {
                        join_path(&base, name)
                    } else {
                        base.clone()
                    };
                    self.put(files, from, to, dest, &mut perhaps_unchanged)?;
                }
                Chosen::Contents(picks) => {
                    self.put_contents(files, picks, &base, dest, &mut perhaps_unchanged)?;
                }
            }
        }
        self.drop_unchanged(files, &perhaps_unchanged, dest)
    }

    fn put_contents(
        &mut self,
        files: &'a dyn Files,
        picks: &[Pick],
        base: &[u8],
        dest: &Destination<'_>,
        perhaps_unchanged: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), PlaceError> {
        for pick in picks {
            if pick.to.is_empty() {
                let time = files.tree().get(&pick.from).map(|node| node.entry().mtime);
                self.destination(base, time.unwrap_or_default(), dest)?;
                continue;
            }
            let to = if base.is_empty() {
                pick.to.clone()
            } else {
                join_path(base, &pick.to)
            };
            self.put(files, &pick.from, to, dest, perhaps_unchanged)?;
        }
        Ok(())
    }

    /// The directory that takes the contents of another: of that it gets the time and nothing else.
    fn destination(
        &mut self,
        base: &[u8],
        time: Time,
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        if base.is_empty() {
            return Ok(());
        }
        let exists = self.directory(base, dest)?;
        self.parents(base, dest)?;
        if exists {
            self.existing(base, dest);
        } else {
            let entry = dest.attributes.new_directory(base);
            self.insert(base, entry, Why::Copied);
        }
        if let Some(placed) = self.entries.get_mut(base) {
            placed.entry.mtime = time;
            dest.attributes.apply_time(&mut placed.entry);
        }
        Ok(())
    }

    fn is_there(&self, path: &[u8], dest: &Destination<'_>) -> bool {
        match self.entries.get(path) {
            Some(placed) => placed.entry.kind == Kind::Directory,
            None => dest.below(path).is_some_and(Node::is_directory),
        }
    }

    /// Whether `path` is a directory in the image or already in this layer.
    fn directory(&self, path: &[u8], dest: &Destination<'_>) -> Result<bool, PlaceError> {
        let placed = self.entries.get(path).map(|placed| &placed.entry.kind);
        match placed.or_else(|| dest.below(path).map(|node| &node.entry().kind)) {
            Some(Kind::Directory) => Ok(true),
            Some(kind) => Err(PlaceError::NotADirectory {
                path: show(path),
                kind: kind.name(),
            }),
            None => Ok(false),
        }
    }

    /// Places one entry, its directories first.
    fn put(
        &mut self,
        files: &'a dyn Files,
        from: &[u8],
        to: Vec<u8>,
        dest: &Destination<'_>,
        perhaps_unchanged: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), PlaceError> {
        let Some(node) = files.tree().get(from) else {
            return Err(files
                .read_error(from, std::io::ErrorKind::NotFound.into())
                .into());
        };
        let mut entry = node.entry().clone();
        entry.path.clone_from(&to);
        dest.attributes.apply(&mut entry);
        let mut why = Why::Copied;
        if entry.kind == Kind::Directory {
            self.directory(&to, dest)?;
            if dest
                .below(&to)
                .is_some_and(|below| same_rights(&entry, below.entry()))
            {
                why = Why::Unchanged;
            }
        } else if self.is_there(&to, dest) {
            return Err(PlaceError::IsADirectory { path: show(&to) });
        }
        self.parents(&to, dest)?;
        if let Some(below) = dest.below(&to)
            && matches!(entry.kind, Kind::File { .. })
            && same_file(&entry, below.entry())
        {
            perhaps_unchanged.push((to.clone(), from.to_vec()));
        }
        let source = match entry.kind {
            Kind::File { .. } => self.source(files, from, node, &mut entry),
            _ => None,
        };
        self.entries.insert(to, Placed { entry, source, why });
        Ok(())
    }

    /// Where a file's bytes come from; nothing if it is another name of one that was placed, which the entry
    /// then says.
    fn source(
        &mut self,
        files: &'a dyn Files,
        from: &[u8],
        node: Node<'_>,
        entry: &mut Entry,
    ) -> Option<(&'a dyn Files, Vec<u8>)> {
        let place = std::ptr::from_ref(files).cast::<()>() as usize;
        let first = self.links.entry((place, node.inode()));
        let (first_from, first_to) = first.or_insert_with(|| (from.to_vec(), entry.path.clone()));
        // The same name copied twice gives two files; two names of one file give one.
        if first_from == from || !self.entries.contains_key(first_to) {
            return Some((files, from.to_vec()));
        }
        entry.kind = Kind::Hardlink {
            target: first_to.clone(),
        };
        None
    }

    /// Makes sure that every directory above `path` is in the layer.
    fn parents(&mut self, path: &[u8], dest: &Destination<'_>) -> Result<(), PlaceError> {
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends {
            let parent = &path[..end];
            let placed = self.entries.get(parent).map(|placed| &placed.entry.kind);
            if placed == Some(&Kind::Directory) {
                continue;
            }
            if self.directory(parent, dest)? {
                self.existing(parent, dest);
            } else {
                self.insert(parent, dest.attributes.new_directory(parent), Why::OnTheWay);
            }
        }
        Ok(())
    }

    /// Takes over a directory of the image as it is.
    fn existing(&mut self, path: &[u8], dest: &Destination<'_>) {
        if self.entries.contains_key(path) {
            return;
        }
        if let Some(node) = dest.below(path) {
            let mut entry = node.entry().clone();
            entry.path = path.to_vec();
            dest.attributes.apply_time(&mut entry);
            self.insert(path, entry, Why::Unchanged);
        }
    }

    fn insert(&mut self, path: &[u8], entry: Entry, why: Why) {
        self.entries.insert(
            path.to_vec(),
            Placed {
                entry,
                source: None,
                why,
            },
        );
    }

    /// Takes out files that the image has already, to the last byte.
    fn drop_unchanged(
        &mut self,
        files: &dyn Files,
        perhaps: &[(Vec<u8>, Vec<u8>)],
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        if perhaps.is_empty() {
            return Ok(());
        }
        let linked: HashSet<Vec<u8>> = self
            .entries
            .values()
            .filter_map(|placed| match &placed.entry.kind {
                Kind::Hardlink { target } => Some(target.clone()),
                _ => None,
            })
            .collect();
        let sources: Vec<Vec<u8>> = perhaps.iter().map(|(_, from)| from.clone()).collect();
        for ((to, _), digest) in perhaps.iter().zip(files.digests(&sources)?) {
            let same = dest.below(to).and_then(|below| below.content().copied()) == Some(digest);
            let is_file = self
                .entries
                .get(to)
                .is_some_and(|placed| matches!(placed.entry.kind, Kind::File { .. }));
            if same && is_file && !linked.contains(to) {
                self.entries.remove(to);
            }
        }
        Ok(())
    }

    /// Adds a directory that an instruction asks for by itself, as WORKDIR does.
    ///
    /// # Errors
    /// If something that is no directory is in the way.
    pub(crate) fn make_directory(&mut self, dest: &Destination<'_>) -> Result<(), PlaceError> {
        let base = dest.base()?;
        if base.is_empty() || self.directory(&base, dest)? {
            return Ok(());
        }
        self.parents(&base, dest)?;
        self.insert(&base, dest.attributes.new_directory(&base), Why::OnTheWay);
        Ok(())
    }
}

/// Mode, owner and attributes.
fn same_rights(a: &Entry, b: &Entry) -> bool {
    (a.mode, a.uid, a.gid, &a.xattrs) == (b.mode, b.uid, b.gid, &b.xattrs)
}

/// All but the content. Layers keep times in seconds.
fn same_file(a: &Entry, b: &Entry) -> bool {
    same_rights(a, b) && a.kind == b.kind && a.mtime.seconds == b.mtime.seconds
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
