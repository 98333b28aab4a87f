//! `kiln rmi`.

use crate::world::World;

#[test]
fn a_removed_image_is_gone_and_prune_frees_it() {
    let world = World::new();
    world.write("a", "a".repeat(100_000));
    world
        .build("FROM scratch\nCOPY a /a\n", &["-t", "x", "-t", "y"])
        .ok();
    assert_eq!(world.kiln(["rmi", "x"]).ok(), "removed x:latest\n");
    assert_eq!(world.files("y"), ["- 0644 0:0 100000 a"]);
    let error = world.kiln(["rmi", "x", "y"]).fails(1);
    assert!(error.contains("no image named x"), "{error}");
    world.kiln(["prune"]).ok();
    let usage: serde_json::Value =
        serde_json::from_str(&world.kiln(["df", "--json"]).ok()).unwrap();
    assert_eq!(
        (usage["images"].as_u64(), usage["build_cache"].as_u64()),
        (Some(0), Some(0))
    );
}
