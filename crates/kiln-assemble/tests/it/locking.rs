//! What a lock file holds, and what makes it change.

use kiln_assemble::{Change, changes};
use kiln_testkit::debian::{Deb, DebianRepository};

use crate::world::{World, key, told, versions};

fn library(version: &str) -> Deb {
    Deb::new("libfoo", version).field("Source", "foo")
}

#[test]
fn a_lock_names_everything_that_is_needed_and_where_it_is() {
    let app = Deb::new("app", "1:2.0-1").field("Depends", "libfoo (>= 1)");
    let world = World::new(vec![app, library("1.5"), Deb::new("unused", "1")]);
    let lock = world.lock(&world.spec("packages = [\"app\"]")).unwrap();
    assert_eq!(
        versions(&lock).into_iter().collect::<Vec<_>>(),
        [("app", "1:2.0-1"), ("libfoo", "1.5")]
    );
    let foo = &lock.packages[1];
    assert_eq!(foo.source, "foo");
    assert_eq!(
        foo.url,
        format!("{}/pool/main/libfoo_1.5_amd64.deb", world.server.url())
    );
    assert_eq!(lock.epoch, crate::world::MADE);
    assert_eq!(
        lock.to_string().parse::<kiln_assemble::Lock>().unwrap(),
        lock
    );
    let asked = world.server.asked();
    assert!(
        asked.iter().all(|path| !path.ends_with(".deb")),
        "{asked:?}"
    );
    assert!(
        asked.iter().any(|path| path.contains("/by-hash/SHA256/")),
        "{asked:?}"
    );
}

#[test]
fn an_update_takes_newer_versions_and_nothing_else_does() {
    let world = World::new(vec![library("1.0")]);
    let spec = world.spec("packages = [\"libfoo\"]");
    let first = world.lock(&spec).unwrap();
    let newer = DebianRepository::new(vec![library("1.0"), library("2.0"), Deb::new("more", "1")]);
    world.server.replace(newer.publish(key()));
    let more = world.spec("packages = [\"libfoo\", \"more\"]");
    let kept = world.lock_after(&more, Some(&first), false).unwrap();
    assert_eq!(versions(&kept)["libfoo"], "1.0");
    let updated = world.lock_after(&more, Some(&kept), true).unwrap();
    let changes = changes(&kept, &updated);
    assert!(
        matches!(&changes[..], [Change::Version { from, to }] if from.version == "1.0" && to.version == "2.0"),
        "{changes:?}"
    );
}

#[test]
fn several_architectures_have_their_own_packages() {
    let both = ["amd64", "arm64"].map(|name| library("1").field("Architecture", name));
    let data = Deb::new("data", "1").field("Architecture", "all");
    let only = Deb::new("only", "1").field("Architecture", "arm64");
    let world = World::new(both.into_iter().chain([data, only]).collect());
    let spec =
        world.spec("architectures = [\"amd64\", \"arm64\"]\npackages = [\"libfoo\", \"data\"]");
    let lock = world.lock(&spec).unwrap();
    assert_eq!(lock.packages.len(), 4);
    let arm64 = "arm64".parse().unwrap();
    let urls: Vec<_> = lock
        .of(arm64)
        .map(|one| one.url.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(urls, ["data_1_all.deb", "libfoo_1_arm64.deb"]);
    let error = world
        .lock(&world.spec("architectures = [\"arm64\", \"amd64\"]\npackages = [\"only\"]"))
        .unwrap_err();
    assert!(told(&error).contains("amd64"), "{}", told(&error));
}

#[test]
fn without_a_network_what_was_fetched_suffices() {
    let mut world = World::new(vec![library("1.0")]);
    let spec = world.spec("packages = [\"libfoo\"]");
    world.offline = true;
    let error = world.lock(&spec).unwrap_err();
    assert!(told(&error).contains("--offline"), "{}", told(&error));
    world.offline = false;
    let first = world.lock(&spec).unwrap();
    let _ = world.server.asked();
    world.offline = true;
    assert_eq!(world.lock(&spec).unwrap(), first);
    assert!(world.server.asked().is_empty());
}

#[test]
fn what_does_not_fit_is_explained() {
    let app = Deb::new("app", "1").field("Depends", "libfoo (>= 9)");
    let world = World::new(vec![app, library("1.0")]);
    let error = world.lock(&world.spec("packages = [\"app\"]")).unwrap_err();
    let told = told(&error);
    for words in ["no set of packages for amd64", "app", "libfoo", "(>= 9)"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_component_or_suite_that_is_not_there_is_named() {
    let world = World::new(vec![library("1.0")]);
    let spec = |more: &str| {
        format!(
            "packages = [\"libfoo\"]\n[[repository]]\nurl = \"{}\"\nkeyring = \"archive.gpg\"\n{more}",
            world.server.url()
        )
    };
    let contrib = spec("suites = [\"stable\"]\ncomponents = [\"contrib\"]")
        .parse()
        .unwrap();
    let error = told(&world.lock(&contrib).unwrap_err());
    assert!(
        error.contains("no packages for amd64 in the component `contrib`"),
        "{error}"
    );
    let testing = spec("suites = [\"testing\"]").parse().unwrap();
    let error = told(&world.lock(&testing).unwrap_err());
    assert!(
        error.contains("dists/testing/InRelease") && error.contains("404"),
        "{error}"
    );
}

#[test]
fn a_mirror_without_names_by_digest_will_do() {
    let repository = DebianRepository::new(vec![library("1.0")]);
    let world = World::of(&repository);
    let mut files = repository.publish(key());
    let plain = DebianRepository {
        by_hash: false,
        ..repository
    }
    .publish(key());
    files.retain(|path, _| !path.contains("by-hash"));
    files.extend(
        plain
            .into_iter()
            .filter(|(path, _)| path.ends_with("Packages.zst")),
    );
    world.server.replace(files);
    let lock = world.lock(&world.spec("packages = [\"libfoo\"]")).unwrap();
    assert_eq!(versions(&lock)["libfoo"], "1.0");
    let asked = world.server.asked();
    assert!(
        asked.iter().any(|path| path.contains("/by-hash/")),
        "{asked:?}"
    );
}
