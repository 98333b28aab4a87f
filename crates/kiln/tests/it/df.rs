//! `kiln df`.

use crate::world::World;

#[test]
fn what_is_reclaimable_is_what_prune_frees() {
    let world = World::new();
    world.write("a", "a".repeat(100_000));
    world
        .build(
            "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n",
            &["-t", "x"],
        )
        .ok();
    let usage = || -> serde_json::Value {
        serde_json::from_str(&world.kiln(["df", "--json"]).ok()).unwrap()
    };
    let before = usage();
    assert!(before["images"].as_u64().unwrap() >= 100_000);
    assert!(before["build_cache"].as_u64().unwrap() >= 100_000);
    world.kiln(["prune"]).ok();
    let after = usage();
    assert_eq!(after["build_cache"], 0);
    assert_eq!(after["images"], before["images"]);
    assert!(world.kiln(["df"]).ok().contains("total"));
}
