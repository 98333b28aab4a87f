//! What the tests of snapshots share: a bench with layers in memory, and pictures of directories.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_layer::{Entry, Kind, LayerIndex, LayerWriter, Time};
use kiln_oci::Digest;
use kiln_store::snapshot::{Layers, Marks, Snapshot, Snapshots};

/// A directory of its own for one test, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        #[expect(
            clippy::disallowed_methods,
            reason = "`cargo xtask filesystems` says where"
        )]
        let parent = std::env::var_os("KILN_TEST_DIR").map(PathBuf::from);
        let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let path = parent.join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Snapshots over layers that the test makes.
pub(crate) struct Bench {
    pub(crate) scratch: Scratch,
    pub(crate) snapshots: Snapshots,
    pub(crate) layers: Shelf,
}

#[derive(Default)]
pub(crate) struct Shelf {
    all: HashMap<Digest, (Arc<LayerIndex>, PathBuf)>,
    pub(crate) tars_opened: AtomicUsize,
}

impl Layers for Shelf {
    fn index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, Box<dyn Error + Send + Sync>> {
        let found = self.all.get(diff_id).ok_or("no such layer")?;
        Ok(Arc::clone(&found.0))
    }

    fn tar(&self, diff_id: &Digest) -> Result<File, Box<dyn Error + Send + Sync>> {
        self.tars_opened.fetch_add(1, Ordering::Relaxed);
        let found = self.all.get(diff_id).ok_or("no such layer")?;
        Ok(File::open(&found.1)?)
    }
}

impl Bench {
    pub(crate) fn new(name: &str, marks: Marks) -> Self {
        let scratch = Scratch::new(name);
        for directory in ["snapshots", "work", "tars"] {
            fs::create_dir(scratch.path().join(directory)).unwrap();
        }
        let snapshots = Snapshots::new(scratch.path().join("snapshots"), marks);
        Self {
            scratch,
            snapshots,
            layers: Shelf::default(),
        }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.scratch.path().join("work")
    }

    /// Adds a layer of these entries. A file's content is its path, repeated to its size.
    pub(crate) fn layer(&mut self, entries: &[Entry]) -> Digest {
        let path = self
            .scratch
            .path()
            .join("tars")
            .join(self.layers.all.len().to_string());
        let mut writer = LayerWriter::new(File::create(&path).unwrap());
        for entry in entries {
            match entry.kind {
                Kind::File { size: 1.. } => {
                    writer.file(entry, &mut &content(entry)[..]).unwrap();
                }
                _ => writer.entry(entry).unwrap(),
            }
        }
        let (_, index) = writer.finish().unwrap();
        self.add(Arc::new(index), path)
    }

    pub(crate) fn add(&mut self, index: Arc<LayerIndex>, tar: PathBuf) -> Digest {
        let diff_id = index.diff_id;
        self.layers.all.insert(diff_id, (index, tar));
        diff_id
    }

    pub(crate) fn tar_of(&self, diff_id: &Digest) -> &Path {
        &self.layers.all[diff_id].1
    }

    pub(crate) fn snapshot(&self, chain: &[Digest]) -> Vec<Snapshot> {
        self.snapshots
            .snapshot(&self.layers, &self.work(), chain)
            .unwrap()
    }

    pub(crate) fn tree(&self, chain: &[Digest]) -> kiln_layer::Tree {
        kiln_layer::Tree::of(chain.iter().map(|diff_id| &self.layers.all[diff_id].0)).unwrap()
    }
}

pub(crate) fn content(entry: &Entry) -> Vec<u8> {
    match entry.kind {
        Kind::File { size } => entry
            .path
            .iter()
            .copied()
            .cycle()
            .take(size as usize)
            .collect(),
        _ => Vec::new(),
    }
}

/// An entry of the user who runs the test, at a fixed time.
fn own(path: &str, kind: Kind, mode: u32) -> Entry {
    Entry {
        mode,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        mtime: Time::from_seconds(1_000_000_000),
        ..Entry::new(path, kind)
    }
}

pub(crate) fn file(path: &str, size: u64) -> Entry {
    own(path, Kind::File { size }, 0o644)
}

pub(crate) fn dir(path: &str) -> Entry {
    own(path, Kind::Directory, 0o755)
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    own(
        path,
        Kind::Symlink {
            target: target.into(),
        },
        0o777,
    )
}

pub(crate) fn hardlink(path: &str, target: &str) -> Entry {
    own(
        path,
        Kind::Hardlink {
            target: target.into(),
        },
        0o644,
    )
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// One line per file below `root`, sorted: kind, path, mode, owner, time, size or target, names.
pub(crate) fn picture(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first_names = HashMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        let detail = if kind.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            format!("{} {}", bytes.len(), Digest::sha256(&bytes).short())
        } else if kind.is_char_device() || kind.is_block_device() {
            format!("device {:x}", metadata.rdev())
        } else {
            String::new()
        };
        let first = first_names
            .entry(metadata.ino())
            .or_insert_with(|| shown.clone());
        let linked = if kind.is_dir() || *first == shown {
            ""
        } else {
            "linked"
        };
        let owner = (metadata.mode(), metadata.uid(), metadata.gid());
        let time = (metadata.mtime(), metadata.mtime_nsec());
        let attributes = attributes(&path);
        lines.push(format!(
            "{shown} {:o} {}:{} {time:?} {detail} {linked} {attributes:?}",
            owner.0, owner.1, owner.2
        ));
        if kind.is_dir() {
            let mut children: Vec<PathBuf> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            children.sort();
            pending.extend(children.into_iter().rev());
        }
    }
    lines
}

fn attributes(path: &Path) -> Vec<String> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let own = names.filter(|name| !name.windows(9).any(|part| part == b".overlay."));
    let mut shown: Vec<String> = own
        .map(|name| {
            let mut value = vec![0; 4096];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            format!("{}={:?}", String::from_utf8_lossy(name), &value[..len])
        })
        .collect();
    shown.sort();
    shown
}
