//! What stays and what goes, in numbers.

use std::collections::BTreeMap;

use kiln_layer::Tree;
use serde::Serialize;

use super::packages::Owners;
use super::{SlimMode, SlimPlan};

/// What was kept and removed, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SlimReport {
    /// The version of this document's shape.
    pub schema: u32,
    /// How far it went.
    pub mode: SlimMode,
    /// What stays, by reason, the largest first.
    pub kept: Vec<Stayed>,
    /// What goes, by package or directory, the largest first.
    pub removed: Vec<Gone>,
    /// Libraries that a program names and that the image does not have.
    pub missing_libraries: Vec<String>,
}

/// What stays for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stayed {
    /// The reason.
    pub why: String,
    /// Files and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// What goes of one package or directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// The package, or the directory with a slash at its beginning.
    pub group: String,
    /// Files and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// The package that a path belongs to; else the first two directories above it.
pub(super) fn group_of(owners: &Owners, path: &[u8]) -> String {
    if let Some(owner) = owners.owner(path) {
        return owner.to_owned();
    }
    let path = String::from_utf8_lossy(path);
    let mut parts = path.split('/').collect::<Vec<_>>();
    parts.pop();
    parts.truncate(3);
    format!("/{}", parts.join("/"))
}

pub(super) fn report(tree: &Tree, plan: &SlimPlan, owners: &Owners) -> SlimReport {
    let mut kept: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut removed: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for (path, node) in tree.walk(b"") {
        if node.is_directory() {
            continue;
        }
        let size = if seen.insert(node.inode()) {
            node.indexed().size()
        } else {
            0
        };
        let sum = match plan.kept.get(&path) {
            // One reason for each file would be no summary.
            Some(why) if why.starts_with("needed by") => kept.entry("libraries".to_owned()),
            Some(why) if why.starts_with("may be opened by") => {
                kept.entry("libraries that may be opened by name".to_owned())
            }
            Some(why) if why.starts_with("named in /") => {
                kept.entry("named in scripts and settings".to_owned())
            }
            Some(why) => kept.entry(why.clone()),
            None => removed.entry(group_of(owners, &path)),
        };
        let sum = sum.or_default();
        sum.0 += 1;
        sum.1 += size;
    }
    let mut report = SlimReport {
        schema: 1,
        mode: plan.mode,
        kept: vec![],
        removed: vec![],
        missing_libraries: plan.missing_libraries.clone(),
    };
    for (why, (entries, bytes)) in kept {
        report.kept.push(Stayed {
            why,
            entries,
            bytes,
        });
    }
    for (group, (entries, bytes)) in removed {
        report.removed.push(Gone {
            group,
            entries,
            bytes,
        });
    }
    report.kept.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    report
        .removed
        .sort_by_key(|row| std::cmp::Reverse(row.bytes));
    report
}
