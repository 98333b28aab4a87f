//! Collection takes what nothing needs, and nothing else.

use std::time::Duration;

use kiln_oci::{Algorithm, Digest};
use kiln_registry::collect::Collected;
use kiln_registry::content::{ContentOptions, body_of};
use kiln_testkit::noise;

use super::fixture::{Registry, image, index, name, referrer, tag};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
pub(crate) async fn leases_hold_what_no_manifest_names_yet() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let blob = registry.blob(&repository, &noise(1, 100_000)).await;
    let small = registry.blob(&repository, b"small").await;
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    registry.clock.advance(HOUR * 3 / 4);
    // Being asked for renews one of them.
    content
        .stat_blob(&repository, &small)
        .await
        .unwrap()
        .unwrap();
    registry.clock.advance(HOUR / 2);
    let expected = Collected {
        links: 1,
        blobs: 1,
        bytes: 100_000,
        ..Collected::default()
    };
    assert_eq!(content.preview_collection().await.unwrap(), expected);
    let collected = content.collect().await.unwrap();
    assert_eq!(
        collected,
        Collected {
            objects: 1,
            ..expected
        }
    );
    assert_eq!(content.stat_blob(&repository, &blob).await.unwrap(), None);
    assert!(
        content
            .stat_blob(&repository, &small)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(registry.objects().len(), 0);
}

#[tokio::test]
pub(crate) async fn what_a_tag_leads_to_stays_for_ever() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let child = registry.image(&repository, &[], &noise(2, 50_000)).await;
    let parent = registry
        .push(&repository, &["v1"], &index(&[child.digest]))
        .await;
    let parent = parent.unwrap().digest;
    let signature = referrer(parent, "application/sig");
    registry.push(&repository, &[], &signature).await.unwrap();
    registry.clock.advance(DAY * 1000);
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    // Untagged, all of it stays as long as that can be undone, and then goes.
    content
        .delete_tag(&repository, &tag("v1"), "test")
        .await
        .unwrap();
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    registry.clock.advance(DAY * 29);
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    registry.clock.advance(DAY * 2);
    let expected = Collected {
        manifests: 3,
        links: 2,
        blobs: 2,
        bytes: 50_002,
        ..Collected::default()
    };
    assert_eq!(content.preview_collection().await.unwrap(), expected);
    let collected = content.collect().await.unwrap();
    let expected = Collected {
        objects: 1,
        repositories: 1,
        ..expected
    };
    assert_eq!(collected, expected);
    assert_eq!(registry.objects().len(), 0);
    assert_eq!(content.tags(&repository, 1, None).await.unwrap(), None);
    assert_eq!(content.collect().await.unwrap(), Collected::default());
}

#[tokio::test]
pub(crate) async fn a_blob_stays_for_the_repository_that_needs_it() {
    let registry = Registry::new();
    let (gone, kept) = (name("team/gone"), name("team/kept"));
    let content = &registry.content;
    let layer = noise(3, 50_000);
    let first = registry.image(&gone, &["v1"], &layer).await;
    registry.image(&kept, &["v1"], &layer).await;
    content
        .delete_manifest(&gone, &first.digest, "test")
        .await
        .unwrap();
    registry.clock.advance(HOUR * 2);
    let collected = content.collect().await.unwrap();
    let expected = Collected {
        links: 2,
        repositories: 1,
        ..Collected::default()
    };
    assert_eq!(collected, expected);
    let digest = Digest::sha256(&layer);
    assert_eq!(content.stat_blob(&gone, &digest).await.unwrap(), None);
    let found = content.stat_blob(&kept, &digest).await.unwrap();
    assert_eq!(found.unwrap().size, 50_000);
    // The next push to where it is gone can still mount it.
    assert!(content.mount(&gone, &digest, Some(&kept)).await.unwrap());
}

#[tokio::test]
pub(crate) async fn a_layer_that_two_images_share_goes_with_the_last() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let shared = noise(4, 30_000);
    let first = registry.image(&repository, &["a"], &shared).await;
    let mut manifest = image(&shared);
    manifest
        .annotations
        .insert("other".to_owned(), "image".to_owned());
    let second = registry.push(&repository, &["b"], &manifest).await.unwrap();
    registry.clock.advance(HOUR * 2);
    content
        .delete_manifest(&repository, &first.digest, "test")
        .await
        .unwrap();
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    content
        .delete_manifest(&repository, &second.digest, "test")
        .await
        .unwrap();
    assert_eq!(content.collect().await.unwrap().blobs, 2);
}

#[tokio::test]
pub(crate) async fn uploads_that_nobody_continues_are_given_up() {
    let registry = Registry::with(ContentOptions {
        upload_patience: HOUR,
        ..ContentOptions::default()
    });
    let repository = name("team/app");
    let content = &registry.content;
    for size in [10, 100_000] {
        let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
        let id = begun.await.unwrap();
        let body = body_of(noise(5, size));
        content.append(&repository, &id, None, body).await.unwrap();
    }
    registry.clock.advance(HOUR / 2);
    assert_eq!(content.collect().await.unwrap(), Collected::default());
    registry.clock.advance(HOUR);
    assert_eq!(content.preview_collection().await.unwrap().uploads, 2);
    let collected = content.collect().await.unwrap();
    let expected = Collected {
        uploads: 2,
        objects: 1,
        ..Collected::default()
    };
    assert_eq!(collected, expected);
    assert_eq!(registry.objects().len(), 0);
}

#[tokio::test]
pub(crate) async fn files_that_nothing_names_are_removed_and_foreign_ones_are_not() {
    let registry = Registry::new();
    registry.blob(&name("team/app"), &noise(6, 50_000)).await;
    let mut expected = registry.objects();
    let orphan = format!("ab{}", "0".repeat(30));
    registry.set_object(&orphan, b"x");
    // In the part of the storage that is called `ab`, too.
    registry.set_object("abc README", b"x");
    expected.push("abc README".to_owned());
    let collected = registry.content.collect().await.unwrap();
    assert_eq!(collected.objects, 1);
    let mut left = registry.objects();
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
pub(crate) async fn a_deletion_that_was_interrupted_is_finished_by_the_next_collection() {
    let registry = Registry::new();
    let repository = name("team/app");
    let digest = registry.blob(&repository, &noise(7, 50_000)).await;
    // Deleting only notes the object; collection removes it.
    registry
        .content
        .delete_blob(&repository, &digest)
        .await
        .unwrap();
    assert_eq!(registry.objects().len(), 1);
    let registry = registry.reopen();
    assert_eq!(registry.content.collect().await.unwrap().objects, 1);
    assert_eq!(registry.objects().len(), 0);
}
