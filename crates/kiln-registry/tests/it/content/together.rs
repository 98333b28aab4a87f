//! Pushes, deletes and collection at once: who was told that a blob is there may count on it.

use std::time::Duration;

use kiln_oci::Digest;
use kiln_registry::content::{ContentOptions, DeleteError};
use kiln_registry::scrub::ScrubOptions;
use kiln_testkit::noise;

use super::fixture::{Registry, image, name};

const ROUNDS: u64 = 12;

/// Layers are pushed again and again, so that some are there, some were just collected, and some are
/// being collected while somebody asks for them.
const LAYERS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
pub(crate) async fn no_push_loses_a_blob_that_it_was_told_of() {
    let lease = Duration::from_secs(60);
    let registry = std::sync::Arc::new(Registry::with(ContentOptions {
        blob_lease: lease,
        manifest_lease: lease,
        ..ContentOptions::default()
    }));
    // Two servers push and collect where they can share their state.
    let mut servers = vec![registry.clone()];
    if registry.backing.postgres.is_some() {
        servers.push(std::sync::Arc::new(registry.beside()));
    }
    let mut asked_and_found = 0;
    for round in 0..ROUNDS {
        // Every lease is over; the clock stands while the round lasts.
        registry.clock.advance(lease * 3);
        let mut pushing = vec![];
        for pusher in 0..4 {
            let registry = servers[pusher as usize % servers.len()].clone();
            pushing.push(tokio::spawn(async move {
                let mut found = 0;
                for layer in 0..LAYERS {
                    found += push(&registry, pusher, (layer + pusher + round) % LAYERS).await;
                }
                found
            }));
        }
        let collecting = servers.iter().cloned().map(|registry| {
            tokio::spawn(async move {
                for _ in 0..8 {
                    registry.content.collect().await.unwrap();
                }
            })
        });
        let collecting: Vec<_> = collecting.collect();
        for pushing in pushing {
            asked_and_found += pushing.await.unwrap();
        }
        for collecting in collecting {
            collecting.await.unwrap();
        }
        let scrubbed = registry.content.scrub(&ScrubOptions::default()).await;
        assert_eq!(scrubbed.unwrap().findings, []);
    }
    // Else the test would have shown nothing.
    assert!(asked_and_found > 0);
}

/// Pushes as clients do: asks for each blob, uploads what is missing, then the manifest; and sometimes
/// deletes it. Returns how many blobs were there.
async fn push(registry: &Registry, pusher: u64, layer: u64) -> u64 {
    let repository = name(&format!("team/app{}", pusher % 2));
    let bytes = noise(layer, 20_000);
    let mut found = 0;
    for blob in [&b"{}"[..], &bytes] {
        let digest = Digest::sha256(blob);
        match registry
            .content
            .stat_blob(&repository, &digest)
            .await
            .unwrap()
        {
            Some(_) => found += 1,
            None => drop(registry.blob(&repository, blob).await),
        }
    }
    let mut manifest = image(&bytes);
    let own = format!("{pusher}-{layer}");
    manifest
        .annotations
        .insert("pusher".to_owned(), own.clone());
    let tag = format!("t{own}");
    let stored = registry
        .push(&repository, &[&tag], &manifest)
        .await
        .unwrap();
    if (layer + pusher).is_multiple_of(2) {
        let deleted = registry
            .content
            .delete_manifest(&repository, &stored.digest, "test")
            .await;
        assert!(
            !matches!(deleted, Err(DeleteError::Failed(_))),
            "{deleted:?}"
        );
    } else {
        let found = registry.find(&repository, &tag).await.unwrap();
        assert_eq!(found.digest, stored.digest);
    }
    found
}
