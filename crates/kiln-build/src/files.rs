//! Where COPY and ADD take files from: the build context, another stage, an archive, a heredoc. All of
//! them are a tree of entries plus a way to the bytes, so that choosing and placing files is written once.

use std::io::{self, Read};
use std::sync::Arc;

use kiln_layer::{ContentAt, Entry, IndexEntry, Kind, LayerIndex, Time, Tree};
use kiln_oci::Digest;

use crate::remote::WebFile;

/// Failure to read a file that is to be copied.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}` of {place}")]
pub struct ReadError {
    /// The file, within the place.
    pub path: String,
    /// The place: "the build context", "stage builder".
    pub place: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A tree of files whose bytes can be had.
pub(crate) trait Files: Send + Sync {
    /// What is there.
    fn tree(&self) -> &Tree;

    /// The place, for messages.
    fn place(&self) -> String;

    /// Digests of the contents of the regular files at `paths`, in that order.
    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError>;

    /// A digest that stays the same only as long as all of it does, if there is one that is quicker to have than
    /// the files themselves.
    fn fingerprint(&self) -> Option<Digest> {
        None
    }

    /// The bytes of the regular file at `path`.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + Send>>;

    /// The time that every copied entry gets in a reproducible build with this epoch; `None` keeps the
    /// entry's own, but at most the epoch. Context files get the epoch itself, since their times are an
    /// accident of the checkout.
    fn reproducible_time(&self, _epoch: i64) -> Option<i64> {
        None
    }
}

impl dyn Files + '_ {
    /// A [`ReadError`] about `path`.
    pub(crate) fn read_error(&self, path: &[u8], source: io::Error) -> ReadError {
        ReadError {
            path: String::from_utf8_lossy(path).into_owned(),
            place: self.place(),
            source,
        }
    }
}

/// The files of an image or a finished stage: layers in the store.
pub(crate) struct LayerFiles<C> {
    place: String,
    tree: Tree,
    content: C,
}

impl<C: ContentAt> LayerFiles<C> {
    /// `tree` is the merged view of layers whose bytes `content` has.
    pub(crate) fn new(place: String, tree: Tree, content: C) -> Self {
        Self {
            place,
            tree,
            content,
        }
    }
}

impl<C: ContentAt + Send + Sync> Files for LayerFiles<C> {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError> {
        known_digests(self, paths)
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let node = self.tree.get(path).ok_or(io::ErrorKind::NotFound)?;
        let layer = node.diff_id().ok_or(io::ErrorKind::InvalidInput)?;
        self.content.open_at(layer, node.indexed())
    }
}

/// The digests that the tree itself knows.
pub(crate) fn known_digests(
    files: &dyn Files,
    paths: &[Vec<u8>],
) -> Result<Vec<Digest>, ReadError> {
    let digest = |path: &Vec<u8>| {
        let known = files
            .tree()
            .get(path)
            .and_then(|node| node.content().copied());
        known.ok_or_else(|| files.read_error(path, io::ErrorKind::NotFound.into()))
    };
    paths.iter().map(digest).collect()
}

/// Files that exist only in memory: the heredocs of one instruction.
pub(crate) struct MemoryFiles {
    tree: Tree,
    contents: Vec<(Vec<u8>, Vec<u8>)>,
}

impl MemoryFiles {
    /// Files by name. They get mode 0644 and belong to root.
    pub(crate) fn new(contents: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let entries = contents.iter().map(|(name, content)| IndexEntry {
            entry: Entry {
                mode: 0o644,
                ..Entry::new(
                    name.clone(),
                    Kind::File {
                        size: content.len() as u64,
                    },
                )
            },
            content: Some(Digest::sha256(content)),
            offset: 0,
            extents: vec![],
            kept: None,
        });
        let tree = tree_of(entries.collect());
        Self { tree, contents }
    }
}

impl Files for MemoryFiles {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> String {
        "a heredoc".to_owned()
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError> {
        known_digests(self, paths)
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let found = self.contents.iter().find(|(name, _)| name == path);
        let (_, content) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(content.clone())))
    }

    fn reproducible_time(&self, epoch: i64) -> Option<i64> {
        Some(epoch)
    }
}

/// One downloaded file.
pub(crate) struct SingleFile {
    tree: Tree,
    file: WebFile,
}

impl SingleFile {
    /// The file, to be seen under `name`, with mode 0600 as ADD gives it.
    pub(crate) fn new(file: WebFile, name: Vec<u8>) -> Self {
        let entry = Entry {
            mode: 0o600,
            mtime: Time::from_seconds(file.mtime),
            ..Entry::new(name, Kind::File { size: file.size })
        };
        let entry = IndexEntry {
            entry,
            content: Some(file.digest),
            offset: 0,
            extents: vec![],
            kept: None,
        };
        Self {
            tree: tree_of(vec![entry]),
            file,
        }
    }
}

impl Files for SingleFile {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> String {
        kiln_fetch::redact(&self.file.url)
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError> {
        Ok(vec![self.file.digest; paths.len()])
    }

    fn open(&self, _: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(std::fs::File::open(&self.file.path)?))
    }
}

/// The tree of entries that are no layer and do not contradict each other.
pub(crate) fn tree_of(entries: Vec<IndexEntry>) -> Tree {
    let index = LayerIndex {
        diff_id: Digest::sha256(b""),
        size: 0,
        entries,
    };
    Tree::of([&Arc::new(index)]).expect("because files and directories of one place fit together")
}
