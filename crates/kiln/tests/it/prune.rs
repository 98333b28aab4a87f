//! `kiln prune`.

use crate::world::World;

#[test]
fn the_oldest_goes_first_and_the_cap_is_held() {
    let world = World::new();
    for number in 0..5 {
        world.write("a", vec![number; 200_000]);
        world
            .build(
                "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n",
                &["-t", "x"],
            )
            .ok();
    }
    let dry = world.kiln(["prune", "--dry-run"]).ok();
    assert!(
        dry.contains("would remove ") && dry.contains("would free"),
        "{dry}"
    );
    assert_eq!(
        dry,
        world.kiln(["prune", "--dry-run"]).ok(),
        "a dry run changes nothing"
    );
    world.kiln(["prune", "--keep", "2MB"]).ok();
    let usage: serde_json::Value =
        serde_json::from_str(&world.kiln(["df", "--json"]).ok()).unwrap();
    let total = usage["total"].as_u64().unwrap();
    assert!(total <= 2_000_000, "{usage}");
    assert!(
        usage["build_cache"].as_u64().unwrap() > 0,
        "what fits stays: {usage}"
    );
    let error = world.kiln(["prune", "--keep", "1kB"]).fails(1);
    assert!(error.contains("kiln rmi"), "{error}");
    assert_eq!(world.files("x"), ["- 0644 0:0 200000 b"], "images stay");
    world.kiln(["prune", "--keep", "lots"]).fails(2);
}
