//! Layer indexes are made after the push, of whatever comes, and go with their layers.

use std::time::Duration;

use kiln_layer::{Compression, LayerIndex};
use kiln_oci::{Descriptor, Digest, media_type};
use kiln_registry::indexer::LayerState;
use kiln_testkit::{Layer, noise};

use super::fixture::{Registry, image, name};

async fn push_layer(registry: &Registry, blob: &[u8], media_type: &str) -> Digest {
    let repository = name("team/app");
    let digest = registry.blob(&repository, blob).await;
    registry.blob(&repository, b"{}").await;
    let mut manifest = image(b"");
    manifest.layers = vec![Descriptor::of(media_type, blob)];
    registry.push(&repository, &[], &manifest).await.unwrap();
    digest
}

async fn ready(registry: &Registry, digest: &Digest) -> LayerIndex {
    match registry.content.layer_index(digest).await.unwrap() {
        LayerState::Ready(index) => *index,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
pub(crate) async fn a_layer_is_pending_and_then_indexed() {
    let registry = Registry::new();
    let mut layer = Layer::new().directory("d");
    for number in 0..2_000 {
        let path = format!(
            "d/{}",
            Digest::sha256(&[number as u8, (number >> 8) as u8]).hex()
        );
        layer = layer.file(&path, noise(number, 100));
    }
    let (tar, expected) = layer.finish();
    let small = Layer::new().file("f", "x").tar();
    for compression in [
        Compression::None,
        Compression::Gzip { level: 1 },
        Compression::zstd(1),
    ] {
        let blob = compressed(&tar, &compression);
        let digest = push_layer(&registry, &blob, compression_type(&compression)).await;
        let state = registry.content.layer_index(&digest).await.unwrap();
        assert_eq!(state, LayerState::Pending);
        assert_eq!(registry.content.index_pending().await.unwrap(), 1);
        assert_eq!(ready(&registry, &digest).await, expected);
    }
    // A small index needs no object.
    let before = registry.objects().len();
    let digest = push_layer(&registry, &small, media_type::OCI_LAYER_TAR).await;
    registry.content.index_pending().await.unwrap();
    assert_eq!(ready(&registry, &digest).await.entries.len(), 1);
    assert_eq!(registry.objects().len(), before);
    // None is made twice, and nothing is left over.
    assert_eq!(registry.content.index_pending().await.unwrap(), 0);
    assert_eq!(
        registry.content.collect().await.unwrap(),
        Default::default()
    );
    let registry = registry.reopen();
    assert_eq!(ready(&registry, &digest).await.entries.len(), 1);
    // They go with their layers.
    registry
        .clock
        .advance(Duration::from_secs(31 * 24 * 60 * 60));
    registry.content.collect().await.unwrap();
    assert_eq!(registry.objects().len(), 0);
    let state = registry.content.layer_index(&digest).await.unwrap();
    assert_eq!(state, LayerState::Unknown);
}

#[tokio::test]
pub(crate) async fn what_is_no_layer_is_said_to_be_none() {
    let registry = Registry::new();
    let tar = Layer::new().file("f", noise(1, 100_000)).tar();
    let mut cut = compressed(&tar, &Compression::Gzip { level: 1 });
    cut.truncate(cut.len() / 2);
    for blob in [noise(2, 50_000), cut] {
        let digest = push_layer(&registry, &blob, media_type::OCI_LAYER_GZIP).await;
        assert_eq!(registry.content.index_pending().await.unwrap(), 1);
        match registry.content.layer_index(&digest).await.unwrap() {
            LayerState::Failed { reason } => assert!(!reason.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(registry.content.index_pending().await.unwrap(), 0);
    }
    let unknown = registry.content.layer_index(&Digest::sha256(b"none")).await;
    assert_eq!(unknown.unwrap(), LayerState::Unknown);
}

#[tokio::test]
pub(crate) async fn layers_that_arrive_are_indexed_in_the_background() {
    let registry = Registry::new();
    let indexing = tokio::spawn({
        let content = registry.content.clone();
        async move { content.index_forever(|error| panic!("{error}")).await }
    });
    let tar = Layer::new().file("f", "x").tar();
    let digest = push_layer(&registry, &tar, media_type::OCI_LAYER_TAR).await;
    while registry.content.layer_index(&digest).await.unwrap() == LayerState::Pending {
        tokio::task::yield_now().await;
    }
    assert_eq!(ready(&registry, &digest).await.entries.len(), 1);
    indexing.abort();
    assert!(indexing.await.unwrap_err().is_cancelled());
}

fn compressed(tar: &[u8], compression: &Compression) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = kiln_layer::compressor(vec![], compression, 0).unwrap();
    out.write_all(tar).unwrap();
    out.finish().unwrap()
}

fn compression_type(compression: &Compression) -> &'static str {
    match compression {
        Compression::None => media_type::OCI_LAYER_TAR,
        Compression::Gzip { .. } => media_type::OCI_LAYER_GZIP,
        Compression::Zstd { .. } => media_type::OCI_LAYER_ZSTD,
    }
}
