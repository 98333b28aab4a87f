//! `kiln history`.

use crate::world::World;

#[test]
fn steps_are_listed_the_newest_first_with_their_sizes() {
    let world = World::new();
    world.write("a", "a".repeat(10_000));
    world
        .build("FROM scratch\nCOPY a /a\nENV A=b\n", &["-t", "x"])
        .ok();
    let text = world.kiln(["history", "x"]).ok();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("LAYER")
            && lines[1].contains("ENV A=b")
            && lines[2].contains("COPY a /a")
    );
    let steps: Vec<serde_json::Value> =
        serde_json::from_str(&world.kiln(["history", "--json", "x"]).ok()).unwrap();
    assert_eq!(steps[0]["size"], serde_json::Value::Null);
    assert!(steps[1]["size"].as_u64().unwrap() > 10_000);
}
