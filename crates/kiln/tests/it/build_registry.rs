//! `kiln build` with bases from a registry.

use kiln_layer::Compression;
use kiln_testkit::{ImageBuilder, Layer, MemoryRegistry};

use crate::world::World;

fn put(registry: &MemoryRegistry, content: &str) {
    let image = ImageBuilder::new()
        .compression(Compression::zstd(3))
        .layer(&Layer::new().file("base", content).tar())
        .config(|config| config.config.env = vec!["FROM=base".to_owned()])
        .build();
    registry.put_image("team/base", Some("1"), &image);
}

#[test]
fn a_base_is_pulled_once_and_kept() {
    let registry = MemoryRegistry::start();
    put(&registry, "one");
    let base = format!("{}/team/base:1", registry.host());
    let world = World::new();
    world.write("a", "a");
    let dockerfile = format!(
        "FROM {base} AS one\nCOPY a /a\nFROM {base} AS two\nCOPY a /b\nFROM {base}\nCOPY --from=one /a /\n\
         COPY --from=two /b /\n"
    );
    world.build(&dockerfile, &["-t", "app"]).ok();
    let files = ["- 0644 0:0 1 a", "- 0644 0:0 1 b", "- 0644 0:0 3 base"];
    assert_eq!(world.files("app"), files);
    assert!(world.kiln(["inspect", "app"]).ok().contains("FROM=base"));
    assert_eq!(registry.lines("GET /v2/team/base/blobs/").len(), 2);
    assert_eq!(registry.lines("GET /v2/team/base/manifests/").len(), 1);
    // The store has it: nobody is asked again.
    registry.forget_requests();
    world.build(&dockerfile, &["-t", "app"]).ok();
    assert!(registry.requests().is_empty(), "{:?}", registry.requests());
}

#[test]
fn the_newest_is_taken_on_request_only() {
    let registry = MemoryRegistry::start();
    put(&registry, "one");
    let dockerfile = format!("FROM {}/team/base:1\n", registry.host());
    let world = World::new();
    let said = world
        .build(&dockerfile, &["-t", "app", "--pull=never"])
        .fails(1);
    assert!(said.contains("--pull=never"), "{said}");
    assert!(registry.requests().is_empty());
    world.build(&dockerfile, &["-t", "app"]).ok();
    put(&registry, "longer");
    world.build(&dockerfile, &["-t", "app"]).ok();
    assert_eq!(world.files("app"), ["- 0644 0:0 3 base"]);
    world.build(&dockerfile, &["-t", "app", "--pull"]).ok();
    assert_eq!(world.files("app"), ["- 0644 0:0 6 base"]);
}

#[test]
fn a_base_that_is_not_there_is_said_with_place_and_advice() {
    let registry = MemoryRegistry::start();
    let world = World::new();
    let dockerfile = format!("FROM {}/nothing:1\n", registry.host());
    let said = world.build(&dockerfile, &[]).fails(1);
    assert!(said.contains("Dockerfile:1"), "{said}");
    assert!(
        said.contains("is not there") && said.contains("hint: check the spelling"),
        "{said}"
    );
    put(&registry, "one");
    let dockerfile = format!(
        "FROM --platform=linux/s390x {}/team/base:1\n",
        registry.host()
    );
    let said = world.build(&dockerfile, &[]).fails(1);
    assert!(said.contains("linux/s390x"), "{said}");
}

#[test]
fn the_result_goes_to_the_registry_of_its_name() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/team/app:1", registry.host());
    let world = World::new();
    world.write("a", "a".repeat(5000));
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    let said = world
        .build(
            dockerfile,
            &["-t", &name, "--push", "--metadata-file", "facts.json"],
        )
        .ok();
    let facts = std::fs::read(world.dir().join("facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
    let digest = facts["containerimage.digest"].as_str().unwrap();
    assert!(said.ends_with(&format!("pushed {digest}\n")), "{said}");
    let manifest = registry.manifest("team/app", "1").unwrap();
    assert_eq!(kiln_oci::Digest::sha256(&manifest).to_string(), digest);
    let other = format!("{}/other:2", registry.host());
    let output = format!("type=registry,name={other},compression=gzip");
    world.build(dockerfile, &["-o", &output]).ok();
    assert!(registry.manifest("other", "2").is_some());
    let said = world.build(dockerfile, &["--push"]).fails(2);
    assert!(said.contains("--tag"), "{said}");
}

#[test]
fn several_platforms_become_an_index_there() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/app:1", registry.host());
    let world = World::new();
    world.write("a", "a");
    let platforms = "--platform=linux/amd64,linux/arm64";
    world
        .build(
            "FROM scratch\nCOPY a /a\n",
            &["-t", &name, "--push", platforms],
        )
        .ok();
    let index = registry.manifest("app", "1").unwrap();
    let index: kiln_oci::Index = serde_json::from_slice(&index).unwrap();
    let platforms = index
        .manifests
        .iter()
        .map(|one| one.platform.clone().unwrap().to_string());
    assert_eq!(
        platforms.collect::<Vec<_>>(),
        ["linux/amd64", "linux/arm64"]
    );
    let other = World::new();
    other.kiln(["pull", "--platform=linux/arm64", &name]).ok();
}
