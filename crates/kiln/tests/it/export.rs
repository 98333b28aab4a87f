//! `kiln export`, and the way back.

use super::squash::{config, put};
use crate::world::{World, list};

#[test]
fn an_image_goes_out_and_comes_back() {
    let world = World::new();
    put(&world, "app", 3);
    let said = world.kiln(["export", "app", "-o", "rootfs.tar"]).ok();
    assert!(said.contains("3 layers"), "{said}");
    assert_eq!(list(&world.dir().join("rootfs.tar")), world.files("app"));
    let said = world
        .kiln(["import", "rootfs.tar", "-t", "back", "--config-of", "app"])
        .ok();
    assert!(said.contains("in 3 layers; this has"), "{said}");
    assert_eq!(world.files("back"), world.files("app"));
    let (old, new) = (config(&world, "app"), config(&world, "back"));
    assert_eq!(new.config, old.config);
    assert_eq!(new.rootfs.diff_ids.len(), 1);
}

#[test]
fn it_goes_to_standard_output_and_faults_are_told() {
    let world = World::new();
    put(&world, "app", 1);
    let outcome = world.kiln(["export", "app", "-o", "-"]);
    assert!(outcome.stdout.contains("etc/conf"));
    outcome.ok();
    let error = world
        .kiln(["export", "app", "-o", "no/such/dir.tar"])
        .fails(1);
    assert!(error.contains("no/such/dir.tar"), "{error}");
    let error = world
        .kiln(["export", "store://nothing", "-o", "x.tar"])
        .fails(1);
    assert!(error.contains("nothing"), "{error}");
    assert!(!world.dir().join("x.tar").exists());
}
