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

#[test]
fn what_each_layer_wastes_is_shown() {
    let world = World::new();
    world.write("a", "a".repeat(10_000));
    world.write("b", "b".repeat(20_000));
    let dockerfile = "FROM scratch\nCOPY a /x\nCOPY b /x\nENV A=b\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    let text = world.kiln(["history", "--waste", "x"]).ok();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("WASTES"), "{text}");
    assert!(lines[2].contains("20.0 kB  10.0 kB  wastes"), "{text}");
    assert!(
        lines[3].contains("superfluous: nothing of it is seen"),
        "{text}"
    );
    let json = world.kiln(["history", "--waste", "--json", "x"]).ok();
    let steps: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(steps[1]["wastes"]["bytes"], 10_000);
    assert_eq!(steps[2]["hidden"]["bytes"], 10_000);
    assert_eq!(steps[0]["wastes"], serde_json::Value::Null);
}
