//! Archives that are damaged, are not what they should be, or want to get out.

use kiln_assemble::AssembleError;
use kiln_layer::{Entry, Kind};
use kiln_oci::Digest;
use kiln_testkit::debian::{Deb, DebianRepository, Published, ar};

use crate::world::{World, key, told};

const TEXT: &str = "packages = [\"app\"]";

fn app() -> Deb {
    Deb::new("app", "1").file("usr/bin/app", "content")
}

/// A lock for a good archive, and then another one at its address.
fn with_archive(archive: Vec<u8>) -> Result<(), AssembleError> {
    let world = World::new(vec![app()]);
    let spec = world.spec(TEXT);
    let mut lock = world.lock(&spec).unwrap();
    lock.packages[0].sha256 = Digest::sha256(&archive).hex().to_owned();
    lock.packages[0].size = archive.len() as u64;
    let path = "pool/main/app_1_amd64.deb".to_owned();
    world.server.replace(Published::from([(path, archive)]));
    world.make(&spec, &lock).map(drop)
}

#[track_caller]
fn refused(archive: Vec<u8>, words: &str) {
    let error = told(&with_archive(archive).unwrap_err());
    assert!(error.contains(words), "{error}");
}

#[test]
fn another_archive_than_the_locked_one_is_refused() {
    let world = World::new(vec![app()]);
    let spec = world.spec(TEXT);
    let lock = world.lock(&spec).unwrap();
    let other = DebianRepository::new(vec![app().file("usr/bin/more", "x")]);
    world.server.replace(other.publish(key()));
    let error = told(&world.make(&spec, &lock).unwrap_err());
    assert!(error.contains("app_1_amd64.deb"), "{error}");
    let mut same_size = app().build();
    let last = same_size.len() - 1;
    same_size[last] ^= 1;
    let path = "pool/main/app_1_amd64.deb".to_owned();
    world.server.replace(Published::from([(path, same_size)]));
    let error = told(&world.make(&spec, &lock).unwrap_err());
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn an_archive_that_rots_in_the_cache_is_noticed() {
    let world = World::new(vec![app()]);
    let spec = world.spec(TEXT);
    let lock = world.lock(&spec).unwrap();
    world.make(&spec, &lock).unwrap();
    let path = world
        .path("home/downloads/sha256")
        .join(&lock.packages[0].sha256);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = world.make(&spec, &lock).unwrap_err();
    assert!(
        matches!(error, AssembleError::Damaged { .. }),
        "{}",
        told(&error)
    );
    // Cut off, it is fetched again.
    std::fs::write(&path, &bytes[..50]).unwrap();
    world.make(&spec, &lock).unwrap();
}

#[test]
fn a_mirror_that_vanishes_half_way_is_an_error_and_leaves_nothing() {
    let world = World::new(vec![app(), Deb::new("other", "1").file("usr/x", "x")]);
    let spec = world.spec("packages = [\"app\", \"other\"]");
    let lock = world.lock(&spec).unwrap();
    world.server.replace(Published::from([(
        "pool/main/app_1_amd64.deb".to_owned(),
        app().build(),
    )]));
    let error = told(&world.make(&spec, &lock).unwrap_err());
    assert!(
        error.contains("other_1_amd64.deb") && error.contains("404"),
        "{error}"
    );
    let references = world.store().references().unwrap();
    assert!(references.is_empty());
}

#[test]
fn what_is_no_package_is_refused() {
    let good = app().build();
    refused(b"<html>not found</html>".to_vec(), "not a Debian package");
    refused(good[..good.len() - 7].to_vec(), "too early");
    refused(good[..100].to_vec(), "too early");
    refused(
        ar(&[("debian-binary", b"2.0\n"), ("data.tar", b"")]),
        "`control.tar` should be",
    );
    let garbage = [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar.xz", b"\xfd7zXZ\0garbage"),
        ("data.tar", b""),
    ];
    refused(ar(&garbage), "`app`");
    let empty = [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &[0; 1024][..]),
        ("data.tar", &[0; 1024]),
    ];
    refused(ar(&empty), "no file `control`");
}

#[test]
fn a_package_of_another_name_version_or_architecture_is_refused() {
    for other in [
        Deb::new("apq", "1"),
        Deb::new("app", "2"),
        app().field("Architecture", "arm64"),
    ] {
        refused(other.build(), "is that of");
    }
}

#[test]
fn nothing_gets_out_of_the_image() {
    let link = |path: &str, target: &str| {
        Entry::new(
            path,
            Kind::Hardlink {
                target: target.as_bytes().to_vec(),
            },
        )
    };
    refused(raw_path("../../etc/cron.d/evil"), "`..`");
    refused(
        app()
            .symlink("evil", "/etc")
            .file("evil/passwd", "x")
            .build(),
        "is no directory",
    );
    refused(
        app().file("evil", "").file("evil/passwd", "x").build(),
        "is no directory",
    );
    refused(
        app().entry(link("evil", "etc/shadow"), "").build(),
        "link to a file that is not there",
    );
    refused(
        app()
            .entry(
                Entry::new("dev/sda", Kind::Block { major: 8, minor: 0 }),
                "",
            )
            .build(),
        "a device",
    );
    refused(app().file("usr/.wh.bin", "x").build(), ".wh.");
    let harmless = app().symlink("usr/bin/up", "../../../../../etc/passwd");
    with_archive(harmless.build()).unwrap();
}

#[test]
fn a_link_of_one_package_leads_no_other_package_elsewhere() {
    let first = Deb::new("app", "1").symlink("usr/share/data", "/etc");
    let second = Deb::new("second", "1").file("usr/share/data/passwd", "x");
    let world = World::new(vec![first, second]);
    let error = world
        .image("packages = [\"app\", \"second\"]")
        .err()
        .unwrap();
    assert!(
        matches!(error, AssembleError::Conflict { .. }),
        "{}",
        told(&error)
    );
}

/// A package whose archive has a path that no writer of ours would write.
fn raw_path(path: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    for (at, text) in [
        (108, "0000000\0"),
        (116, "0000000\0"),
        (124, "00000000000\0"),
        (136, "00000000000\0"),
    ] {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let data = [&header[..], &[0; 1024]].concat();
    let control = app().control_text();
    let mut tar = kiln_layer::TarWriter::new(vec![]);
    let size = control.len() as u64;
    let entry = Entry {
        mode: 0o644,
        ..Entry::new("control", Kind::File { size })
    };
    tar.file(&entry, &mut control.as_bytes()).unwrap();
    let control = tar.finish().unwrap();
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar", &data),
    ])
}
