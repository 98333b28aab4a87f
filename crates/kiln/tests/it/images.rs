//! `kiln images`.

use crate::world::World;

#[test]
fn images_are_listed_by_name() {
    let world = World::new();
    assert_eq!(
        world.kiln(["images"]).ok(),
        "NAME  ID  PLATFORM  CREATED  SIZE\n"
    );
    world.write("a", "a");
    world
        .build("FROM scratch\nCOPY a /a\n", &["-t", "zoo:1", "-t", "app:2"])
        .ok();
    let text = world.kiln(["images"]).ok();
    let names: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(names, ["app:2", "zoo:1"]);
    assert_eq!(world.kiln(["images", "zoo"]).ok().lines().count(), 2);
    let json: Vec<serde_json::Value> =
        serde_json::from_str(&world.kiln(["images", "--json"]).ok()).unwrap();
    assert_eq!(json[0]["name"], "app:2");
    assert_eq!(world.kiln(["images", "-q"]).ok().lines().count(), 2);
}
