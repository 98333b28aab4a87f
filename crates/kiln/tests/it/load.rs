//! `kiln load`.

use crate::world::World;

#[test]
fn digests_stay_as_they_are() {
    let world = World::new();
    world.write("a", "a".repeat(10_000));
    world
        .build(
            "FROM scratch\nCOPY a /a\n",
            &["-t", "x:1", "-o", "type=oci,dest=x.tar"],
        )
        .ok();
    let other = World::new();
    let archive = world.dir().join("x.tar");
    let loaded = other.kiln(["load", "-i", archive.to_str().unwrap()]).ok();
    assert!(loaded.ends_with("x:1\n"), "{loaded}");
    other
        .kiln([
            "save",
            "x:1",
            "--format",
            "oci",
            "-o",
            "again.tar",
            "--compression",
            "none",
        ])
        .ok();
    let again = World::new();
    let archive = other.dir().join("again.tar");
    assert_eq!(
        loaded,
        again.kiln(["load", "-i", archive.to_str().unwrap()]).ok()
    );
    assert_eq!(again.files("x:1"), ["- 0644 0:0 10000 a"]);
}

#[test]
fn a_compressed_archive_loads_and_is_a_base() {
    use std::io::Write as _;
    let world = World::new();
    world.write("a", kiln_testkit::noise(1, 3 << 20));
    let output = ["-t", "x:1", "-o", "type=docker,dest=x.tar"];
    world.build("FROM scratch\nCOPY a /a\n", &output).ok();
    let tar = std::fs::read(world.dir().join("x.tar")).unwrap();
    let gzip = kiln_layer::Compression::Gzip { level: 1 };
    let mut packed = kiln_layer::compressor(vec![], &gzip, 1).unwrap();
    packed.write_all(&tar).unwrap();
    let packed = packed.finish().unwrap();
    let other = World::new();
    other.write("x.tar.gz", &packed);
    assert!(
        other
            .kiln(["load", "-i", "x.tar.gz"])
            .ok()
            .ends_with("x:1\n")
    );
    let third = World::new();
    third.write("x.tar.gz", &packed);
    third
        .build(
            "FROM docker-archive://x.tar.gz\nCOPY Dockerfile /d\n",
            &["-t", "y"],
        )
        .ok();
    let expected = ["- 0644 0:0 3145728 a", "- 0644 0:0 50 d"];
    assert_eq!(third.files("y"), expected);
    other.write("x.tar.gz", &packed[..packed.len() / 2]);
    let error = other.kiln(["load", "-i", "x.tar.gz"]).fails(1);
    assert!(error.contains("x.tar.gz"), "{error}");
}

#[test]
fn what_is_no_image_is_refused() {
    let world = World::new();
    world.write("x.tar", "nonsense".repeat(200));
    assert!(
        !world
            .kiln(["load", "-i", "x.tar"])
            .fails(1)
            .contains("panicked")
    );
    assert!(
        world
            .kiln(["load", "-i", "nowhere"])
            .fails(1)
            .contains("nowhere")
    );
    std::fs::create_dir(world.dir().join("d")).unwrap();
    assert!(
        world
            .kiln(["load", "-i", "d"])
            .fails(1)
            .contains("index.json")
    );
}
