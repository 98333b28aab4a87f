//! `kiln copy`.

use std::collections::BTreeMap;

use kiln_oci::{Descriptor, Digest, Manifest, Raw, media_type};
use kiln_testkit::MemoryRegistry;

use super::pull::{image, put_index};
use crate::world::World;

/// A signature of `subject`, as a referrer and under cosign's tag.
pub(crate) fn sign(
    registry: &MemoryRegistry,
    repository: &str,
    subject: &Digest,
) -> (Digest, String) {
    let config = Descriptor::of("application/vnd.oci.empty.v1+json", b"{}");
    let layer = Descriptor::of(
        "application/vnd.dev.cosign.simplesigning.v1+json",
        b"signature",
    );
    registry.put_blob(repository, b"{}");
    registry.put_blob(repository, b"signature");
    let mut manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: Some("application/vnd.example.signature".to_owned()),
        config,
        layers: vec![layer],
        subject: Some(Descriptor::new(media_type::OCI_MANIFEST, *subject, 1)),
        annotations: BTreeMap::new(),
    };
    let referrer = Raw::new(manifest.clone());
    let digest =
        registry.put_manifest(repository, None, media_type::OCI_MANIFEST, referrer.bytes());
    manifest.subject = None;
    manifest.artifact_type = None;
    let tag = format!("sha256-{}.sig", subject.hex());
    let companion = Raw::new(manifest);
    registry.put_manifest(
        repository,
        Some(&tag),
        media_type::OCI_MANIFEST,
        companion.bytes(),
    );
    (digest, tag)
}

#[test]
fn all_platforms_and_signatures_come_along() {
    let (one, two) = (MemoryRegistry::start(), MemoryRegistry::start());
    let index = put_index(&one, "team/app", "1");
    let (referrer, tag) = sign(&one, "team/app", &index.digest());
    let from = format!("{}/team/app:1", one.host());
    let to = format!("{}/mirror/app:2", two.host());
    let world = World::new();
    let copied = world.kiln(["copy", "-q", &from, &to]).ok();
    assert_eq!(copied, format!("{}\n", index.digest()));
    assert_eq!(two.manifest("mirror/app", "2").unwrap(), index.bytes());
    for child in &index.manifests {
        assert!(
            two.manifest("mirror/app", &child.digest.to_string())
                .is_some()
        );
    }
    assert!(two.manifest("mirror/app", &referrer.to_string()).is_some());
    assert_eq!(two.tags("mirror/app"), ["2".to_owned(), tag]);
    // Again: nothing but questions, and manifests.
    two.forget_requests();
    world.kiln(["copy", &from, &to]).ok();
    assert!(two.lines("PUT /v2/mirror/app/blobs").is_empty());
    let bare = format!("{}/bare:1", two.host());
    world.kiln(["copy", "--no-referrers", &from, &bare]).ok();
    assert_eq!(two.tags("bare"), ["1"]);
}

#[test]
fn one_platform_of_several() {
    let registry = MemoryRegistry::start();
    let index = put_index(&registry, "app", "1");
    let from = format!("{}/app:1", registry.host());
    let to = format!("{}/other:1", registry.host());
    let world = World::new();
    let copied = world
        .kiln(["copy", "-q", "--platform=linux/s390x", &from, &to])
        .ok();
    assert_eq!(copied, format!("{}\n", index.manifests[1].digest));
    let said = world
        .kiln(["copy", "--platform=linux/mips", &from, &to])
        .fails(1);
    assert!(said.contains("linux/s390x"), "{said}");
}

#[test]
fn through_files_and_back_with_the_same_digest() {
    let registry = MemoryRegistry::start();
    let index = put_index(&registry, "app", "1");
    let from = format!("{}/app:1", registry.host());
    let world = World::new();
    let digest = format!("{}\n", index.digest());
    let copy = |from: &str, to: &str| assert_eq!(world.kiln(["copy", "-q", from, to]).ok(), digest);
    copy(&from, "oci:layout:one");
    copy("oci:layout:one", "oci-archive:image.tar:example.org/two:3");
    copy("oci-archive:image.tar", "store://kept:1");
    copy("store://kept:1", &format!("{}/again:1", registry.host()));
    assert_eq!(registry.manifest("again", "1").unwrap(), index.bytes());
    assert!(world.files("kept:1")[0].contains("platform"));
    assert!(!world.dir().read_dir().unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("partial")
    }));
}

#[test]
fn docker_archives_hold_one_image() {
    let registry = MemoryRegistry::start();
    registry.put_image("app", Some("1"), &image(5));
    let from = format!("{}/app:1", registry.host());
    let world = World::new();
    world
        .kiln(["copy", &from, "docker-archive:app.tar:app:5"])
        .ok();
    world.kiln(["load", "-i", "app.tar"]).ok();
    assert_eq!(world.files("app:5").len(), 2);
    let to = format!("{}/back:1", registry.host());
    world.kiln(["copy", "docker-archive:app.tar", &to]).ok();
    assert!(registry.manifest("back", "1").is_some());
    world
        .kiln(["copy", "--all-platforms", &from, "docker-archive:x.tar"])
        .fails(2);
}

#[test]
fn what_cannot_be_copied_is_said() {
    let registry = MemoryRegistry::start();
    let world = World::new();
    let missing = format!("{}/none:1", registry.host());
    let said = world.kiln(["copy", &missing, "oci:x"]).fails(1);
    assert!(said.contains("is not there"), "{said}");
    let said = world.kiln(["copy", "store://none:1", &missing]).fails(1);
    assert!(said.contains("not in the store"), "{said}");
    world.kiln(["copy", "ftp://x", "oci:x"]).fails(2);
    world.kiln(["copy", "oci:nowhere", "store://x"]).fails(1);
}
