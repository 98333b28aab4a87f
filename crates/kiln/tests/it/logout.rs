//! `kiln logout`.

use crate::world::World;

#[test]
fn logging_out_twice_is_no_failure() {
    let world = World::new();
    let said = world.kiln(["logout", "example.org"]).ok();
    assert_eq!(said, "not logged in to example.org\n");
    world.write(
        "../.docker/config.json",
        r#"{"auths":{"example.org":{"auth":"YTpi"}},"own":1}"#,
    );
    let said = world.kiln(["logout", "https://example.org/"]).ok();
    assert_eq!(said, "logged out of example.org\n");
    let kept = std::fs::read_to_string(world.dir().join("../.docker/config.json")).unwrap();
    assert!(kept.contains("own") && !kept.contains("YTpi"), "{kept}");
}
