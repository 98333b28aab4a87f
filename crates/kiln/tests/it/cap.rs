//! The store's cap, which holds by itself.

use std::fs;

use crate::world::World;

/// Puts `text` into the store's configuration file.
fn configure(world: &World, text: &str) {
    fs::create_dir_all(world.home()).unwrap();
    fs::write(world.home().join("config.toml"), text).unwrap();
}

fn usage(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.kiln(["df", "--json"]).ok()).unwrap()
}

const TWO_STAGES: &str = "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n";

#[test]
fn a_cap_is_held_after_each_build() {
    let world = World::new();
    configure(&world, "[store]\nkeep = \"2MB\"\n");
    for number in 0..6 {
        world.write("a", vec![number; 400_000]);
        let outcome = world.build(TWO_STAGES, &["-t", "x"]);
        assert!(!outcome.stderr.contains("cap"), "{}", outcome.stderr);
        outcome.ok();
        let usage = usage(&world);
        assert!(usage["total"].as_u64().unwrap() <= 2_000_000, "{usage}");
        assert_eq!(usage["keep"], 2_000_000);
    }
    assert!(
        usage(&world)["build_cache"].as_u64().unwrap() > 0,
        "what fits stays"
    );
    assert_eq!(world.files("x"), ["- 0644 0:0 400000 b"]);
    assert!(world.kiln(["df"]).ok().contains("2.0 MB"));
    // A pruned cache costs time and nothing else.
    world.write("a", vec![0; 400_000]);
    world.build(TWO_STAGES, &["-t", "x"]).ok();
}

#[test]
fn named_images_stay_and_that_is_said() {
    let world = World::new();
    world.write("a", "a".repeat(300_000));
    world.build("FROM scratch\nCOPY a /a\n", &["-t", "x"]).ok();
    let tar = world.dir().join("x.tar");
    world.kiln(["save", "x", "-o", tar.to_str().unwrap()]).ok();
    configure(&world, "[store]\nkeep = 100000\n");
    let loaded = world.kiln(["load", "-i", tar.to_str().unwrap(), "-t", "y"]);
    assert!(
        loaded.stderr.contains("more than its cap of 100 kB"),
        "{loaded:?}"
    );
    assert!(loaded.stderr.contains("kiln rmi"), "{loaded:?}");
    loaded.ok();
    assert_eq!(world.files("y"), ["- 0644 0:0 300000 a"]);
    assert_eq!(usage(&world)["build_cache"], 0);
    // Without its names the content goes at once.
    world.kiln(["rmi", "x", "y"]).ok();
    assert_eq!(usage(&world)["images"], 0);
    assert_eq!(usage(&world)["build_cache"], 0);
}

#[test]
fn the_stores_file_wins_over_the_persons() {
    let world = World::new();
    let own = world.home().with_file_name("config").join("kiln");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("config.toml"), "[store]\nkeep = \"5GB\"\n").unwrap();
    assert_eq!(usage(&world)["keep"], 5_000_000_000_u64);
    configure(&world, "");
    assert_eq!(usage(&world)["keep"], 5_000_000_000_u64);
    configure(&world, "[store]\nkeep = \"4GB\"\n");
    assert_eq!(usage(&world)["keep"], 4_000_000_000_u64);
}

#[test]
fn a_wrong_setting_is_told_with_its_line_before_anything_is_done() {
    let world = World::new();
    world.write("a", "a");
    configure(&world, "# mine\n[store]\nkeep = \"much\"\n");
    let error = world
        .build("FROM scratch\nCOPY a /a\n", &["-t", "x"])
        .fails(1);
    assert!(
        error.contains("config.toml:3: `much` is not a size"),
        "{error}"
    );
    assert!(error.contains("the line reads: keep = \"much\""), "{error}");
    configure(&world, "");
    assert_eq!(world.kiln(["images", "-q"]).ok(), "", "nothing was built");
}
