//! `kiln import`.

use std::process::Command;

use crate::world::World;

#[test]
fn archives_of_every_compression_give_the_same_image() {
    let world = World::new();
    world.write("root/etc/os-release", "ID=test\n");
    let dir = world.dir();
    let tar = |args: &[&str]| {
        let status = Command::new("tar")
            .args(args)
            .args(["-C", "root", "--mtime=@0", "."])
            .current_dir(&dir)
            .status();
        status.is_ok_and(|status| status.success())
    };
    assert!(tar(&["-cf", "r.tar"]));
    let plain = world.kiln(["import", "r.tar", "-t", "plain"]).ok();
    let digest = |text: &str| text.split_whitespace().nth(1).unwrap().to_owned();
    let layers = |name: &str| {
        let config = world.kiln(["inspect", name, "--raw-config"]).ok();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        config["rootfs"]["diff_ids"].clone()
    };
    assert!(digest(&plain).starts_with("sha256:"));
    for (flag, name) in [("-czf", "r.tgz"), ("-cJf", "r.txz"), ("-cjf", "r.tbz")] {
        if tar(&[flag, name]) {
            world.kiln(["import", name, "-t", "other"]).ok();
            assert_eq!(layers("plain"), layers("other"), "{name}");
        }
    }
    let bytes = std::fs::read(dir.join("r.tar")).unwrap();
    world
        .kiln_with_input(["import", "-", "-t", "piped"], &bytes)
        .ok();
    assert_eq!(layers("plain"), layers("piped"));
}

#[test]
fn broken_and_hostile_archives_are_refused() {
    use kiln_layer::{Entry, Kind, TarWriter};
    let world = World::new();
    let import = |name: &str, bytes: &[u8]| {
        world.write(name, bytes);
        world.kiln(["import", name, "-t", "x"]).fails(1)
    };
    assert!(import("empty.tar", b"").contains("empty"));
    import(
        "text.tar",
        b"this is no archive at all, but long enough to be read as a header"
            .repeat(20)
            .as_slice(),
    );
    import("zeros.gz", b"\x1f\x8b\x08\x00\x00");
    let mut tar = TarWriter::new(vec![]);
    let content = vec![1_u8; 100_000];
    let entry = Entry {
        mode: 0o644,
        ..Entry::new("file", Kind::File { size: 100_000 })
    };
    tar.file(&entry, &mut &content[..]).unwrap();
    let whole = tar.finish().unwrap();
    assert!(!import("cut.tar", &whole[..50_000]).is_empty());
    let mut escaping = whole.clone();
    escaping[..8].copy_from_slice(b"../../x\0");
    fix_checksum(&mut escaping);
    let error = import("escape.tar", &escaping);
    assert!(error.contains(".."), "{error}");
    let mut huge = whole;
    huge[124..136].copy_from_slice(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    fix_checksum(&mut huge);
    import("huge.tar", &huge);
    assert_eq!(
        world.kiln(["images", "-q"]).ok(),
        "",
        "nothing of it has a name"
    );
    assert!(
        world
            .kiln(["import", "missing.tar", "-t", "x"])
            .fails(1)
            .contains("missing.tar")
    );
}

fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
