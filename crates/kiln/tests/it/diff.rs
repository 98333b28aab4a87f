//! `kiln diff`.

use serde_json::Value;

use crate::world::World;

fn two() -> World {
    let world = World::new();
    world.write("a", "1");
    world.write("b", "22");
    world
        .build("FROM scratch\nCOPY a /a\nENV V=1\n", &["-t", "app:1"])
        .ok();
    world
        .build(
            "FROM scratch\nCOPY a /a\nCOPY b /b\nENV V=2\n",
            &["-t", "app:2"],
        )
        .ok();
    world
}

#[test]
fn tags_are_compared() {
    let world = two();
    let text = world.kiln(["diff", "app:1", "app:2"]).ok();
    for words in [
        "1 layer shared",
        "+        +2 B  /b    file",
        "ENV V  1       2",
        "+ COPY b /b",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let json: Value =
        serde_json::from_str(&world.kiln(["diff", "--format=json", "app:1", "app:2"]).ok())
            .unwrap();
    assert_eq!(json["files"][0]["path"], "b");
    assert_eq!(json["totals"]["added"]["after"], 2);
    let markdown = world
        .kiln(["diff", "--format=markdown", "app:1", "app:2"])
        .ok();
    assert!(markdown.contains("| ENV V | 1 | 2 |"), "{markdown}");
}

#[test]
fn the_exit_code_tells_if_asked() {
    let world = two();
    world.kiln(["diff", "app:1", "app:2"]).ok();
    world.kiln(["diff", "--exit-code", "app:1", "app:1"]).ok();
    world
        .kiln(["diff", "--exit-code", "app:1", "app:2"])
        .fails(1);
}

#[test]
fn layouts_archives_and_digests_are_compared_too() {
    let world = two();
    world.kiln(["copy", "store://app:2", "oci:layout:2"]).ok();
    world.kiln(["save", "app:2", "-o", "two.tar"]).ok();
    let same = world
        .kiln(["diff", "--exit-code", "oci:layout", "./two.tar"])
        .ok();
    assert!(same.contains("No difference in files"), "{same}");
    let id = world.kiln(["images", "-q", "app:2"]).ok();
    world.kiln(["diff", "--exit-code", "app:2", id.trim()]).ok();
    world.kiln(["diff", "app:1", "oci:nowhere"]).fails(1);
}
