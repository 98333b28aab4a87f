//! Blobs that are there: found, read in parts, mounted, deleted, leased.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use kiln_oci::Digest;
use kiln_registry::content::{ContentOptions, DeleteError};
use kiln_testkit::noise;

use super::fixture::{Registry, name, read};

/// Sizes around every limit: what is kept in the database, the first block, a block, several.
const SIZES: &[usize] = &[
    0, 1, 16_384, 16_385, 65_536, 65_537, 262_144, 262_145, 2_000_003,
];

#[tokio::test]
pub(crate) async fn what_was_put_comes_out_whole_and_in_parts() {
    let registry = Registry::new();
    let repository = name("team/app");
    for size in SIZES {
        let content = noise(7, *size);
        let digest = registry.blob(&repository, &content).await;
        let stat = registry.content.stat_blob(&repository, &digest).await;
        assert_eq!(stat.unwrap().unwrap().size, *size as u64);
        let open = registry.content.open_blob(&repository, &digest).await;
        let open = open.unwrap().unwrap();
        assert_eq!(open.size(), *size as u64);
        assert_eq!(read(&open).await, content);
        let (start, end) = (size / 3, size - size / 5);
        let part = open.read(start as u64..end as u64);
        assert_eq!(part.size_hint().exact(), Some((end - start) as u64));
        let part = part.collect().await.unwrap().to_bytes();
        assert_eq!(part, content[start..end]);
        let behind = open.read(*size as u64 + 1..u64::MAX);
        assert!(behind.is_end_stream());
    }
}

#[tokio::test]
pub(crate) async fn small_blobs_need_no_file() {
    let registry = Registry::new();
    let repository = name("team/app");
    registry.blob(&repository, &noise(1, 16_384)).await;
    assert_eq!(registry.objects().len(), 0);
    registry.blob(&repository, &noise(1, 16_385)).await;
    assert_eq!(registry.objects().len(), 1);
}

#[tokio::test]
pub(crate) async fn a_blob_is_only_where_it_was_pushed_or_mounted() {
    let registry = Registry::new();
    let (here, there, elsewhere) = (name("team/app"), name("team/other"), name("else/app"));
    let content = &registry.content;
    let digest = registry.blob(&here, &noise(2, 100_000)).await;
    assert_eq!(content.stat_blob(&there, &digest).await.unwrap(), None);
    assert!(content.open_blob(&there, &digest).await.unwrap().is_none());
    // From a repository that does not have it; from anywhere in another project.
    assert!(
        !content
            .mount(&there, &digest, Some(&elsewhere))
            .await
            .unwrap()
    );
    assert!(!content.mount(&elsewhere, &digest, None).await.unwrap());
    assert_eq!(content.stat_blob(&elsewhere, &digest).await.unwrap(), None);
    // From where it is; from anywhere in the project.
    assert!(
        content
            .mount(&elsewhere, &digest, Some(&here))
            .await
            .unwrap()
    );
    assert!(content.mount(&there, &digest, None).await.unwrap());
    for repository in [&there, &elsewhere] {
        let stat = content.stat_blob(repository, &digest).await.unwrap();
        assert_eq!(stat.unwrap().size, 100_000);
    }
    assert_eq!(registry.objects().len(), 1);
}

#[tokio::test]
pub(crate) async fn pushing_what_is_there_keeps_one_object() {
    let registry = Registry::new();
    let content = noise(3, 300_000);
    for repository in ["a/x", "a/x", "b/x"] {
        registry.blob(&name(repository), &content).await;
        assert_eq!(registry.objects().len(), 1);
    }
}

#[tokio::test]
pub(crate) async fn a_deleted_blob_is_gone_where_it_was_deleted_and_can_be_pushed_again() {
    let registry = Registry::new();
    let (here, there) = (name("a/x"), name("b/x"));
    let bytes = noise(4, 100_000);
    let digest = registry.blob(&here, &bytes).await;
    registry.blob(&there, &bytes).await;
    let content = &registry.content;
    let open = content.open_blob(&here, &digest).await.unwrap().unwrap();
    content.delete_blob(&here, &digest).await.unwrap();
    assert_eq!(content.stat_blob(&here, &digest).await.unwrap(), None);
    let again = content.delete_blob(&here, &digest).await;
    assert!(matches!(again, Err(DeleteError::Unknown { .. })));
    let nowhere = content.delete_blob(&name("no/such"), &digest).await;
    assert!(matches!(nowhere, Err(DeleteError::Unknown { .. })));
    assert!(content.stat_blob(&there, &digest).await.unwrap().is_some());
    // Who is reading it reads on.
    assert_eq!(read(&open).await, bytes);
    registry.blob(&here, &bytes).await;
    assert!(content.stat_blob(&here, &digest).await.unwrap().is_some());
}

#[tokio::test]
pub(crate) async fn a_blob_that_a_manifest_names_is_not_deleted() {
    let registry = Registry::new();
    let repository = name("team/app");
    let stored = registry.image(&repository, &["v1"], b"layer").await;
    let layer = Digest::sha256(b"layer");
    let refused = registry.content.delete_blob(&repository, &layer).await;
    assert!(
        matches!(&refused, Err(DeleteError::Needed { by, .. }) if **by == stored.digest),
        "{refused:?}"
    );
}

#[tokio::test]
pub(crate) async fn asking_renews_the_lease_when_half_of_it_is_over() {
    let registry = Registry::with(ContentOptions {
        blob_lease: Duration::from_secs(100),
        ..ContentOptions::default()
    });
    let repository = name("team/app");
    let digest = registry.blob(&repository, b"leased").await;
    let content = &registry.content;
    let lease = async || {
        let row = content.database().read(move |transaction| {
            let sql = "SELECT lease FROM repository_blob WHERE digest = $1";
            let row = transaction.first(sql, &[digest.into()])?;
            row.unwrap().get::<i64>(0)
        });
        let lease: Result<_, kiln_registry::database::DatabaseError> = row.await;
        lease.unwrap() - registry.clock.now()
    };
    assert_eq!(lease().await, 100_000);
    for (passes, left) in [(40, 60_000), (20, 100_000), (1000, 100_000)] {
        registry.clock.advance(Duration::from_secs(passes));
        let stat = content.stat_blob(&repository, &digest).await.unwrap();
        assert!(stat.is_some());
        assert_eq!(lease().await, left);
    }
}

#[tokio::test]
pub(crate) async fn everything_is_there_after_a_restart() {
    let registry = Registry::new();
    let repository = name("team/app");
    let contents = SIZES.iter().map(|size| noise(9, *size));
    let contents: Vec<_> = contents.collect();
    for content in &contents {
        registry.blob(&repository, content).await;
    }
    let registry = registry.reopen();
    for content in &contents {
        let digest = Digest::sha256(content);
        let open = registry.content.open_blob(&repository, &digest).await;
        assert_eq!(&read(&open.unwrap().unwrap()).await, content);
    }
}
