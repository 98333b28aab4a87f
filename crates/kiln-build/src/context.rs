//! Build contexts, seen as trees: directories of the person who builds, filtered by `.dockerignore`, archives,
//! and what was fetched from the web. Opened once, when the first instruction asks; files are read only where a
//! COPY really uses them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use kiln_dockerfile::ignore::IgnoreFile;
use kiln_layer::{Entry, IndexEntry, Kind, Tree};
use kiln_oci::Digest;
use kiln_store::Lease;
use kiln_store::Store;
use kiln_store::walk::{self, Walk};

use crate::add::archive::ArchiveFiles;
use crate::error::{StepError, full};
use crate::files::{Files, ReadError, SingleFile, tree_of};
use crate::options::{BuildContext, ContextSource};
use crate::remote::{Fetcher, RemoteContext};
use crate::state::Trees;

/// The name of a context that is one downloaded file. Source: BuildKit, `frontend/dockerui/context.go`.
const ONLY_FILE: &[u8] = b"context";

/// All directory contexts of a build, by name; the main one has no name.
pub(crate) struct Contexts<'a> {
    all: BTreeMap<Option<String>, Lazy<'a>>,
}

struct Lazy<'a> {
    fetcher: Fetcher<'a>,
    steps: &'a AtomicUsize,
    source: ContextSource,
    ignore: Option<Vec<u8>>,
    place: String,
    opened: OnceLock<Result<Arc<dyn Files + 'a>, String>>,
}

impl<'a> Contexts<'a> {
    /// What is fetched for them belongs to `lease`; `steps` gives the fetching its number.
    pub(crate) fn new(build: &BuildContext<'a>, lease: &'a Lease, steps: &'a AtomicUsize) -> Self {
        let fetcher = Fetcher {
            store: build.store,
            lease,
            client: build.client,
            observer: build.observer,
            cancel: build.cancel,
            git_ssh: build.git_ssh,
        };
        let lazy = |source: &ContextSource, ignore: Option<&[u8]>, place: String| Lazy {
            fetcher,
            steps,
            source: source.clone(),
            ignore: ignore.map(<[u8]>::to_vec),
            place,
            opened: OnceLock::new(),
        };
        let mut all = BTreeMap::new();
        all.insert(
            None,
            lazy(build.context, build.ignore, "the build context".to_owned()),
        );
        for (name, source) in build.named {
            all.insert(
                Some(name.clone()),
                lazy(source, None, format!("the context `{name}`")),
            );
        }
        Self { all }
    }

    /// The files of a context; the main one for `None`.
    ///
    /// # Errors
    /// If its directory cannot be walked.
    pub(crate) fn files(&self, name: Option<&str>) -> Result<Arc<dyn Files + 'a>, StepError> {
        let lazy = self.all.get(&name.map(str::to_owned)).ok_or_else(|| {
            StepError::Missing(format!(
                "there is no context `{}`",
                name.unwrap_or_default()
            ))
        })?;
        let opened = lazy.opened.get_or_init(|| lazy.open());
        opened.clone().map_err(StepError::Missing)
    }
}

impl<'a> Lazy<'a> {
    fn open(&self) -> Result<Arc<dyn Files + 'a>, String> {
        match &self.source {
            ContextSource::Remote(remote) => self.open_fetched(&self.fetch(remote)?),
            ContextSource::Directory(root) => self.open_directory(root),
            other => self.open_fetched(other),
        }
    }

    fn fetch(&self, remote: &RemoteContext) -> Result<ContextSource, String> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("[context] load {}", remote.shown());
        let fetched = self.fetcher.fetch(step, &name, remote);
        fetched.map_err(|error| format!("cannot get {}: {}", self.place, full(&error)))
    }

    /// What is neither a directory nor still to be fetched.
    fn open_fetched(&self, source: &ContextSource) -> Result<Arc<dyn Files + 'a>, String> {
        let store = self.fetcher.store;
        Ok(match source {
            ContextSource::Archive(path) => return self.open_archive(path),
            ContextSource::Repository(repository) => {
                let files = repository.files(store, &Trees::new(store));
                Arc::new(files.map_err(|error| full(&error))?)
            }
            ContextSource::File(file) => {
                Arc::new(SingleFile::new(file.clone(), ONLY_FILE.to_vec()))
            }
            ContextSource::Directory(_)
            | ContextSource::Remote(_)
            | ContextSource::Image(_)
            | ContextSource::Empty => Arc::new(Directory::empty(self.place.clone())),
        })
    }

    fn open_directory(&self, root: &Path) -> Result<Arc<dyn Files + 'a>, String> {
        let ignore = match &self.ignore {
            Some(bytes) => Some(bytes.clone()),
            None => read_ignore_file(root),
        };
        let ignore = IgnoreFile::parse(&ignore.unwrap_or_default())
            .map_err(|error| format!("{error} in the ignore file of {}", self.place))?;
        let filter = |path: &[u8], is_directory: bool| {
            let path = String::from_utf8_lossy(path);
            if !ignore.is_ignored(&path, is_directory) {
                walk::Decision::Include
            } else if is_directory && ignore.may_contain_included(&path) {
                walk::Decision::Descend
            } else {
                walk::Decision::Skip
            }
        };
        let walked = walk::walk(root, &filter).map_err(|error| full(&error))?;
        Ok(Arc::new(Directory::new(
            self.fetcher.store,
            self.place.clone(),
            walked,
        )))
    }
}

impl<'a> Lazy<'a> {
    fn open_archive(&self, path: &Path) -> Result<Arc<dyn Files + 'a>, String> {
        let content = fs::File::open(path).map_err(|error| full(&error))?;
        let files =
            ArchiveFiles::unpack(self.place.clone(), content, &path.with_extension("plain"))
                .map_err(|error| full(&*error))?;
        Ok(Arc::new(files.owned_by_root()))
    }
}

/// `.dockerignore`, else buildah's `.containerignore`.
fn read_ignore_file(root: &Path) -> Option<Vec<u8>> {
    [".dockerignore", ".containerignore"]
        .iter()
        .find_map(|name| fs::read(root.join(name)).ok())
}

/// A walked directory as a place to copy from.
pub(crate) struct Directory<'a> {
    store: Option<&'a Store>,
    place: String,
    /// Made when it is first asked for: an unchanged context is known by its fingerprint.
    tree: OnceLock<Tree>,
    walked: Option<Walk>,
    /// Whether the tree is another than the walk found.
    is_changed: bool,
}

impl<'a> Directory<'a> {
    /// A place with nothing in it.
    fn empty(place: String) -> Self {
        Self {
            store: None,
            place,
            tree: OnceLock::from(Tree::new()),
            walked: None,
            is_changed: false,
        }
    }

    fn new(store: &'a Store, place: String, walked: Walk) -> Self {
        Self {
            store: Some(store),
            place,
            tree: OnceLock::new(),
            walked: Some(walked),
            is_changed: false,
        }
    }

    fn make_tree(&self) -> Tree {
        let entries = self.walked.iter().flat_map(|walked| &walked.entries);
        let indexed = |entry: &Entry| IndexEntry {
            entry: entry.clone(),
            content: None,
            offset: 0,
            extents: vec![],
            kept: None,
        };
        tree_of(entries.map(indexed).collect())
    }

    /// Walks all of `root`, ignore files included.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub(crate) fn open(
        store: &'a Store,
        root: &Path,
        place: String,
    ) -> Result<Self, walk::WalkError> {
        let walked = walk::walk(root, &|_, _| walk::Decision::Include)?;
        Ok(Self::new(store, place, walked))
    }

    /// The same files with the modes that git knows, whatever the umask of the checkout: files may be executable,
    /// directories may be searched, and everyone may read. What nobody may write (git's own objects) stays so.
    pub(crate) fn with_git_modes(mut self) -> Self {
        let mut index = kiln_layer::LayerIndex::clone(&self.tree().layers()[0]);
        for indexed in &mut index.entries {
            let entry = &mut indexed.entry;
            entry.mode = match &entry.kind {
                Kind::Directory => 0o755,
                Kind::File { .. } if entry.mode & 0o100 != 0 => 0o755,
                Kind::File { .. } if entry.mode & 0o200 == 0 => 0o444,
                Kind::File { .. } => 0o644,
                _ => entry.mode,
            };
        }
        let tree = Tree::of([&Arc::new(index)]);
        let tree = tree.expect("because modes decide nothing about places");
        self.tree = OnceLock::from(tree);
        self.is_changed = true;
        self
    }
}

impl Files for Directory<'_> {
    fn tree(&self) -> &Tree {
        self.tree.get_or_init(|| self.make_tree())
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn fingerprint(&self) -> Option<Digest> {
        let walked = self.walked.as_ref().filter(|_| !self.is_changed);
        walked?.fingerprint()
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError> {
        let (Some(store), Some(walked)) = (self.store, &self.walked) else {
            return Ok(vec![]);
        };
        store
            .context_digests(walked, paths)
            .map_err(|error| ReadError {
                path: error.path.display().to_string(),
                place: self.place(),
                source: error.source,
            })
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let walked = self.walked.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let size = self
            .tree()
            .get(path)
            .map_or(0, |node| node.indexed().size());
        // A file that grows while it is read is taken as it was when the context was walked.
        Ok(Box::new(walked.open(path)?.take(size)))
    }

    fn reproducible_time(&self, epoch: i64) -> Option<i64> {
        Some(epoch)
    }
}
