//! `kiln rebase`.

use kiln_oci::Sink as _;
use kiln_store::{Store, StoreOptions};
use kiln_testkit::{ImageBuilder, Layer};

use super::squash::{config, json, layers, put};
use crate::world::World;

/// A base with a fix over the first layer.
fn put_fixed(world: &World) {
    let fix = Layer::new()
        .file("fix", "fixed")
        .file("etc/conf", "base's")
        .tar();
    let image = ImageBuilder::new().layer(&layers()[0]).layer(&fix).build();
    let store = Store::open(&world.home(), &StoreOptions::default()).unwrap();
    store.put(&image, &["base:2".parse().unwrap()]).unwrap();
}

#[test]
fn own_layers_go_on_the_new_base() {
    let world = World::new();
    put(&world, "app", 2);
    put(&world, "base:1", 1);
    put_fixed(&world);
    let args = [
        "rebase", "app", "--from", "base:1", "--onto", "base:2", "-t", "new",
    ];
    let said = world.kiln(args).ok();
    assert!(said.contains("/etc/conf"), "{said}");
    let (old, new) = (config(&world, "app"), config(&world, "new"));
    assert_eq!(new.rootfs.diff_ids.len(), 3);
    assert_eq!(new.rootfs.diff_ids[2], old.rootfs.diff_ids[1]);
    let files = world.files("new");
    assert!(files.iter().any(|line| line.ends_with(" fix")), "{files:?}");
    let said = json(&world.kiln(args.into_iter().chain(["--json"])).ok());
    assert_eq!(said["overrides"], serde_json::json!(["etc/conf"]));
}

#[test]
fn only_what_is_really_the_base_is_taken_away() {
    let world = World::new();
    put(&world, "app", 2);
    put_fixed(&world);
    let error = world
        .kiln([
            "rebase", "app", "--from", "base:2", "--onto", "base:2", "-t", "new",
        ])
        .fails(1);
    assert!(
        error.contains("not built on that base: its layer 2"),
        "{error}"
    );
}

#[test]
fn a_program_that_would_not_start_is_refused() {
    let world = World::new();
    put(&world, "base:1", 1);
    put_fixed(&world);
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let own = Layer::new()
        .file_with_mode("bin/app", &program, 0o755)
        .tar();
    let image = ImageBuilder::new().layer(&layers()[0]).layer(&own).build();
    {
        let store = Store::open(&world.home(), &StoreOptions::default()).unwrap();
        store.put(&image, &["app".parse().unwrap()]).unwrap();
    }
    let args = [
        "rebase", "app", "--from", "base:1", "--onto", "base:2", "-t", "new",
    ];
    if program.windows(9).any(|part| part == b"libc.so.6") {
        let error = world.kiln(args).fails(1);
        assert!(
            error.contains("`/bin/app` needs") && error.contains("--force"),
            "{error}"
        );
    }
    let outcome = world.kiln(args.into_iter().chain(["--force"]));
    outcome.ok();
}
