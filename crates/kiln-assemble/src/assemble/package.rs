//! A package on its way from its archive into a layer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use kiln_layer::entry::{Time, split_path};
use kiln_layer::{Dialect, Entry, Kind, LayerIndex, LayerWriter, TarReader, decompress};
use kiln_oci::Hasher;
use kiln_packages::deb::{
    Deb, DebError, Md5, Package, PartKind, Relation, Stanza, conffiles, md5sums,
};
use kiln_store::BlobWriter;

use super::error::{AssembleError, ControlError};
use super::group::Group;
use super::overlap::Dropped;
use super::place::{is_dropped, placed};
use super::{AssembleContext, made};
use crate::lock::LockedPackage;
use crate::spec::Scripts;

/// The most bytes of one file in `control.tar`; the largest in Debian, a list of digests, has 5 MB.
const MAX_CONTROL_FILE: u64 = 64 << 20;
/// The most bytes of a compressed `control.tar`.
const MAX_CONTROL: u64 = 64 << 20;

/// A layer that was made of packages.
#[derive(Debug)]
pub(super) struct Sifted {
    pub(super) index: Arc<LayerIndex>,
    pub(super) packages: Vec<Contents>,
    /// Files that the last layer is made from, by their paths.
    pub(super) taken: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a package has in a layer.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) package: Package,
    /// All but directories.
    pub(super) files: Vec<Vec<u8>>,
    pub(super) directories: Vec<Vec<u8>>,
    replaces: Vec<Relation>,
    /// What dpkg's database has of it, where there will be one.
    pub(super) unpacked: Option<Unpacked>,
}

/// What dpkg's database has of a package that was unpacked.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The files of its `control.tar`.
    pub(super) control: Control,
    /// All its paths, as its archive has them, without a slash in front.
    pub(super) list: Vec<Vec<u8>>,
    /// Its configuration files and their MD5.
    pub(super) conffiles: Vec<(Vec<u8>, String)>,
}

/// Files of `control.tar` by their names.
pub(super) type Control = BTreeMap<Vec<u8>, ControlFile>;

/// A file of `control.tar`.
#[derive(Debug)]
pub(super) struct ControlFile {
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

impl Contents {
    /// A package of which nothing was seen yet.
    pub(super) fn of(package: Package) -> Self {
        Self {
            package,
            files: vec![],
            directories: vec![],
            replaces: vec![],
            unpacked: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.package.name
    }

    /// Whether it takes over files of `other`.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let mut replaces = self.replaces.iter();
        replaces.any(|relation| {
            relation.name == other.name() && relation.admits(&other.package.version)
        })
    }
}

/// Makes the layer of a group.
pub(super) fn write_group(
    context: &AssembleContext<'_>,
    group: &Group<'_>,
    dropped: &Dropped,
    epoch: i64,
) -> Result<Sifted, AssembleError> {
    let mut layer = LayerFiles {
        writer: context.store.layer_writer(context.lease)?,
        kinds: HashMap::new(),
        context,
        dropped,
        epoch,
        taken: BTreeMap::new(),
    };
    let mut packages = vec![];
    for package in &group.packages {
        packages.push(layer.add(package)?);
    }
    let LayerFiles { writer, taken, .. } = layer;
    let index = context.store.commit_layer(context.lease, writer)?;
    Ok(Sifted {
        index,
        packages,
        taken,
    })
}

/// A layer while packages are put into it.
struct LayerFiles<'a> {
    writer: LayerWriter<BlobWriter>,
    /// What is in the layer: whether it is a directory.
    kinds: HashMap<Vec<u8>, bool>,
    context: &'a AssembleContext<'a>,
    dropped: &'a Dropped,
    epoch: i64,
    taken: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl LayerFiles<'_> {
    fn add(&mut self, locked: &LockedPackage) -> Result<Contents, AssembleError> {
        let path = self.context.downloads.path(&locked.sha256);
        verify(locked, &path)?;
        let read = |source| AssembleError::Read {
            path: path.clone(),
            source,
        };
        let in_deb = |source| AssembleError::Deb {
            package: locked.name.clone(),
            source,
        };
        let file = BufReader::with_capacity(256 << 10, File::open(&path).map_err(read)?);
        let mut deb = Deb::open(file).map_err(in_deb)?;
        let runs = self.context.spec.scripts == Scripts::Run;
        let control = control(&mut deb, &locked.name, runs)?;
        let package = described(locked, &control)?;
        let mut contents = Contents {
            replaces: replaces(locked, &package)?,
            ..Contents::of(package)
        };
        let mut editable = HashSet::new();
        if let (true, Some(list)) = (runs, control.get(&b"conffiles"[..])) {
            let list = conffiles(&list.bytes);
            let list = list.map_err(|error| AssembleError::control(&locked.name, error))?;
            editable.extend(list);
        }
        contents.unpacked = runs.then(|| Unpacked {
            control: BTreeMap::new(),
            list: vec![],
            conffiles: vec![],
        });
        match deb.next_part().map_err(in_deb)? {
            Some(part) if part.kind == PartKind::Data => {}
            _ => return Err(in_deb(DebError::Truncated)),
        }
        let (_, data) = decompress(deb).map_err(|error| in_deb(error.into()))?;
        let tar = TarReader::new(data, Dialect::Archive);
        self.data(tar, &editable, &mut contents)?;
        match &mut contents.unpacked {
            Some(unpacked) => unpacked.control = control,
            None => self.status(&control, &mut contents)?,
        }
        Ok(contents)
    }

    fn data(
        &mut self,
        mut tar: TarReader<Box<dyn Read + Send>>,
        editable: &HashSet<Vec<u8>>,
        contents: &mut Contents,
    ) -> Result<(), AssembleError> {
        let name = contents.name().to_owned();
        let in_tar = |source| AssembleError::tar(&name, source);
        while let Some(mut entry) = tar.next_entry().map_err(in_tar)? {
            let stored = std::mem::take(&mut entry.path);
            entry.path = placed(stored.clone());
            let is_others = self.dropped.has(&name, &entry.path);
            // As dpkg does, what the wishes leave out stays in the list.
            if let Some(unpacked) = contents.unpacked.as_mut().filter(|_| !is_others) {
                unpacked.list.push(stored.clone());
            }
            if let Kind::Hardlink { target } = &mut entry.kind {
                *target = placed(std::mem::take(target));
            }
            let is_link_of_merge = entry.path.len() < 12
                && matches!(entry.kind, Kind::Symlink { .. })
                && entry
                    .path
                    .strip_prefix(b"usr/")
                    .is_some_and(|rest| super::place::MERGED.contains(&rest));
            let is_out = entry.path.is_empty()
                || is_link_of_merge
                || is_dropped(&entry.path, &self.context.spec.drop)
                || is_others;
            if is_out {
                continue;
            }
            self.check(&entry, &name)?;
            self.parents(&entry, contents)?;
            entry.mtime = Time::from_seconds(entry.mtime.seconds.min(self.epoch));
            if editable.contains(&stored) && matches!(entry.kind, Kind::File { .. }) {
                let mut content = Summed {
                    inner: &mut tar,
                    md5: Md5::default(),
                };
                self.put(&entry, &mut content, contents)?;
                let md5 = content.md5.finish();
                if let Some(unpacked) = &mut contents.unpacked {
                    unpacked.conffiles.push((stored, md5));
                }
            } else {
                self.put(&entry, &mut tar, contents)?;
            }
        }
        tar.drain().map_err(in_tar)
    }

    /// Refuses what would leave the directory that it seems to be in.
    fn check(&self, entry: &Entry, package: &str) -> Result<(), AssembleError> {
        let refuse = |reason| {
            Err(AssembleError::Entry {
                package: package.to_owned(),
                path: format!("/{}", entry.display_path()),
                reason,
            })
        };
        let mut parent = split_path(&entry.path).map(|(parent, _)| parent);
        while let Some(path) = parent.filter(|path| !path.is_empty()) {
            if self.kinds.get(path) == Some(&false) {
                return refuse("what it is in is no directory");
            }
            parent = split_path(path).map(|(parent, _)| parent);
        }
        match &entry.kind {
            Kind::Hardlink { target } if self.kinds.get(target) != Some(&false) => {
                refuse("it is a link to a file that is not there")
            }
            Kind::Char { .. } | Kind::Block { .. } => refuse("it is a device"),
            _ => Ok(()),
        }
    }

    /// Makes the directories above an entry that the layer does not have: of root's, open to all.
    fn parents(&mut self, entry: &Entry, contents: &mut Contents) -> Result<(), AssembleError> {
        let slashes = entry
            .path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/');
        for (at, _) in slashes {
            let path = &entry.path[..at];
            if !self.kinds.contains_key(path) {
                let directory = Entry {
                    mtime: Time::from_seconds(self.epoch),
                    ..Entry::directory(path, 0o755)
                };
                self.put(&directory, &mut std::io::empty(), contents)?;
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        entry: &Entry,
        content: &mut dyn Read,
        contents: &mut Contents,
    ) -> Result<(), AssembleError> {
        let is_directory = entry.kind == Kind::Directory;
        let list = match is_directory {
            true => &mut contents.directories,
            false => &mut contents.files,
        };
        list.push(entry.path.clone());
        match self.kinds.insert(entry.path.clone(), is_directory) {
            // The first to have a directory says how it is.
            Some(true) if is_directory => return Ok(()),
            // Two packages have it: found and told when all are read.
            Some(_) if !matches!(entry.kind, Kind::File { .. }) => return Ok(()),
            _ => {}
        }
        let in_layer = |source| AssembleError::Layer {
            layer: contents.package.name.clone(),
            source,
        };
        match entry.kind {
            Kind::File { size } if made::is_taken(&entry.path) && size <= made::MAX_TAKEN => {
                let mut bytes = vec![];
                let read = content.read_to_end(&mut bytes);
                read.map_err(|error| in_layer(read_error(error)))?;
                self.writer.file(entry, &mut &bytes[..]).map_err(in_layer)?;
                self.taken.insert(entry.path.clone(), bytes);
                Ok(())
            }
            Kind::File { .. } => self.writer.file(entry, content).map(drop).map_err(in_layer),
            _ => self.writer.entry(entry).map_err(in_layer),
        }
    }

    /// What scanners look for where there is no dpkg.
    fn status(&mut self, control: &Control, contents: &mut Contents) -> Result<(), AssembleError> {
        let name = contents.name().to_owned();
        let wishes = &self.context.spec.drop;
        let mut put = |suffix: &str, bytes: &[u8]| {
            let path = format!("var/lib/dpkg/status.d/{name}{suffix}");
            let entry = Entry {
                mode: 0o644,
                mtime: Time::from_seconds(self.epoch),
                ..Entry::new(
                    path,
                    Kind::File {
                        size: bytes.len() as u64,
                    },
                )
            };
            self.parents(&entry, contents)?;
            self.put(&entry, &mut &bytes[..], contents)
        };
        put("", contents_text(control).as_bytes())?;
        let Some(sums) = control.get(&b"md5sums"[..]) else {
            return Ok(());
        };
        let sums = md5sums(&sums.bytes).map_err(|error| AssembleError::control(&name, error))?;
        let mut kept = vec![];
        for (digest, path) in sums {
            if !is_dropped(&path, wishes) {
                kept.extend_from_slice(digest.as_bytes());
                kept.extend_from_slice(b"  ");
                kept.extend_from_slice(&path);
                kept.push(b'\n');
            }
        }
        put(".md5sums", &kept)
    }
}

fn read_error(error: std::io::Error) -> kiln_layer::LayerError {
    kiln_layer::LayerError::Output { source: error }
}

/// The text of `control`, with one line feed at its end.
fn contents_text(control: &Control) -> String {
    let text = control
        .get(&b"control"[..])
        .map_or(&b""[..], |file| &file.bytes);
    format!("{}\n", String::from_utf8_lossy(text).trim_end())
}

/// Reads the archive once through: nothing of it is looked at before its digest is known to be right.
fn verify(locked: &LockedPackage, path: &Path) -> Result<(), AssembleError> {
    let read = |source| AssembleError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(read)?;
    let mut hasher = Hasher::sha256();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer).map_err(read)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    match hasher.finish().hex() == locked.sha256 {
        true => Ok(()),
        false => Err(AssembleError::Damaged {
            package: locked.name.clone(),
            path: path.to_owned(),
        }),
    }
}

/// Computes a digest of what goes by.
struct Summed<'a> {
    inner: &'a mut dyn Read,
    md5: Md5,
}

impl Read for Summed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.md5.update(&buffer[..read]);
        Ok(read)
    }
}

/// The files of `control.tar`: all of them, or those that are needed where nothing runs.
fn control<R: Read>(deb: &mut Deb<R>, package: &str, all: bool) -> Result<Control, AssembleError> {
    let in_deb = |source| AssembleError::Deb {
        package: package.to_owned(),
        source,
    };
    let in_control = |source: ControlError| AssembleError::control(package, source);
    let in_tar = |source| AssembleError::tar(package, source);
    let part = deb
        .next_part()
        .map_err(in_deb)?
        .ok_or_else(|| in_deb(DebError::Truncated))?;
    let too_large = |name: &str, size| ControlError::TooLarge {
        name: name.to_owned(),
        size,
    };
    if part.size > MAX_CONTROL {
        return Err(in_control(too_large("control.tar", part.size)));
    }
    let mut bytes = vec![];
    deb.read_to_end(&mut bytes)
        .map_err(|error| in_deb(error.into()))?;
    let (_, plain) = decompress(Cursor::new(bytes)).map_err(|error| in_deb(error.into()))?;
    let mut tar = TarReader::new(plain, Dialect::Archive);
    let mut files = BTreeMap::new();
    while let Some(entry) = tar.next_entry().map_err(in_tar)? {
        let Kind::File { size } = entry.kind else {
            continue;
        };
        if size > MAX_CONTROL_FILE {
            return Err(in_control(too_large(&entry.display_path(), size)));
        }
        let is_needed = [&b"control"[..], b"md5sums"].contains(&&entry.path[..]);
        // A name becomes part of a file's name.
        let is_plain = !entry.path.is_empty() && !entry.path.contains(&b'/');
        if is_needed || (all && is_plain) {
            let mut bytes = vec![];
            tar.read_to_end(&mut bytes)
                .map_err(|error| in_deb(error.into()))?;
            let mode = entry.mode;
            files.insert(entry.path, ControlFile { mode, bytes });
        }
    }
    Ok(files)
}

/// The package that the archive says it is, which must be the one that was asked for.
fn described(locked: &LockedPackage, control: &Control) -> Result<Package, AssembleError> {
    let in_control = |source: ControlError| AssembleError::control(&locked.name, source);
    let text = control
        .get(&b"control"[..])
        .ok_or_else(|| in_control(ControlError::Missing))?;
    let stanza = Stanza::parse(&text.bytes).map_err(|error| in_control(error.into()))?;
    let package = Package::new(stanza).map_err(|error| in_control(error.into()))?;
    let fits = [locked.architecture.as_str(), "all"].contains(&package.architecture.as_str());
    if package.name != locked.name || package.version.as_str() != locked.version || !fits {
        return Err(AssembleError::OtherPackage {
            package: format!("{} {} {}", locked.name, locked.version, locked.architecture),
            found: format!(
                "{} {} {}",
                package.name, package.version, package.architecture
            ),
        });
    }
    Ok(package)
}

fn replaces(locked: &LockedPackage, package: &Package) -> Result<Vec<Relation>, AssembleError> {
    let relations = package
        .relations("Replaces")
        .map_err(|error| AssembleError::control(&locked.name, error))?;
    Ok(relations
        .0
        .into_iter()
        .flat_map(|alternatives| alternatives.0)
        .collect())
}
