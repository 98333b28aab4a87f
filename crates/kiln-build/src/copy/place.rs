//! Where copied files go, and what the new layer says about the directories above them.
//!
//! The layer holds every copied entry and, before it, each of its directories: as it is where the image
//! has it, new where it does not. Entries are sorted by path, so that the same files always give the same
//! layer.
//!
//! One deliberate difference from BuildKit: a directory that is made on the way gets the time of the
//! newest file below it instead of the time of the build, so that two builds of the same files agree.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use kiln_layer::entry::join_path;
use kiln_layer::{Entry, InodeId, Kind, LayerWriter, ResolveError, Time, Tree};

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
    /// Several sources and one name.
    #[error(
        "with more than one source the destination must be a directory and end with `/`: `{dest}`"
    )]
    NeedsDirectory {
        /// The destination.
        dest: String,
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
    entries: BTreeMap<Vec<u8>, Placed<'a>>,
    /// First path of each file that has several names, by place and inode.
    links: HashMap<(usize, InodeId), Vec<u8>>,
}

struct Placed<'a> {
    entry: Entry,
    /// Where the bytes of a regular file are.
    source: Option<(&'a dyn Files, Vec<u8>)>,
    /// Whether the directory was made only because something below it was copied.
    implicit: bool,
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

impl<'a> Placement<'a> {
    /// Places what was chosen from `files`. `several` says whether the instruction has more than one
    /// source.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub(crate) fn add(
        &mut self,
        files: &'a dyn Files,
        chosen: &[Chosen],
        several: bool,
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        let base = base_of(dest)?;
        let is_directory = dest.path.ends_with('/')
            || base.is_empty()
            || dest
                .image
                .and_then(|tree| tree.get(&base))
                .is_some_and(|node| node.entry().kind == Kind::Directory);
        if several && !is_directory {
            return Err(PlaceError::NeedsDirectory {
                dest: dest.path.to_owned(),
            });
        }
        for one in chosen {
            match one {
                Chosen::File { name, from } => {
                    let to = if is_directory {
                        join_path(&base, name)
                    } else {
                        base.clone()
                    };
                    self.put(files, from, to, dest)?;
                }
                Chosen::Contents(picks) => self.put_contents(files, picks, &base, dest)?,
            }
        }
        Ok(())
    }

    fn put_contents(
        &mut self,
        files: &'a dyn Files,
        picks: &[Pick],
        base: &[u8],
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        for pick in picks {
            if pick.to.is_empty() {
                // The destination itself keeps its metadata where it exists.
                let exists = base.is_empty() || self.directory(base, dest)?;
                if exists {
                    self.parents(base, dest)?;
                    if !base.is_empty() {
                        self.existing(base, dest);
                    }
                    continue;
                }
            }
            let to = match (&base[..], &pick.to[..]) {
                (b"", to) => to.to_vec(),
                (base, b"") => base.to_vec(),
                (base, to) => join_path(base, to),
            };
            self.put(files, &pick.from, to, dest)?;
        }
        Ok(())
    }

    /// Whether `path` is a directory in the image or already in this layer.
    fn directory(&self, path: &[u8], dest: &Destination<'_>) -> Result<bool, PlaceError> {
        if let Some(placed) = self.entries.get(path) {
            return match placed.entry.kind {
                Kind::Directory => Ok(true),
                ref kind => Err(not_a_directory(path, kind)),
            };
        }
        match dest.image.and_then(|tree| tree.get(path)) {
            Some(node) if node.entry().kind == Kind::Directory => Ok(true),
            Some(node) => Err(not_a_directory(path, &node.entry().kind)),
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
    ) -> Result<(), PlaceError> {
        let Some(node) = files.tree().get(from) else {
            return Err(files
                .read_error(from, std::io::ErrorKind::NotFound.into())
                .into());
        };
        let mut entry = node.entry().clone();
        entry.path.clone_from(&to);
        dest.attributes.apply(&mut entry);
        if entry.kind == Kind::Directory {
            if !to.is_empty() {
                self.directory(&to, dest)?;
            }
        } else {
            let blocked = self.entries.get(&to).map(|placed| &placed.entry.kind)
                == Some(&Kind::Directory)
                || dest
                    .image
                    .and_then(|tree| tree.get(&to))
                    .is_some_and(|node| node.entry().kind == Kind::Directory);
            if blocked {
                return Err(PlaceError::IsADirectory { path: show(&to) });
            }
        }
        self.parents(&to, dest)?;
        let mut source = None;
        if matches!(entry.kind, Kind::File { .. }) {
            let place = std::ptr::from_ref(files).cast::<()>() as usize;
            let first = self
                .links
                .entry((place, node.inode()))
                .or_insert_with(|| to.clone());
            if *first == to {
                source = Some((files, from.to_vec()));
            } else {
                entry.kind = Kind::Hardlink {
                    target: first.clone(),
                };
            }
        }
        self.entries.insert(
            to,
            Placed {
                entry,
                source,
                implicit: false,
            },
        );
        Ok(())
    }

    /// Makes sure that every directory above `path` is in the layer.
    fn parents(&mut self, path: &[u8], dest: &Destination<'_>) -> Result<(), PlaceError> {
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for end in ends.collect::<Vec<_>>() {
            let parent = &path[..end];
            if self
                .entries
                .get(parent)
                .is_some_and(|p| p.entry.kind == Kind::Directory)
            {
                continue;
            }
            if self.directory(parent, dest)? {
                self.existing(parent, dest);
                continue;
            }
            let mut entry = Entry::directory(parent, 0o755);
            if let Some((uid, gid)) = dest.attributes.owner {
                (entry.uid, entry.gid) = (uid, gid);
            }
            self.entries.insert(
                parent.to_vec(),
                Placed {
                    entry,
                    source: None,
                    implicit: true,
                },
            );
        }
        Ok(())
    }

    /// Takes over a directory of the image as it is.
    fn existing(&mut self, path: &[u8], dest: &Destination<'_>) {
        if self.entries.contains_key(path) {
            return;
        }
        if let Some(node) = dest.image.and_then(|tree| tree.get(path)) {
            let mut entry = node.entry().clone();
            entry.path = path.to_vec();
            dest.attributes.apply_time(&mut entry);
            self.entries.insert(
                path.to_vec(),
                Placed {
                    entry,
                    source: None,
                    implicit: false,
                },
            );
        }
    }

    /// Adds a directory that an instruction asks for by itself, as WORKDIR does.
    pub(crate) fn make_directory(
        &mut self,
        owner: (u32, u32),
        dest: &Destination<'_>,
    ) -> Result<(), PlaceError> {
        let base = base_of(dest)?;
        if base.is_empty() || self.directory(&base, dest)? {
            return Ok(());
        }
        self.parents(&base, dest)?;
        let (uid, gid) = owner;
        let entry = Entry {
            uid,
            gid,
            ..Entry::directory(base.clone(), 0o755)
        };
        self.entries.insert(
            base,
            Placed {
                entry,
                source: None,
                implicit: true,
            },
        );
        Ok(())
    }

    /// Bytes of all regular files.
    pub(crate) fn total_bytes(&self) -> u64 {
        let sizes = self.entries.values().map(|placed| match placed.entry.kind {
            Kind::File { size } => size,
            _ => 0,
        });
        sizes.sum()
    }

    /// Writes the layer. `progress` is called with the bytes of each finished file.
    ///
    /// # Errors
    /// If a file cannot be read or the layer cannot be written.
    pub(crate) fn write<W: Write + Send + 'static>(
        mut self,
        out: &mut LayerWriter<W>,
        time: &Attributes,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PlaceError> {
        self.date_implicit_directories(time);
        self.move_links_to_the_front();
        for placed in self.entries.into_values() {
            let written = match (&placed.source, &placed.entry.kind) {
                (Some((files, from)), Kind::File { size }) => {
                    let mut content = files
                        .open(from)
                        .map_err(|source| files.read_error(from, source))?;
                    let written = out.file(&placed.entry, &mut content).map(|_| ());
                    progress(*size);
                    written
                }
                _ => out.entry(&placed.entry),
            };
            written.map_err(|error| PlaceError::Write(error.into()))?;
        }
        Ok(())
    }

    /// The name that comes first in the archive carries the data, whichever was copied first.
    fn move_links_to_the_front(&mut self) {
        let late: Vec<(Vec<u8>, Vec<u8>)> = self
            .entries
            .iter()
            .filter_map(|(path, placed)| match &placed.entry.kind {
                Kind::Hardlink { target } if path < target => Some((path.clone(), target.clone())),
                _ => None,
            })
            .collect();
        for (path, target) in late {
            let Some(Kind::Hardlink { target: current }) = self
                .entries
                .get(&path)
                .map(|placed| placed.entry.kind.clone())
            else {
                continue;
            };
            if current != target || path >= target {
                continue;
            }
            let Some(data) = self.entries.get_mut(&target) else {
                continue;
            };
            let (kind, source) = (data.entry.kind.clone(), data.source.take());
            data.entry.kind = Kind::Hardlink {
                target: path.clone(),
            };
            if let Some(first) = self.entries.get_mut(&path) {
                first.entry.kind = kind;
                first.source = source;
            }
            for placed in self.entries.values_mut() {
                if let Kind::Hardlink { target: old } = &mut placed.entry.kind
                    && *old == target
                {
                    old.clone_from(&path);
                }
            }
        }
    }

    fn date_implicit_directories(&mut self, time: &Attributes) {
        let mut newest: HashMap<Vec<u8>, Time> = HashMap::new();
        for (path, placed) in &self.entries {
            if placed.implicit {
                continue;
            }
            let mut end = path.len();
            while let Some(slash) = path[..end].iter().rposition(|&byte| byte == b'/') {
                let parent = &path[..slash];
                if !self.entries.get(parent).is_some_and(|above| above.implicit) {
                    break;
                }
                let best = newest.entry(parent.to_vec()).or_insert(placed.entry.mtime);
                *best = (*best).max(placed.entry.mtime);
                end = slash;
            }
        }
        for (path, placed) in &mut self.entries {
            if placed.implicit {
                placed.entry.mtime = newest.get(path).copied().unwrap_or_default();
                time.apply_time(&mut placed.entry);
            }
        }
    }
}

/// The destination with its links followed, as a path of the image.
fn base_of(dest: &Destination<'_>) -> Result<Vec<u8>, PlaceError> {
    let path = dest.path.trim_matches('/').as_bytes().to_vec();
    let Some(tree) = dest.image else {
        return Ok(path);
    };
    match tree.resolve(&path, true) {
        Ok(resolved) => Ok(resolved.path),
        Err(ResolveError::NotADirectory { at, .. }) => {
            let kind = tree.get(at.as_bytes()).map_or("file", |node| node.entry().kind.name());
            Err(PlaceError::NotADirectory { path: at, kind })
        }
        Err(error) => Err(PlaceError::Unreachable {
            path: dest.path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn not_a_directory(path: &[u8], kind: &Kind) -> PlaceError {
    PlaceError::NotADirectory {
        path: show(path),
        kind: kind.name(),
    }
}

fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
