//! `kiln inspect`.

use crate::world::World;

#[test]
fn images_are_found_by_name_and_by_id() {
    let world = World::new();
    world.write("a", "a");
    world.build("FROM scratch\nCOPY a /a\n", &["-t", "x"]).ok();
    let by_name = world.kiln(["inspect", "x"]).ok();
    let value: serde_json::Value = serde_json::from_str(&by_name).unwrap();
    let digest = value["digest"].as_str().unwrap();
    assert_eq!(
        by_name,
        world
            .kiln(["inspect", &digest["sha256:".len()..][..12]])
            .ok()
    );
    let raw = world.kiln(["inspect", "--raw", "x"]).ok();
    assert_eq!(kiln_oci::Digest::sha256(raw.as_bytes()).to_string(), digest);
    let error = world.kiln(["inspect", "y:latest"]).fails(1);
    assert!(
        error.contains("did you mean `x:latest`") || error.contains("kiln images"),
        "{error}"
    );
}
