//! The files of two images, as containers see them.

use kiln_layer::{Kind, Node, Tree};
use serde::Serialize;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the second image has it.
    Added,
    /// Only the first image has it.
    Removed,
    /// Its content is another: bytes, link target, kind.
    Modified,
    /// Only owner, mode, attributes or, if asked for, time are others.
    Metadata,
}

/// A path that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Where.
    pub path: String,
    /// How.
    pub change: Change,
    /// What is there, in the second image if it has it.
    pub kind: &'static str,
    /// Bytes in the first image.
    pub before: u64,
    /// Bytes in the second image.
    pub after: u64,
    /// Which facts differ, of `kind`, `content`, `target`, `device`, `mode`, `owner`, `attributes` and
    /// `time`; none for what only one image has.
    pub facts: Vec<&'static str>,
}

/// How many paths differ, and in how many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileTotals {
    /// Only in the second image.
    pub added: FileTotal,
    /// Only in the first image.
    pub removed: FileTotal,
    /// With another content.
    pub modified: FileTotal,
    /// With other metadata.
    pub metadata: FileTotal,
}

/// One sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileTotal {
    /// Paths, directories among them.
    pub paths: u64,
    /// Bytes in the first image.
    pub before: u64,
    /// Bytes in the second image.
    pub after: u64,
}

/// The paths that differ, in order, and their sums.
pub(super) fn compare(old: &Tree, new: &Tree, times: bool) -> (Vec<FileChange>, FileTotals) {
    let mut changes = vec![];
    let mut totals = FileTotals::default();
    old.compare(new, |path, before, after| {
        let facts = match (before, after) {
            (Some(before), Some(after)) => facts(before, after, times),
            _ => vec![],
        };
        let content = ["kind", "content", "target", "device"];
        let (change, total) = match (before, after) {
            (None, _) => (Change::Added, &mut totals.added),
            (_, None) => (Change::Removed, &mut totals.removed),
            _ if facts.is_empty() => return,
            _ if facts.iter().any(|fact| content.contains(fact)) => {
                (Change::Modified, &mut totals.modified)
            }
            _ => (Change::Metadata, &mut totals.metadata),
        };
        let bytes = |node: Option<Node<'_>>| node.map_or(0, |node| node.indexed().size());
        let there = after.or(before).map_or("", |node| node.entry().kind.name());
        let change = FileChange {
            path: String::from_utf8_lossy(path).into_owned(),
            change,
            kind: there,
            before: bytes(before),
            after: bytes(after),
            facts,
        };
        total.paths += 1;
        total.before += change.before;
        total.after += change.after;
        changes.push(change);
    });
    (changes, totals)
}

fn facts(before: Node<'_>, after: Node<'_>, times: bool) -> Vec<&'static str> {
    let (old, new) = (before.entry(), after.entry());
    let mut facts = vec![];
    let mut add = |differs: bool, fact| {
        if differs {
            facts.push(fact);
        }
    };
    let same_kind = old.kind.name() == new.kind.name();
    add(!same_kind, "kind");
    if same_kind && (old.kind != new.kind || before.content() != after.content()) {
        let fact = match new.kind {
            Kind::Symlink { .. } => "target",
            Kind::Char { .. } | Kind::Block { .. } => "device",
            _ => "content",
        };
        add(true, fact);
    }
    // Nobody looks at a link's own mode: Linux has none.
    let is_link = matches!(new.kind, Kind::Symlink { .. });
    add(same_kind && !is_link && old.mode != new.mode, "mode");
    add((old.uid, old.gid) != (new.uid, new.gid), "owner");
    add(old.xattrs != new.xattrs, "attributes");
    add(times && old.mtime != new.mtime, "time");
    facts
}
