//! `kiln push`.

use kiln_oci::{Manifest, media_type};
use kiln_testkit::{Fault, MemoryRegistry, Rule};

use super::pull::{image, put_index};
use crate::world::World;

fn built(dockerfile: &str, name: &str) -> World {
    let world = World::new();
    world.write("a", "a".repeat(100_000));
    world.build(dockerfile, &["-t", name]).ok();
    world
}

#[test]
fn a_built_image_is_compressed_sent_and_the_same_elsewhere() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/team/app:1", registry.host());
    let world = built("FROM scratch\nCOPY a /a\n", &name);
    let pushed = world.kiln(["push", "-q", &name]).ok();
    let bytes = registry.manifest("team/app", "1").unwrap();
    let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest.layers[0].media_type, media_type::OCI_LAYER_ZSTD);
    let other = World::new();
    assert_eq!(other.kiln(["pull", "-q", &name]).ok(), pushed);
    assert_eq!(other.files(&name), ["- 0644 0:0 100000 a"]);
    // Once more: nothing is sent but the manifest.
    registry.forget_requests();
    assert_eq!(world.kiln(["push", "-q", &name]).ok(), pushed);
    let sent = registry.requests();
    let sent: Vec<&str> = sent
        .iter()
        .filter(|seen| !matches!(seen.method.as_str(), "GET" | "HEAD"))
        .map(|seen| seen.method.as_str())
        .collect();
    assert_eq!(sent, ["PUT"]);
}

#[test]
fn another_name_and_another_compression() {
    let registry = MemoryRegistry::start();
    let world = built("FROM scratch\nCOPY a /a\n", "app:1");
    let to = format!("{}/b:2", registry.host());
    world
        .kiln(["push", "app:1", &to, "--compression", "gzip"])
        .ok();
    let bytes = registry.manifest("b", "2").unwrap();
    let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest.layers[0].media_type, media_type::OCI_LAYER_GZIP);
    world
        .kiln(["push", "app:1", &to, "--compression", "lzma"])
        .fails(1);
    world.kiln(["push", "none:1", &to]).fails(1);
    let wrong = format!("{}/b@sha256:{}", registry.host(), "0".repeat(64));
    let said = world.kiln(["push", "app:1", &wrong]).fails(1);
    assert!(said.contains("cannot be pushed as"), "{said}");
}

#[test]
fn layers_of_a_base_are_mounted_from_where_it_came() {
    let registry = MemoryRegistry::start();
    registry.put_image("base", Some("1"), &image(11));
    let base = format!("{}/base:1", registry.host());
    let app = format!("{}/team/app:1", registry.host());
    let world = World::new();
    world.kiln(["pull", &base]).ok();
    world.write("a", "a");
    world
        .build(&format!("FROM {base}\nCOPY a /a\n"), &["-t", &app])
        .ok();
    world.kiln(["push", &app]).ok();
    let requests = registry.requests();
    let mounts: Vec<&str> = requests
        .iter()
        .map(|seen| seen.target.as_str())
        .filter(|target| target.contains("mount=") && target.contains("from=base"))
        .collect();
    assert_eq!(mounts.len(), 2, "{requests:?}");
    assert_eq!(registry.lines("PUT /v2/team/app/blobs/").len(), 2);
}

#[test]
fn an_index_goes_as_it_is_or_not_at_all() {
    let registry = MemoryRegistry::start();
    let index = put_index(&registry, "app", "1");
    let name = format!("{}/app:1", registry.host());
    let to = format!("{}/other:2", registry.host());
    let world = World::new();
    world.kiln(["pull", &name]).ok();
    let said = world.kiln(["push", &name, &to]).fails(1);
    assert!(
        said.contains("linux/s390x") && said.contains("--all-platforms"),
        "{said}"
    );
    assert!(registry.tags("other").is_empty());
    world
        .kiln([
            "push",
            &name,
            &to,
            "--platform",
            &kiln_oci::Platform::host().to_string(),
        ])
        .ok();
    world.kiln(["pull", "--all-platforms", &name]).ok();
    let pushed = world.kiln(["push", "-q", &name, &to]).ok();
    assert_eq!(pushed, format!("{}\n", index.digest()));
    assert_eq!(registry.manifest("other", "2").unwrap(), index.bytes());
}

#[test]
fn a_registry_that_fails_gets_no_tag() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/app:1", registry.host());
    let world = built("FROM scratch\nCOPY a /a\n", &name);
    registry.inject(Rule::once("PUT", "/blobs/uploads/", Fault::status(403)).always());
    let said = world.kiln(["push", &name]).fails(1);
    assert!(said.contains("hint"), "{said}");
    assert!(registry.tags("app").is_empty());
}
