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
