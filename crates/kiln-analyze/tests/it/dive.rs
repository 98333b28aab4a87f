//! dive's numbers, against what dive 0.13.1 itself said of the same images.

use kiln_analyze::dive::numbers;
use kiln_testkit::Layer;

use crate::made::{bytes, subject};

const MB: usize = 1_000_000;

/// Score and wasted bytes.
fn of(layers: impl IntoIterator<Item = Layer>) -> (f64, u64) {
    let numbers = numbers(&subject(layers));
    (numbers.efficiency, numbers.wasted_bytes)
}

fn file(seed: u64) -> Layer {
    Layer::new().directory("d").file("d/a", bytes(seed, MB))
}

#[test]
fn what_dive_sees_and_what_it_does_not() {
    let cases = [
        ("one layer", vec![file(1)], (1.0, 0)),
        ("nothing", vec![Layer::new()], (1.0, 0)),
        ("overwritten", vec![file(1), file(2)], (0.5, 2 * MB)),
        (
            "chmod",
            vec![
                file(1),
                Layer::new().file_with_mode("d/a", bytes(1, MB), 0o755),
            ],
            (0.5, 2 * MB),
        ),
        (
            "removed",
            vec![file(1), Layer::new().whiteout("d/a")],
            (0.0, MB),
        ),
        (
            "directory removed",
            vec![file(1), Layer::new().whiteout("d")],
            (1.0, 0),
        ),
        (
            "opaque",
            vec![
                file(1),
                Layer::new()
                    .directory("d")
                    .opaque("d")
                    .file("d/b", bytes(2, MB)),
            ],
            (1.0, 0),
        ),
        (
            "removed, added, removed with its directory",
            vec![
                file(1),
                Layer::new().whiteout("d/a"),
                file(1),
                Layer::new().whiteout("d"),
            ],
            // d/a: 0 of 1 + 0 + 1 MB; d: 1 of 1 MB.
            (1.0 / 3.0, 2 * MB),
        ),
        (
            "a directory that becomes a file and goes",
            vec![
                file(1),
                Layer::new().file("d", "123"),
                Layer::new().whiteout("d"),
            ],
            (0.999_997_000_008_999_9, 3),
        ),
        (
            "removed and made again in one layer",
            vec![file(1), Layer::new().whiteout("d/a").file("d/a", "1234")],
            (0.0, MB + 4),
        ),
        (
            "whiteout in the lowest layer",
            vec![Layer::new().whiteout("q").file("z", "12")],
            (1.0, 0),
        ),
        (
            "hard link",
            vec![file(1).hardlink("d/b", "d/a"), Layer::new().whiteout("d/b")],
            (1.0, 0),
        ),
    ];
    for (name, layers, (efficiency, wasted)) in cases {
        let (score, bytes) = of(layers);
        assert!((score - efficiency).abs() < 1e-12, "{name}: {score}");
        assert_eq!(bytes, wasted as u64, "{name}");
    }
}

#[test]
fn a_whiteout_of_nothing_ends_the_count_of_its_layer() {
    // Whiteouts come first in the order of the names: `z` is not seen a second time.
    let second = Layer::new().file("z", "2").whiteout("m");
    let (score, wasted) = of([Layer::new().file("z", "1234567890"), second]);
    // Of 10 bytes the smallest sizes are 10, and minus one for `m`.
    assert!((score - 0.9).abs() < 1e-12, "{score}");
    assert_eq!(wasted, 0);
}

#[test]
fn the_lowest_layer_is_no_users() {
    let numbers = numbers(&subject([file(1), file(2)]));
    assert!((numbers.user_wasted_ratio - 2.0).abs() < 1e-12);
    assert_eq!(numbers.size_bytes, 2 * MB as u64);
    assert_eq!(
        (numbers.files[0].path.as_str(), numbers.files[0].count),
        ("/d/a", 2)
    );
    assert!(
        kiln_analyze::dive::numbers(&subject([file(1)]))
            .user_wasted_ratio
            .is_nan()
    );
}

#[test]
fn the_deepest_path_there_can_be() {
    let path = vec!["a"; 2047].join("/");
    let deep = || Layer::new().file(&path, "1");
    let (score, wasted) = of([deep(), deep(), Layer::new().whiteout("a")]);
    assert!((score - 0.5).abs() < 0.5 && wasted == 2, "{score} {wasted}");
}
