//! `kiln squash`, and what all rewriting commands have in common.

use kiln_oci::{Digest, ImageConfig, Sink as _};
use kiln_store::{Store, StoreOptions};
use kiln_testkit::{ImageBuilder, Layer, MemoryRegistry};
use serde_json::Value;

use crate::world::World;

/// The tars of the layers of most tests here.
pub(crate) fn layers() -> [Vec<u8>; 3] {
    [
        Layer::new()
            .file("etc/conf", "one")
            .hardlink("etc/link", "etc/conf")
            .tar(),
        Layer::new()
            .file("etc/conf", "two")
            .file("usr/share/doc/a/README", "read")
            .tar(),
        Layer::new().whiteout("etc/conf").file("app", "x").tar(),
    ]
}

/// Puts an image of the first `count` of them into the store under `name`.
pub(crate) fn put(world: &World, name: &str, count: usize) -> Digest {
    let builder = layers()
        .iter()
        .take(count)
        .fold(ImageBuilder::new(), |builder, layer| builder.layer(layer));
    let image = builder
        .config(|config| config.config.user = "web".to_owned())
        .build();
    let store = Store::open(&world.home(), &StoreOptions::default()).unwrap();
    store.put(&image, &[name.parse().unwrap()]).unwrap().digest
}

/// What `--json` says.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// An image's config, as `kiln inspect` gives it.
pub(crate) fn config(world: &World, name: &str) -> ImageConfig {
    let store = Store::open(&world.home(), &StoreOptions::default()).unwrap();
    let platform = kiln_oci::Platform::host();
    let image = kiln_oci::Source::image(&store, &name.parse().unwrap(), &platform).unwrap();
    (*image.config).clone()
}

#[test]
fn own_layers_become_one() {
    let world = World::new();
    put(&world, "app", 3);
    put(&world, "base", 1);
    let said = world
        .kiln(["squash", "app", "--base", "base", "-t", "small"])
        .ok();
    assert!(
        said.contains("LAYERS") && said.contains("made sha256:"),
        "{said}"
    );
    let (old, new) = (config(&world, "app"), config(&world, "small"));
    assert_eq!(new.rootfs.diff_ids.len(), 2);
    assert_eq!(new.rootfs.diff_ids[0], old.rootfs.diff_ids[0]);
    assert_eq!(new.config, old.config);
    assert_eq!(world.files("small"), world.files("app"));
    // The same again by number.
    let first = world
        .kiln(["squash", "-q", "app", "--layers", "2-", "-t", "again"])
        .ok();
    let second = world
        .kiln(["squash", "-q", "app", "--base", "base", "-t", "other"])
        .ok();
    assert_eq!(first, second);
}

#[test]
fn the_old_name_is_not_taken_by_accident() {
    let world = World::new();
    let before = put(&world, "app", 3);
    let list = world.kiln(["images", "--json"]).ok();
    let error = world
        .kiln(["squash", "app", "--layers", "1-2", "-t", "app"])
        .fails(2);
    assert!(error.contains("--replace"), "{error}");
    let error = world.kiln(["squash", "app", "--layers", "1-2"]).fails(2);
    assert!(error.contains("--tag"), "{error}");
    assert_eq!(world.kiln(["images", "--json"]).ok(), list);
    let all = [
        "squash",
        "app",
        "--layers",
        "1-2",
        "-t",
        "app",
        "--replace",
        "--json",
    ];
    let said = json(&world.kiln(all).ok());
    assert_ne!(said["digest"], before.to_string());
    assert_eq!(said["after"]["layers"], 2);
}

#[test]
fn what_cannot_be_squashed_is_told() {
    let world = World::new();
    put(&world, "app", 3);
    let error = world.kiln(["squash", "app", "-t", "x"]).fails(1);
    assert!(error.contains("--base"), "{error}");
    let error = world
        .kiln(["squash", "app", "--layers", "2-9", "-t", "x"])
        .fails(1);
    assert!(error.contains("the image has 3"), "{error}");
    let error = world
        .kiln(["squash", "app", "--layers", "x", "-t", "x"])
        .fails(2);
    assert!(error.contains("no range"), "{error}");
    let error = world
        .kiln(["squash", "oci:nowhere", "--layers", "1-2", "-t", "x"])
        .fails(1);
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn voided_signatures_are_named_and_registries_are_sources() {
    let world = World::new();
    let registry = MemoryRegistry::start();
    let digest = put(&world, "app", 3);
    let remote = format!("{}/team/app:1", registry.host());
    world.kiln(["copy", "-q", "store://app", &remote]).ok();
    super::copy::sign(&registry, "team/app", &digest);
    let outcome = world.kiln(["squash", &remote, "--layers", "1-3", "-t", "one", "--json"]);
    let notes = outcome.stderr.clone();
    let said = json(&outcome.ok());
    assert!(
        notes.contains(&format!("sha256-{}.sig", digest.hex())),
        "{notes}"
    );
    assert!(
        notes.contains("application/vnd.example.signature"),
        "{notes}"
    );
    assert_eq!(said["voided"].as_array().unwrap().len(), 2);
    assert_eq!(said["after"]["layers"], 1);
    assert_eq!(world.files("one"), world.files("app"));
    // By the name of the registry, too, the old image is safe.
    let error = world
        .kiln(["squash", &remote, "--layers", "1-3", "-t", &remote])
        .fails(2);
    assert!(error.contains("--replace"), "{error}");
}

#[test]
fn layouts_and_archives_are_sources() {
    let world = World::new();
    put(&world, "app", 3);
    for place in [
        "oci:layout",
        "oci-archive:oci.tar",
        "docker-archive:docker.tar",
    ] {
        let to = format!("{place}:app:1");
        world.kiln(["copy", "-q", "store://app", &to]).ok();
        world
            .kiln(["squash", "-q", place, "--layers", "1-3", "-t", "one"])
            .ok();
        assert_eq!(world.files("one"), world.files("app"), "{place}");
    }
}

#[test]
fn sharing_that_is_lost_is_told() {
    let world = World::new();
    put(&world, "app", 3);
    put(&world, "other", 2);
    let said = world
        .kiln(["squash", "app", "--layers", "1-3", "-t", "one"])
        .ok();
    assert!(said.contains("no longer shared"), "{said}");
    let said = world
        .kiln(["squash", "app", "--layers", "3-", "-t", "two"])
        .ok();
    assert!(!said.contains("no longer shared"), "{said}");
}
