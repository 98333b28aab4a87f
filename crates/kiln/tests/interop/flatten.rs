//! An image archive as what can be compared: the merged tree, each layer's entries, and the config.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use kiln_layer::{Dialect, Kind, LayerIndex, TarReader, Tree, decompress, index_tar};
use serde_json::Value;

/// One path of the merged tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// `file`, `directory`, `symbolic link` …
    pub(crate) kind: &'static str,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Bytes of a file.
    pub(crate) size: u64,
    /// Digest of a file's content.
    pub(crate) digest: Option<String>,
    /// Where a symbolic link leads, or a device's numbers.
    pub(crate) target: String,
    /// Other paths of the same file.
    pub(crate) links: Vec<String>,
    pub(crate) xattrs: BTreeMap<String, String>,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
}

/// An image, taken apart.
pub(crate) struct Flat {
    /// The merged tree by path, with `\xNN` for bytes that are not UTF-8.
    pub(crate) tree: BTreeMap<String, Node>,
    /// For each layer its diff id and its entries as `kind path`, sorted.
    pub(crate) layers: Vec<Layer>,
    /// The config as it was written.
    pub(crate) config: Value,
    /// The manifest as it was written.
    pub(crate) manifest: Value,
    /// Digest of the manifest.
    pub(crate) digest: String,
}

/// What is in one layer.
pub(crate) struct Layer {
    pub(crate) diff_id: String,
    pub(crate) entries: Vec<String>,
}

/// Reads an OCI layout that was put into a tar archive.
pub(crate) fn read_archive(path: &Path) -> Result<Flat, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let mut members = BTreeMap::new();
    let mut archive = TarReader::new(file, Dialect::Archive);
    while let Some(entry) = archive.next_entry().map_err(|error| wrong(&error))? {
        if matches!(entry.kind, Kind::File { .. }) {
            let mut bytes = Vec::new();
            archive
                .read_to_end(&mut bytes)
                .map_err(|error| wrong(&error))?;
            members.insert(entry.display_path().into_owned(), bytes);
        }
    }
    flatten(&members).map_err(|error| wrong(&error))
}

fn flatten(members: &BTreeMap<String, Vec<u8>>) -> Result<Flat, String> {
    let member = |name: &str| {
        members
            .get(name)
            .ok_or_else(|| format!("there is no {name}"))
    };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"]
            .as_str()
            .ok_or("a descriptor without digest")?;
        let bytes = member(&format!("blobs/{}", digest.replace(':', "/")))?;
        let really = kiln_oci::Digest::sha256(bytes).to_string();
        if really != digest || descriptor["size"] != bytes.len() {
            return Err(format!(
                "{digest} is in truth {really} of {} bytes",
                bytes.len()
            ));
        }
        Ok(bytes)
    };
    let parse = |bytes: &[u8]| -> Result<Value, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    };
    let mut descriptor = parse(member("index.json")?)?["manifests"][0].clone();
    let mut manifest = parse(blob(&descriptor)?)?;
    if let Some(first) = manifest["manifests"].get(0) {
        descriptor = first.clone();
        manifest = parse(blob(&descriptor)?)?;
    }
    let config = parse(blob(&manifest["config"])?)?;
    let mut indexes = Vec::new();
    // BuildKit writes null when there are none.
    for layer in manifest["layers"].as_array().map_or(&[][..], Vec::as_slice) {
        let bytes = Cursor::new(blob(layer)?.clone());
        let (_, stream) = decompress(bytes).map_err(|error| error.to_string())?;
        let index = index_tar(stream, &mut std::io::sink()).map_err(|error| error.to_string())?;
        indexes.push(Arc::new(index));
    }
    Ok(Flat {
        tree: merge(&indexes)?,
        layers: indexes.iter().map(|index| outline(index)).collect(),
        digest: descriptor["digest"].as_str().unwrap_or_default().to_owned(),
        config,
        manifest,
    })
}

fn outline(index: &LayerIndex) -> Layer {
    let line = |entry: &kiln_layer::Entry| format!("{} /{}", entry.kind.name(), show(&entry.path));
    let mut entries: Vec<String> = index.entries.iter().map(|each| line(&each.entry)).collect();
    entries.sort();
    Layer {
        diff_id: index.diff_id.to_string(),
        entries,
    }
}

fn merge(layers: &[Arc<LayerIndex>]) -> Result<BTreeMap<String, Node>, String> {
    let tree = Tree::of(layers).map_err(|error| error.to_string())?;
    let mut by_inode: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (path, node) in tree.walk(b"") {
        by_inode
            .entry(node.inode())
            .or_default()
            .push(format!("/{}", show(&path)));
    }
    let nodes = tree.walk(b"").map(|(path, node)| {
        let path = format!("/{}", show(&path));
        let entry = node.entry();
        let target = match &entry.kind {
            Kind::Symlink { target } => show(target),
            Kind::Char { major, minor } | Kind::Block { major, minor } => {
                format!("{major}:{minor}")
            }
            _ => String::new(),
        };
        let links = &by_inode[&node.inode()];
        let flat = Node {
            kind: entry.kind.name(),
            mode: entry.mode,
            owner: (entry.uid, entry.gid),
            size: node.indexed().size(),
            digest: node.content().map(ToString::to_string),
            target,
            links: links
                .iter()
                .filter(|link| **link != path)
                .cloned()
                .collect(),
            xattrs: entry
                .xattrs
                .iter()
                .map(|(name, value)| (show(name), hex(value)))
                .collect(),
            mtime: entry.mtime.seconds,
        };
        (path, flat)
    });
    Ok(nodes.collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// UTF-8 as it is, other bytes as `\xNN`.
fn show(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
