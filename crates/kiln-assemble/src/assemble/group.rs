//! Which packages share a layer: those of one source package.
//!
//! What is built together is updated together, so a layer changes only when something in it does, and two
//! images with the same packages of a source share its layer. The largest groups keep theirs when there
//! are more than layers allowed; the rest share one.

use std::collections::BTreeMap;

use crate::lock::LockedPackage;

/// The packages of a layer, sorted by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group<'a> {
    /// The source package; nothing for the layer that the rest share.
    pub(super) source: Option<&'a str>,
    pub(super) packages: Vec<&'a LockedPackage>,
}

impl Group<'_> {
    /// Bytes of its archives.
    pub(super) fn size(&self) -> u64 {
        self.packages.iter().map(|package| package.size).sum()
    }

    /// What to call it.
    pub(super) fn name(&self) -> String {
        let names: Vec<_> = self
            .packages
            .iter()
            .map(|package| format!("{} {}", package.name, package.version))
            .collect();
        format!("{}: {}", self.source.unwrap_or("several"), names.join(", "))
    }
}

/// Sorts packages into groups, of which there are fewer than `most_layers`: the last layer is for what
/// is no package's.
pub(super) fn groups<'a>(packages: &[&'a LockedPackage], most_layers: usize) -> Vec<Group<'a>> {
    let mut by_source: BTreeMap<&str, Vec<&LockedPackage>> = BTreeMap::new();
    for package in packages {
        by_source.entry(&package.source).or_default().push(package);
    }
    let mut groups: Vec<Group<'_>> = by_source
        .into_iter()
        .map(|(source, packages)| Group {
            source: Some(source),
            packages,
        })
        .collect();
    let most = most_layers.saturating_sub(1).max(1);
    let mut rest = vec![];
    if groups.len() > most {
        groups.sort_by(|a, b| b.size().cmp(&a.size()).then(a.source.cmp(&b.source)));
        rest = groups.split_off(most - 1);
        groups.sort_by(|a, b| a.source.cmp(&b.source));
    }
    let rest: Vec<_> = rest.into_iter().flat_map(|group| group.packages).collect();
    if !rest.is_empty() {
        groups.push(Group {
            source: None,
            packages: rest,
        });
    }
    for group in &mut groups {
        group.packages.sort_by(|a, b| a.name.cmp(&b.name));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: &str, size: u64) -> LockedPackage {
        LockedPackage {
            architecture: "amd64".to_owned(),
            name: name.to_owned(),
            version: "1".to_owned(),
            source: source.to_owned(),
            url: String::new(),
            size,
            sha256: String::new(),
        }
    }

    fn shown(packages: &[LockedPackage], most: usize) -> Vec<String> {
        let all: Vec<&LockedPackage> = packages.iter().collect();
        groups(&all, most).iter().map(Group::name).collect()
    }

    #[test]
    fn sources_share_layers_and_the_small_ones_the_last() {
        let all = [
            package("libc6", "glibc", 90),
            package("zlib1g", "zlib", 10),
            package("libc-bin", "glibc", 20),
            package("tzdata", "tzdata", 50),
            package("netbase", "netbase", 5),
        ];
        assert_eq!(
            shown(&all, 40),
            [
                "glibc: libc-bin 1, libc6 1",
                "netbase: netbase 1",
                "tzdata: tzdata 1",
                "zlib: zlib1g 1"
            ]
        );
        assert_eq!(
            shown(&all, 4),
            [
                "glibc: libc-bin 1, libc6 1",
                "tzdata: tzdata 1",
                "several: netbase 1, zlib1g 1"
            ]
        );
        assert_eq!(shown(&all, 2).len(), 1);
        assert!(shown(&[], 40).is_empty());
    }
}
