//! `kiln recompress`.

use super::squash::{config, json, put};
use crate::world::World;

#[test]
fn layers_change_and_the_config_stays() {
    let world = World::new();
    put(&world, "app", 3);
    let old = config(&world, "app");
    for (args, kind) in [
        (&["--to", "gzip"][..], "tar+gzip"),
        (&["--level", "9", "--window", "27"], "tar+zstd"),
        (&["--to", "none"], "layer.v1.tar"),
    ] {
        let all = ["recompress", "app", "-t", "new", "--json"];
        let said = json(&world.kiln(all.iter().chain(args)).ok());
        assert_eq!(
            said["after"]["uncompressed"],
            said["before"]["uncompressed"]
        );
        assert_eq!(config(&world, "new"), old);
        let manifest = world.kiln(["inspect", "new"]).ok();
        assert!(manifest.contains(kind), "{manifest}");
    }
}

#[test]
fn wrong_ways_are_refused() {
    let world = World::new();
    put(&world, "app", 1);
    for (args, word) in [
        (&["--to", "lzma"][..], "lzma"),
        (&["--to", "gzip", "--level", "12"], "0 to 9"),
        (&["--to", "gzip", "--window", "20"], "zstd"),
        (&["--window", "31"], "27"),
    ] {
        let outcome = world.kiln(["recompress", "app", "-t", "new"].iter().chain(args));
        assert_ne!(outcome.code, Some(0));
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
}

#[test]
fn it_explains_before_one_chooses() {
    let world = World::new();
    put(&world, "app", 3);
    let before = world.kiln(["images", "--json"]).ok();
    let table = world.kiln(["recompress", "app", "--explain"]).ok();
    for word in ["CODEC", "gzip", "zstd", "27", "decompressed on one"] {
        assert!(table.contains(word), "{table}");
    }
    let said = json(
        &world
            .kiln(["recompress", "app", "--explain", "--json"])
            .ok(),
    );
    assert_eq!(said["compressions"].as_array().unwrap().len(), 6);
    assert!(said["compressions"][0]["bytes"].as_u64().unwrap() > 0);
    assert_eq!(world.kiln(["images", "--json"]).ok(), before);
}
