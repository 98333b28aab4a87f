//! What registries hold beside images: attestations in an index, manifests of other kinds, any content.

use std::collections::BTreeMap;

use kiln_oci::{Descriptor, Index, Manifest, Platform, Raw, Source as _, media_type};
use kiln_store::{PruneOptions, StoreError};

use crate::fixture::{Home, image, name};

#[test]
fn an_index_may_list_more_than_images() {
    let home = Home::new();
    let store = &home.store;
    let lease = store.lease().unwrap();
    let image = image();
    let described = store.adopt(&lease, &image).unwrap();
    let statement = b"{\"_type\":\"https://in-toto.io/Statement/v1\"}";
    let layer = Descriptor::of("application/vnd.in-toto+json", statement);
    let config = Descriptor::of(media_type::OCI_CONFIG, b"{}");
    let attestation = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: config.clone(),
        layers: vec![layer.clone()],
        subject: None,
        annotations: BTreeMap::new(),
    });
    let mut attests = Descriptor::of(media_type::OCI_MANIFEST, attestation.bytes());
    let kind = "vnd.docker.reference.type".to_owned();
    attests
        .annotations
        .insert(kind, "attestation-manifest".to_owned());
    let readme = Descriptor::of("text/markdown", b"# readme");
    let index = Raw::new(Index::new(vec![attests.clone(), readme.clone(), described]));
    let top = Descriptor::of(media_type::OCI_INDEX, index.bytes());
    for (descriptor, bytes) in [
        (&layer, &statement[..]),
        (&config, b"{}"),
        (&attests, attestation.bytes()),
        (&readme, b"# readme"),
        (&top, index.bytes()),
    ] {
        store.put_blob(&lease, descriptor, &mut &bytes[..]).unwrap();
    }
    store.sync_all().unwrap();
    store.set_reference(&name("app:1"), &top).unwrap();
    drop(lease);
    let found = store.image(&name("app:1"), &Platform::host()).unwrap();
    assert_eq!(found.manifest.bytes(), image.manifest.bytes());
    store.prune(&PruneOptions::default()).unwrap();
    for descriptor in [&layer, &attests, &readme, &top] {
        assert!(
            store.has_blob(&descriptor.digest).unwrap(),
            "{descriptor:?}"
        );
    }
}

#[test]
fn content_is_refused_if_it_is_not_what_it_is_called() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let descriptor = Descriptor::of("a/b", b"content");
    let error = home
        .store
        .put_blob(&lease, &descriptor, &mut &b"Content"[..]);
    assert!(
        matches!(error, Err(StoreError::Mismatch { .. })),
        "{error:?}"
    );
    assert!(!home.store.has_blob(&descriptor.digest).unwrap());
}
