//! `kiln tag`.

use crate::world::World;

#[test]
fn a_second_name_leads_to_the_same_image() {
    let world = World::new();
    world.write("a", "a");
    world.build("FROM scratch\nCOPY a /a\n", &["-t", "x"]).ok();
    world.kiln(["tag", "x", "registry.example/team/y:2"]).ok();
    assert_eq!(
        world.kiln(["inspect", "x"]).ok(),
        world.kiln(["inspect", "registry.example/team/y:2"]).ok()
    );
    assert!(
        world
            .kiln(["tag", "nosuch", "z"])
            .fails(1)
            .contains("nosuch")
    );
    let digest = format!("x@sha256:{}", "0".repeat(64));
    world.kiln(["tag", "x", &digest]).fails(2);
}
