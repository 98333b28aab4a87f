//! The scrub finds what is wrong, hides it from clients, and a new push heals it.

use kiln_oci::Digest;
use kiln_registry::content::PutManifestError;
use kiln_registry::database::DatabaseError;
use kiln_registry::scrub::{Finding, ScrubOptions};
use kiln_testkit::noise;

use super::fixture::{Registry, image, name, read, tag};

#[tokio::test]
pub(crate) async fn a_sound_registry_has_no_findings() {
    let registry = Registry::new();
    for repository in ["team/a", "team/b"] {
        registry
            .image(&name(repository), &["v1"], &noise(1, 70_000))
            .await;
    }
    let scrubbed = registry
        .content
        .scrub(&ScrubOptions::default())
        .await
        .unwrap();
    assert_eq!(scrubbed.findings, []);
    assert_eq!((scrubbed.blobs, scrubbed.bytes), (2, 70_002));
    assert_eq!(scrubbed.manifests, 2);
    // What was read lately can be left out.
    let options = ScrubOptions {
        not_within: std::time::Duration::from_secs(1),
        ..ScrubOptions::default()
    };
    let scrubbed = registry.content.scrub(&options).await.unwrap();
    assert_eq!(scrubbed.blobs, 0);
}

#[tokio::test]
pub(crate) async fn damage_is_found_hidden_and_healed_by_a_push() {
    for damage in ["changed", "longer", "shorter", "gone"] {
        let registry = Registry::new();
        let repository = name("team/app");
        let layer = noise(2, 70_000);
        let stored = registry.image(&repository, &["v1"], &layer).await;
        let digest = Digest::sha256(&layer);
        let content = &registry.content;
        // So that it is in memory.
        content
            .stat_blob(&repository, &digest)
            .await
            .unwrap()
            .unwrap();
        let object = registry.objects().remove(0);
        let mut bytes = layer.clone();
        match damage {
            "changed" => bytes[60_000] ^= 1,
            "longer" => bytes.push(0),
            "shorter" => drop(bytes.pop()),
            _ => {}
        }
        match damage {
            "gone" => drop(registry.take_object(&object)),
            _ => registry.set_object(&object, &bytes),
        }
        let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
        let of_blob = match damage {
            "gone" => Finding::Missing { blob: digest },
            _ => Finding::Damaged {
                blob: digest,
                found: Digest::sha256(&bytes),
            },
        };
        let incomplete = Finding::Incomplete {
            repository: repository.clone(),
            manifest: stored.digest,
            needs: digest,
        };
        assert_eq!(scrubbed.findings, [of_blob, incomplete], "{damage}");
        assert_eq!(content.stat_blob(&repository, &digest).await.unwrap(), None);
        assert!(
            content
                .open_blob(&repository, &digest)
                .await
                .unwrap()
                .is_none()
        );
        let refused = registry.push(&repository, &["v2"], &image(&layer)).await;
        assert!(matches!(refused, Err(PutManifestError::Unknown { .. })));
        registry.image(&repository, &["v2"], &layer).await;
        let open = content.open_blob(&repository, &digest).await.unwrap();
        assert!(read(&open.unwrap()).await == layer);
        let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
        assert_eq!(scrubbed.findings, [], "{damage}");
        // The damaged object is not kept.
        content.collect().await.unwrap();
        assert_eq!(registry.objects().len(), 1);
    }
}

#[tokio::test]
pub(crate) async fn a_disk_that_comes_back_heals_without_a_push() {
    let registry = Registry::new();
    let repository = name("team/app");
    let digest = registry.blob(&repository, &noise(3, 70_000)).await;
    let object = registry.objects().remove(0);
    let away = registry.take_object(&object);
    let content = &registry.content;
    let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
    assert_eq!(scrubbed.findings, [Finding::Missing { blob: digest }]);
    registry.set_object(&object, &away);
    let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
    assert_eq!((scrubbed.findings, scrubbed.healed), (vec![], 1));
    assert!(
        content
            .stat_blob(&repository, &digest)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
pub(crate) async fn references_that_lead_nowhere_are_found() {
    let registry = Registry::new();
    let repository = name("team/app");
    let stored = registry.image(&repository, &["v1"], b"layer").await;
    let content = &registry.content;
    let manifest = stored.digest;
    // No operation does this; a hand in the database may.
    let spoilt = content.database().write(move |transaction| {
        let sql = "UPDATE manifest SET bytes = $1";
        transaction.execute(sql, &[b"spoilt"[..].into()])?;
        let sql = "INSERT INTO tag (repository, name, digest, updated, updated_by) \
                   SELECT id, 'v2', $1, 0, '' FROM repository";
        transaction.execute(sql, &[Digest::sha256(b"none").into()])?;
        let sql = "DELETE FROM repository_blob WHERE digest = $1";
        transaction.execute(sql, &[Digest::sha256(b"layer").into()])?;
        Ok::<_, DatabaseError>(())
    });
    spoilt.await.unwrap();
    let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
    let expected = [
        Finding::DamagedManifest {
            repository: repository.clone(),
            manifest,
        },
        Finding::DanglingTag {
            repository: repository.clone(),
            tag: tag("v2"),
            manifest: Digest::sha256(b"none"),
        },
        Finding::Incomplete {
            repository,
            manifest,
            needs: Digest::sha256(b"layer"),
        },
    ];
    assert_eq!(scrubbed.findings, expected);
}
