//! `kiln scrub`. Damage is in `faults`.

use crate::world::World;

#[test]
fn a_sound_store_is_called_sound() {
    let world = World::new();
    world.write("a", "a");
    world.build("FROM scratch\nCOPY a /a\n", &["-t", "x"]).ok();
    assert_eq!(world.kiln(["scrub"]).ok(), "3 blobs read, 0 damaged\n");
}
