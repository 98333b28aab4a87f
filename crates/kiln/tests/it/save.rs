//! `kiln save`.

use crate::world::World;

#[test]
fn every_format_can_be_loaded_again() {
    let world = World::new();
    world.write("a", "a".repeat(50_000));
    world.build("FROM scratch\nCOPY a /a\n", &["-t", "x"]).ok();
    for (format, compression) in [
        ("docker", "none"),
        ("docker", "gzip"),
        ("oci", "zstd"),
        ("oci-dir", "gzip"),
    ] {
        let file = format!("{format}.{compression}");
        world
            .kiln([
                "save",
                "x",
                "-o",
                &file,
                "--format",
                format,
                "--compression",
                compression,
            ])
            .ok();
        world.kiln(["load", "-i", &file, "-t", "again"]).ok();
        assert_eq!(world.files("again"), ["- 0644 0:0 50000 a"], "{file}");
    }
    assert!(
        world
            .kiln(["save", "nosuch", "-o", "f"])
            .fails(1)
            .contains("nosuch")
    );
    let error = world
        .kiln(["save", "x", "-o", "f", "--compression", "arj"])
        .fails(1);
    assert!(error.contains("arj"), "{error}");
    assert!(!world.dir().join("f").exists());
}
