//! The matrix of traps: each way in which a layer can hide what another stores, and what is said of it.

use kiln_analyze::Cause;
use kiln_analyze::waste::{Layering, Lost};
use kiln_layer::{Entry, Kind};
use kiln_testkit::Layer;

use crate::made::{bytes, subject};

/// What is lost: path, layer that stores it, layer that hides it, cause; sorted.
fn lost(layers: impl IntoIterator<Item = Layer>) -> Vec<(String, usize, usize, Cause)> {
    let subject = subject(layers);
    let layering = Layering::of(&subject.indexes()).unwrap();
    let named = |lost: &Lost| {
        let entry = &subject.layers[lost.layer].index.entries[lost.entry].entry;
        (
            entry.display_path().into_owned(),
            lost.layer,
            lost.by,
            lost.cause,
        )
    };
    let mut all: Vec<_> = layering.lost.iter().map(named).collect();
    all.sort();
    all
}

fn one(path: &str, layer: usize, by: usize, cause: Cause) -> Vec<(String, usize, usize, Cause)> {
    vec![(path.to_owned(), layer, by, cause)]
}

fn a(seed: u64) -> Layer {
    Layer::new().directory("d").file("d/a", bytes(seed, 1000))
}

#[test]
fn a_file_is_overwritten() {
    assert_eq!(lost([a(1), a(2)]), one("d/a", 0, 1, Cause::Overwritten));
}

#[test]
fn a_file_is_copied_for_its_mode_owner_time_or_attributes() {
    let content = bytes(1, 1000);
    let changed = Layer::new().file_with_mode("d/a", &content, 0o755);
    assert_eq!(lost([a(1), changed]), one("d/a", 0, 1, Cause::MetadataOnly));
    // The same once more, unchanged: nothing but the time can differ.
    assert_eq!(lost([a(1), a(1)]), one("d/a", 0, 1, Cause::MetadataOnly));
}

#[test]
fn empty_files_are_no_copies() {
    let empty = || Layer::new().file("a", "");
    assert_eq!(lost([empty(), empty()]), one("a", 0, 1, Cause::Overwritten));
}

#[test]
fn a_file_is_removed() {
    let removes = Layer::new().whiteout("d/a");
    assert_eq!(lost([a(1), removes]), one("d/a", 0, 1, Cause::Removed));
}

#[test]
fn a_file_goes_with_its_directory() {
    let removes = Layer::new().whiteout("d");
    assert_eq!(
        lost([a(1), removes]),
        one("d/a", 0, 1, Cause::RemovedDirectory)
    );
    let deep = Layer::new().file("x/y/z", "1");
    let removes = Layer::new().whiteout("x");
    assert_eq!(
        lost([deep, removes]),
        one("x/y/z", 0, 1, Cause::RemovedDirectory)
    );
}

#[test]
fn a_directory_is_made_opaque() {
    let replaces = || Layer::new().directory("d").opaque("d").file("d/b", "2");
    assert_eq!(lost([a(1), replaces()]), one("d/a", 0, 1, Cause::Opaque));
    // The order in the archive does not matter.
    let late = Layer::new().directory("d").file("d/b", "2").opaque("d");
    assert_eq!(lost([a(1), late]), one("d/a", 0, 1, Cause::Opaque));
    // A file that the same layer brings again is overwritten, not removed.
    let again = Layer::new().directory("d").opaque("d").file("d/a", "2");
    assert_eq!(lost([a(1), again]), one("d/a", 0, 1, Cause::Overwritten));
    let same = Layer::new()
        .directory("d")
        .opaque("d")
        .file("d/a", bytes(1, 1000));
    assert_eq!(lost([a(1), same]), one("d/a", 0, 1, Cause::MetadataOnly));
}

#[test]
fn an_opaque_root_hides_all() {
    assert_eq!(
        lost([a(1), Layer::new().opaque("")]),
        one("d/a", 0, 1, Cause::Opaque)
    );
}

#[test]
fn a_directory_becomes_a_file_and_a_directory_again() {
    let file = || Layer::new().file("d", "file");
    assert_eq!(lost([a(1), file()]), one("d/a", 0, 1, Cause::Overwritten));
    let mut expected = one("d", 1, 2, Cause::Overwritten);
    expected.extend(one("d/a", 0, 1, Cause::Overwritten));
    assert_eq!(lost([a(1), file(), a(3)]), expected);
}

#[test]
fn a_directory_becomes_a_link() {
    let link = Layer::new().symlink("d", "elsewhere");
    assert_eq!(lost([a(1), link]), one("d/a", 0, 1, Cause::Overwritten));
}

#[test]
fn a_file_is_removed_and_added_again() {
    let removes = Layer::new().whiteout("d/a");
    assert_eq!(
        lost([a(1), removes, a(1)]),
        one("d/a", 0, 1, Cause::Removed)
    );
    // In one layer that is the same as overwriting.
    let both = Layer::new().whiteout("d/a").file("d/a", "2");
    assert_eq!(lost([a(1), both]), one("d/a", 0, 1, Cause::Overwritten));
}

#[test]
fn a_whiteout_of_nothing_loses_nothing() {
    assert_eq!(
        lost([a(1), Layer::new().whiteout("nothing").whiteout("d/b")]),
        []
    );
    assert_eq!(lost([Layer::new().whiteout("x")]), []);
}

#[test]
fn a_hard_link_keeps_a_file_alive() {
    let linked = || a(1).hardlink("d/b", "d/a");
    // One name goes, by removal or by replacement; the other still shows the bytes.
    assert_eq!(lost([linked(), Layer::new().whiteout("d/a")]), []);
    assert_eq!(lost([linked(), Layer::new().file("d/a", "2")]), []);
    // The last name decides.
    let layers = [
        linked(),
        Layer::new().whiteout("d/a"),
        Layer::new().file("d/b", "2"),
    ];
    assert_eq!(lost(layers), one("d/a", 0, 2, Cause::Overwritten));
    let all = Layer::new().whiteout("d");
    assert_eq!(
        lost([linked(), all]),
        one("d/a", 0, 1, Cause::RemovedDirectory)
    );
}

#[test]
fn a_hard_link_into_a_lower_layer_keeps_its_file_alive() {
    let links = Layer::new().hardlink("d/b", "d/a");
    assert_eq!(lost([a(1), links, Layer::new().whiteout("d/a")]), []);
}

#[test]
fn a_removal_through_a_link_is_a_removal() {
    let base = Layer::new()
        .directory("real")
        .file("real/a", "1")
        .symlink("link", "real");
    assert_eq!(
        lost([base, Layer::new().whiteout("link/a")]),
        one("real/a", 0, 1, Cause::Removed)
    );
}

#[test]
fn of_two_entries_with_one_path_the_first_is_lost_in_its_own_layer() {
    let twice = Layer::new().file("a", "first").file("a", "second");
    assert_eq!(lost([twice]), one("a", 0, 0, Cause::Overwritten));
}

#[test]
fn links_devices_and_directories_lose_no_bytes() {
    let base = Layer::new()
        .directory("d")
        .symlink("s", "d")
        .entry(&Entry::new("c", Kind::Char { major: 1, minor: 3 }))
        .entry(&Entry::new("p", Kind::Fifo));
    let removes = ["d", "s", "c", "p"]
        .into_iter()
        .fold(Layer::new(), Layer::whiteout);
    let subject = subject([base, removes]);
    let lost = Layering::of(&subject.indexes()).unwrap().lost;
    let bytes = lost
        .iter()
        .map(|lost| subject.layers[0].index.entries[lost.entry].size());
    assert_eq!(bytes.sum::<u64>(), 0);
}

#[test]
fn ten_thousand_whiteouts_and_long_names() {
    let long = "x".repeat(250);
    let path = |number: usize| format!("{long}/{long}/{number}");
    let made = (0..10_000).fold(Layer::new(), |layer, number| layer.file(&path(number), "1"));
    let removes = (0..10_000).fold(Layer::new(), |layer, number| layer.whiteout(&path(number)));
    let lost = lost([made, removes]);
    assert_eq!(lost.len(), 10_000);
    assert!(
        lost.iter()
            .all(|(_, layer, by, cause)| (*layer, *by, *cause) == (0, 1, Cause::Removed))
    );
}
