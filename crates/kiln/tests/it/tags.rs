//! `kiln tags`.

use kiln_testkit::{MemoryRegistry, RegistryOptions};

use super::pull::image;
use crate::world::World;

#[test]
fn all_pages_or_some_tags() {
    let registry = MemoryRegistry::with(RegistryOptions {
        page: 2,
        ..RegistryOptions::default()
    });
    for tag in ["a", "b", "c", "d", "e"] {
        registry.put_image("team/app", Some(tag), &image(1));
    }
    let repository = format!("{}/team/app", registry.host());
    let world = World::new();
    assert_eq!(world.kiln(["tags", &repository]).ok(), "a\nb\nc\nd\ne\n");
    let some = world.kiln(["tags", "--after=b", "--limit=2", "--json", &repository]);
    assert_eq!(some.ok(), "[\"c\",\"d\"]\n");
    let missing = format!("{}/none", registry.host());
    let said = world.kiln(["tags", &missing]).fails(1);
    assert!(said.contains("is not there"), "{said}");
    let digest = format!("{repository}@sha256:{}", "0".repeat(64));
    world.kiln(["tags", &digest]).fails(2);
}
