//! `kiln flatten`.

use super::squash::{config, json, put};
use crate::world::World;

#[test]
fn all_layers_become_one_that_shows_the_same() {
    let world = World::new();
    put(&world, "app", 3);
    let said = json(&world.kiln(["flatten", "app", "-t", "flat", "--json"]).ok());
    assert_eq!(
        (&said["before"]["layers"], &said["after"]["layers"]),
        (&3.into(), &1.into())
    );
    assert_eq!(world.files("flat"), world.files("app"));
    let (old, new) = (config(&world, "app"), config(&world, "flat"));
    assert_eq!(new.config, old.config);
    assert_eq!(new.history.len(), old.history.len() + 1);
    // The link whose first name went keeps its content under the other.
    let files = world.files("flat");
    assert!(
        files.iter().any(|line| line.contains("3 etc/link")),
        "{files:?}"
    );
}
