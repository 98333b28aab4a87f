//! `kiln pull`.

use kiln_layer::Compression;
use kiln_oci::{Descriptor, Image, Index, Platform, Raw, media_type};
use kiln_testkit::{Fault, ImageBuilder, Layer, MemoryRegistry, RegistryOptions, Rule, noise};

use crate::world::World;

/// An image with a layer that takes more than one packet.
pub(crate) fn image(seed: u64) -> Image {
    let layer = Layer::new().file("noise", noise(seed, 300_000));
    ImageBuilder::new()
        .compression(Compression::Gzip { level: 1 })
        .layer(&Layer::new().file("hello", "hello\n").tar())
        .layer(&layer.tar())
        .build()
}

/// An index of an image for this machine and one for another.
pub(crate) fn put_index(registry: &MemoryRegistry, repository: &str, tag: &str) -> Raw<Index> {
    let other: Platform = "linux/s390x".parse().unwrap();
    let children = [Platform::host(), other].map(|platform| {
        let layer = Layer::new().file("platform", platform.to_string());
        let image = ImageBuilder::new()
            .platform(platform.clone())
            .compression(Compression::Gzip { level: 1 })
            .layer(&layer.tar())
            .build();
        registry.put_image(repository, None, &image);
        let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, image.manifest.bytes());
        descriptor.platform = Some(platform);
        descriptor
    });
    let index = Raw::new(Index::new(children.to_vec()));
    registry.put_manifest(repository, Some(tag), media_type::OCI_INDEX, index.bytes());
    index
}

#[test]
fn an_image_arrives_and_is_not_fetched_again() {
    let registry = MemoryRegistry::start();
    let digest = registry.put_image("team/app", Some("1"), &image(1));
    let name = format!("{}/team/app:1", registry.host());
    let world = World::new();
    let pulled = world.kiln(["pull", &name]).ok();
    assert_eq!(pulled, format!("pulled {digest} {name}\n"));
    assert_eq!(
        world.files(&name),
        ["- 0644 0:0 6 hello", "- 0644 0:0 300000 noise"]
    );
    registry.forget_requests();
    assert_eq!(
        world.kiln(["pull", "-q", &name]).ok(),
        format!("{digest}\n")
    );
    assert!(
        registry.lines("/blobs/").is_empty(),
        "{:?}",
        registry.requests()
    );
    let by_digest = format!("{}/team/app@{digest}", registry.host());
    world.kiln(["pull", &by_digest]).ok();
    assert!(world.kiln(["images"]).ok().contains("team/app"));
}

#[test]
fn one_platform_or_all_of_them() {
    let registry = MemoryRegistry::start();
    let index = put_index(&registry, "app", "1");
    let name = format!("{}/app:1", registry.host());
    let world = World::new();
    let digest = index.digest();
    assert_eq!(
        world.kiln(["pull", "-q", &name]).ok(),
        format!("{digest}\n")
    );
    assert!(world.files(&name)[0].contains("platform"));
    let other = ["inspect", "--platform", "linux/s390x", &name];
    world.kiln(other).fails(1);
    world.kiln(["pull", "--all-platforms", &name]).ok();
    world.kiln(other).ok();
    let missing = world
        .kiln(["pull", "--platform", "linux/mips", &name])
        .fails(1);
    assert!(missing.contains("linux/s390x"), "{missing}");
}

#[test]
fn a_broken_transfer_goes_on_and_a_damaged_one_leaves_nothing() {
    let registry = MemoryRegistry::start();
    registry.put_image("app", Some("1"), &image(2));
    let name = format!("{}/app:1", registry.host());
    let world = World::new();
    let damaged = Rule::once("GET", "/blobs/", Fault::WrongByte).always();
    registry.inject(damaged);
    world.kiln(["pull", &name]).fails(1);
    assert!(!world.kiln(["images"]).ok().contains("app"));
    let registry = MemoryRegistry::start();
    registry.put_image("app", Some("1"), &image(2));
    let name = format!("{}/app:1", registry.host());
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(100)).times(3));
    world.kiln(["pull", &name]).ok();
    world.kiln(["scrub"]).ok();
}

#[test]
fn without_ranges_it_begins_anew() {
    let registry = MemoryRegistry::with(RegistryOptions {
        ranges: false,
        ..RegistryOptions::default()
    });
    registry.put_image("app", Some("1"), &image(3));
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(200)));
    let name = format!("{}/app:1", registry.host());
    World::new().kiln(["pull", &name]).ok();
}

#[test]
fn what_is_not_there_is_said_with_advice() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/nothing:1", registry.host());
    let world = World::new();
    let said = world.kiln(["pull", &name]).fails(1);
    assert!(
        said.contains("is not there") && said.contains("hint"),
        "{said}"
    );
    world.kiln(["pull"]).fails(2);
    let said = world.kiln(["pull", "UPPER"]).fails(1);
    assert!(said.contains("UPPER"), "{said}");
}
