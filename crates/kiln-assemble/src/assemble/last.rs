//! The last layer: what no package brings.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use kiln_layer::entry::{Time, clean_path};
use kiln_layer::{Entry, Kind, LayerIndex, LayerWriter, Tree};
use kiln_store::BlobWriter;

use super::{AssembleContext, AssembleError, made};
use crate::spec::FileSpec;

/// Where a file's bytes are.
pub(super) enum Content {
    Here(Vec<u8>),
    In(File),
}

/// Writes the layer over `tree`: what is `made`, then what the image file asks for, which goes over it.
/// Nothing if there is nothing to write.
pub(super) fn write(
    context: &AssembleContext<'_>,
    tree: &Tree,
    made: BTreeMap<Vec<u8>, made::Made>,
    epoch: i64,
) -> Result<Option<Arc<LayerIndex>>, AssembleError> {
    let mut entries: BTreeMap<Vec<u8>, (Entry, Content)> = BTreeMap::new();
    for (path, (entry, bytes)) in made {
        entries.insert(path, (entry, Content::Here(bytes)));
    }
    for file in &context.spec.files {
        let (entry, content) = asked_for(context, file)?;
        entries.insert(entry.path.clone(), (entry, content));
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let mut layer = Last::new(context, tree, epoch)?;
    for (entry, content) in entries.into_values() {
        layer.put(entry, content)?;
    }
    layer.finish(context).map(Some)
}

/// A file of `image.toml`.
fn asked_for(
    context: &AssembleContext<'_>,
    file: &FileSpec,
) -> Result<(Entry, Content), AssembleError> {
    let path = clean_path(file.path.as_bytes()).map_err(|_| AssembleError::Entry {
        package: "image.toml".to_owned(),
        path: file.path.clone(),
        reason: "it is no path",
    })?;
    let mut default_mode = 0o644;
    let (kind, content) = if let Some(target) = &file.link {
        default_mode = 0o777;
        let target = target.as_bytes().to_vec();
        (Kind::Symlink { target }, Content::Here(vec![]))
    } else if let Some(from) = &file.source {
        let from = context.directory.join(from);
        let unreadable = |source| AssembleError::Source {
            path: file.path.clone(),
            from: from.clone(),
            source,
        };
        let opened = File::open(&from).map_err(unreadable)?;
        let data = opened.metadata().map_err(unreadable)?;
        if !data.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a file")));
        }
        if is_executable(&data) {
            default_mode = 0o755;
        }
        (Kind::File { size: data.len() }, Content::In(opened))
    } else if let Some(text) = &file.content {
        let bytes = text.as_bytes().to_vec();
        let size = bytes.len() as u64;
        (Kind::File { size }, Content::Here(bytes))
    } else {
        default_mode = 0o755;
        (Kind::Directory, Content::Here(vec![]))
    };
    let entry = Entry {
        mode: file.mode.unwrap_or(default_mode),
        uid: file.uid,
        gid: file.gid,
        ..Entry::new(path, kind)
    };
    Ok((entry, content))
}

/// Whether its owner may run it.
#[cfg(unix)]
fn is_executable(data: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o100 != 0
}

/// Elsewhere files do not say.
#[cfg(not(unix))]
fn is_executable(_data: &std::fs::Metadata) -> bool {
    false
}

/// A layer of files that are at hand one by one.
pub(super) struct Last<'a> {
    writer: LayerWriter<BlobWriter>,
    tree: &'a Tree,
    epoch: i64,
    /// What was written, and whether it is a directory.
    directories: BTreeMap<Vec<u8>, bool>,
}

impl<'a> Last<'a> {
    /// One that goes over `tree`.
    pub(super) fn new(
        context: &AssembleContext<'_>,
        tree: &'a Tree,
        epoch: i64,
    ) -> Result<Self, AssembleError> {
        Ok(Self {
            writer: context.store.layer_writer(context.lease)?,
            tree,
            epoch,
            directories: BTreeMap::new(),
        })
    }

    /// Completes it.
    pub(super) fn finish(
        self,
        context: &AssembleContext<'_>,
    ) -> Result<Arc<LayerIndex>, AssembleError> {
        Ok(context.store.commit_layer(context.lease, self.writer)?)
    }

    /// Adds an entry, with the directories above it. Of several, those above come first.
    pub(super) fn put(&mut self, mut entry: Entry, content: Content) -> Result<(), AssembleError> {
        self.parents(&entry)?;
        entry.mtime = Time::from_seconds(self.epoch);
        self.directories
            .insert(entry.path.clone(), entry.kind == Kind::Directory);
        let mut reader: Box<dyn Read> = match content {
            Content::Here(bytes) => Box::new(std::io::Cursor::new(bytes)),
            Content::In(file) => Box::new(file),
        };
        let written = match entry.kind {
            Kind::File { .. } => self.writer.file(&entry, &mut reader).map(drop),
            _ => self.writer.entry(&entry),
        };
        written.map_err(|source| AssembleError::Layer {
            layer: format!("/{}", entry.display_path()),
            source,
        })
    }

    /// The directories above, as the packages have them; new ones are root's.
    fn parents(&mut self, entry: &Entry) -> Result<(), AssembleError> {
        let path = &entry.path;
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (at, _) in slashes {
            let parent = &path[..at];
            match self.directories.get(parent) {
                Some(true) => continue,
                Some(false) => return Err(not_inside(entry)),
                None => {}
            }
            let directory = match self.tree.get(parent) {
                Some(node) if node.is_directory() => Entry {
                    path: parent.to_vec(),
                    ..node.entry().clone()
                },
                Some(_) => return Err(not_inside(entry)),
                None => Entry {
                    mtime: Time::from_seconds(self.epoch),
                    ..Entry::directory(parent, 0o755)
                },
            };
            self.directories.insert(parent.to_vec(), true);
            self.writer
                .entry(&directory)
                .map_err(|source| AssembleError::Layer {
                    layer: format!("/{}", directory.display_path()),
                    source,
                })?;
        }
        Ok(())
    }
}

fn not_inside(entry: &Entry) -> AssembleError {
    AssembleError::Entry {
        package: "image.toml".to_owned(),
        path: format!("/{}", entry.display_path()),
        reason: "what it is in is no directory in the image: name the place that the link leads to",
    }
}
