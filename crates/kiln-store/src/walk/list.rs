//! Lists a directory tree on all cores.
//!
//! A directory is the unit of work: opened by path below the root, so that open directories do not
//! pile up with depth, read, and every name looked at with `statx`. Each directory yields its own
//! children; they are put in order at the end, which needs no sort of the whole.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

use kiln_layer::entry::{MAX_PATH, join_path};
use kiln_layer::{Entry, Kind, Time};
use rayon::Scope;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, StatxTimestamp,
    makedev, openat2, readlinkat, statx,
};

use super::{Decision, Stamp, State, Walk, WalkError, open_root};

/// Says what becomes of a path; the flag tells directories.
type Filter<'a> = dyn Fn(&[u8], bool) -> Decision + Sync + 'a;

/// Lists all below `root` that `filter` includes. It is asked with paths below the root and whether
/// they are directories, from several threads. Sockets are left out.
///
/// # Errors
/// Names the path that could not be read. What disappears while the walk goes on is left out.
pub fn walk(root: &Path, filter: &Filter<'_>) -> Result<Walk, WalkError> {
    let began = SystemTime::now();
    let directory = open_root(root)?;
    let walker = Walker {
        root,
        directory: directory.as_fd(),
        filter,
        listed: Mutex::new(HashMap::new()),
        failure: Mutex::new(None),
    };
    rayon::scope(|scope| walker.visit(scope, Vec::new()));
    let failure = walker
        .failure
        .into_inner()
        .expect("because no thread panics with it");
    if let Some(error) = failure {
        return Err(error);
    }
    let listed = walker
        .listed
        .into_inner()
        .expect("because no thread panics with it");
    let mut entries = in_order(listed);
    link_names(&mut entries);
    let split = |child: Child| {
        let (stamp, is_file) = (child.stamp, child.is_file);
        (child.entry, State { stamp, is_file })
    };
    let (entries, states) = entries.into_iter().map(split).unzip();
    Ok(Walk {
        root: root.to_path_buf(),
        directory,
        entries,
        states,
        places: OnceLock::new(),
        began,
        fingerprint: OnceLock::new(),
        memo: Mutex::default(),
    })
}

/// A child of a directory.
struct Child {
    entry: Entry,
    stamp: Stamp,
    links: u32,
    /// Whether it is a regular file, by this name or another.
    is_file: bool,
    /// Only here if something below it is.
    is_passage: bool,
}

struct Walker<'a> {
    root: &'a Path,
    directory: BorrowedFd<'a>,
    filter: &'a Filter<'a>,
    /// Children by their directory's path.
    listed: Mutex<HashMap<Vec<u8>, Vec<Child>>>,
    failure: Mutex<Option<WalkError>>,
}

impl<'a> Walker<'a> {
    fn visit<'s>(&'s self, scope: &Scope<'s>, path: Vec<u8>)
    where
        'a: 's,
    {
        if self
            .failure
            .lock()
            .expect("because no thread panics with it")
            .is_some()
        {
            return;
        }
        match self.list(&path) {
            Ok(children) => {
                let directories = children.iter().filter(|child| is_directory(child));
                for child in directories {
                    let path = child.entry.path.clone();
                    scope.spawn(|scope| self.visit(scope, path));
                }
                let mut listed = self
                    .listed
                    .lock()
                    .expect("because no thread panics with it");
                listed.insert(path, children);
            }
            Err(error) => {
                let mut failure = self
                    .failure
                    .lock()
                    .expect("because no thread panics with it");
                failure.get_or_insert(error);
            }
        }
    }

    /// The children of the directory at `path`, sorted.
    fn list(&self, path: &[u8]) -> Result<Vec<Child>, WalkError> {
        let Some(directory) = self.open(path)? else {
            return Ok(Vec::new());
        };
        let failed = |action, path: &[u8]| WalkError::io(action, self.root, path);
        let mut buffer = [MaybeUninit::uninit(); 32 << 10];
        let mut names = RawDir::new(&directory, &mut buffer);
        let mut children = Vec::new();
        while let Some(entry) = names.next() {
            let entry = entry.map_err(failed("list", path))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || entry.file_type() == FileType::Socket {
                continue;
            }
            let child_path = join_path(path, name);
            if child_path.len() > MAX_PATH {
                return Err(WalkError::too_long(self.root, &child_path));
            }
            children.extend(self.child(directory.as_fd(), name, child_path)?);
        }
        children.sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Ok(children)
    }

    fn open(&self, path: &[u8]) -> Result<Option<OwnedFd>, WalkError> {
        use rustix::io::Errno;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let below = if path.is_empty() { b"." } else { path };
        loop {
            return match openat2(self.directory, below, flags, Mode::empty(), resolve) {
                Ok(directory) => Ok(Some(directory)),
                // Something was renamed at the same time.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                // Removed or replaced since its own directory was read.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
                Err(errno) => Err(WalkError::io("open", self.root, path)(errno)),
            };
        }
    }

    fn child(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        path: Vec<u8>,
    ) -> Result<Option<Child>, WalkError> {
        use rustix::io::Errno;
        let failed = |action| WalkError::io(action, self.root, &path);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = match statx(directory, name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed("look at")(errno)),
        };
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let is_passage = match (self.filter)(&path, kind == FileType::Directory) {
            Decision::Include => false,
            Decision::Descend if kind == FileType::Directory => true,
            Decision::Descend | Decision::Skip => return Ok(None),
        };
        let kind = match kind {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => Kind::File {
                size: stat.stx_size,
            },
            FileType::Symlink => match readlinkat(directory, name, Vec::new()) {
                Ok(target) => Kind::Symlink {
                    target: target.into_bytes(),
                },
                Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
                Err(errno) => return Err(failed("read the link")(errno)),
            },
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice => Kind::Char {
                major: stat.stx_rdev_major,
                minor: stat.stx_rdev_minor,
            },
            FileType::BlockDevice => Kind::Block {
                major: stat.stx_rdev_major,
                minor: stat.stx_rdev_minor,
            },
            _ => return Ok(None),
        };
        Ok(Some(Child {
            stamp: stamp(&stat),
            links: stat.stx_nlink,
            is_file: matches!(kind, Kind::File { .. }),
            is_passage,
            entry: Entry {
                mode: u32::from(stat.stx_mode) & 0o7777,
                mtime: Time {
                    seconds: stat.stx_mtime.tv_sec,
                    nanos: stat.stx_mtime.tv_nsec,
                },
                ..Entry::new(path, kind)
            },
        }))
    }
}

fn is_directory(child: &Child) -> bool {
    child.entry.kind == Kind::Directory
}

pub(super) fn stamp(stat: &Statx) -> Stamp {
    let nanos =
        |time: &StatxTimestamp| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    Stamp {
        device: makedev(stat.stx_dev_major, stat.stx_dev_minor),
        inode: stat.stx_ino,
        size: stat.stx_size,
        mtime: nanos(&stat.stx_mtime),
        ctime: nanos(&stat.stx_ctime),
    }
}

/// All children, directories before what is in them. A passage stays only if something below it does.
fn in_order(mut listed: HashMap<Vec<u8>, Vec<Child>>) -> Vec<Child> {
    let mut children = |path: &[u8]| listed.remove(path).unwrap_or_default().into_iter();
    let mut all: Vec<Child> = Vec::new();
    let mut open = vec![children(b"")];
    let mut passages: Vec<(usize, Child)> = Vec::new();
    while let Some(siblings) = open.last_mut() {
        let Some(child) = siblings.next() else {
            open.pop();
            // The passage that led here, if nothing used it.
            let depth = open.len();
            passages.pop_if(|(at, _)| *at == depth);
            continue;
        };
        let depth = open.len();
        let below = is_directory(&child).then(|| children(&child.entry.path));
        if child.is_passage {
            passages.push((depth, child));
        } else {
            all.extend(passages.drain(..).map(|(_, passage)| passage));
            all.push(child);
        }
        open.extend(below);
    }
    all
}

/// Makes the second and later names of a file hard links to the first.
fn link_names(entries: &mut [Child]) {
    let mut first_names: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    for child in entries
        .iter_mut()
        .filter(|child| child.links > 1 && !is_directory(child))
    {
        let Child { entry, stamp, .. } = child;
        match first_names.get(&(stamp.device, stamp.inode)) {
            Some(first) => {
                entry.kind = Kind::Hardlink {
                    target: first.clone(),
                }
            }
            None => {
                first_names.insert((stamp.device, stamp.inode), entry.path.clone());
            }
        }
    }
}
