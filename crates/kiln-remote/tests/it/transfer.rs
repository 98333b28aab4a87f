//! Whole images from place to place.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use kiln_oci::{Descriptor, Digest, Image, Index, Raw, media_type};
use kiln_remote::{
    ContentSource as _, Name, RemoteOptions, TransferError, TransferEvent, TransferOptions,
    Transferred, transfer,
};
use kiln_testkit::{Fault, ImageBuilder, Layer, MemoryRegistry, RegistryOptions, Rule};

use super::referrers::attach;
use super::{noise, options, repository, repository_with};

fn image(platform: &str, own: &str) -> Image {
    ImageBuilder::new()
        .platform(platform.parse().expect("a platform"))
        .layer(&Layer::new().file("shared", "by all").tar())
        .layer(&Layer::new().file("own", own).tar())
        .build()
}

/// An index of two images that share a layer; returns its descriptor and its children's digests.
fn index(registry: &MemoryRegistry, repository: &str) -> (Descriptor, Vec<Digest>) {
    let images = [image("linux/amd64", "1"), image("linux/arm64", "2")];
    let children = images.iter().map(|image| {
        let digest = registry.put_image(repository, None, image);
        Descriptor {
            platform: Some(image.config.platform.clone()),
            ..Descriptor::new(
                media_type::OCI_MANIFEST,
                digest,
                image.manifest.bytes().len() as u64,
            )
        }
    });
    let index = Raw::new(Index::new(children.collect()));
    registry.put_manifest(
        repository,
        Some("all"),
        media_type::OCI_INDEX,
        index.bytes(),
    );
    let digests = index.manifests.iter().map(|child| child.digest).collect();
    (
        Descriptor::of(media_type::OCI_INDEX, index.bytes()),
        digests,
    )
}

fn tagged(tag: &str) -> TransferOptions<'static> {
    TransferOptions {
        tag: Some(tag.to_owned()),
        ..TransferOptions::default()
    }
}

#[test]
fn an_index_moves_with_all_that_it_names() {
    let (from, to) = (MemoryRegistry::start(), MemoryRegistry::start());
    let (root, children) = index(&from, "a");
    let (source, target) = (repository(&from, "a"), repository(&to, "b/c"));
    let events = Mutex::new(vec![]);
    let on_event = |event: TransferEvent<'_>| events.lock().unwrap().push(format!("{event:?}"));
    let options = TransferOptions {
        on_event: Some(&on_event),
        ..tagged("v1")
    };
    let done = transfer(&source, &target, &root, &options).unwrap();
    assert_eq!(
        (done.manifests, done.sent, done.existed),
        (3, 5, 0),
        "the shared layer goes once"
    );
    assert_eq!(to.manifest("b/c", "v1"), from.manifest("a", "all"));
    for child in &children {
        assert_eq!(
            to.manifest("b/c", &child.to_string()),
            from.manifest("a", &child.to_string())
        );
    }
    let events = events.into_inner().unwrap();
    let count = |word: &str| {
        events
            .iter()
            .filter(|event| event.starts_with(word))
            .count()
    };
    assert_eq!(
        (
            count("Planned"),
            count("Started"),
            count("Done"),
            count("Filed")
        ),
        (1, 5, 5, 3)
    );
    assert!(events.last().unwrap().contains("v1"), "the tag comes last");

    // Again: nothing is sent.
    to.forget_requests();
    let done = transfer(&source, &target, &root, &tagged("v2")).unwrap();
    assert_eq!((done.sent, done.existed), (0, 5));
    assert!(
        to.requests()
            .iter()
            .all(|seen| seen.method == "HEAD" || seen.target.contains("/manifests/"))
    );
    assert_eq!(to.tags("b/c"), ["v1", "v2"]);
}

#[test]
fn on_one_registry_blobs_are_mounted() {
    let registry = MemoryRegistry::start();
    let (root, _) = index(&registry, "a");
    let done = transfer(
        &repository(&registry, "a"),
        &repository(&registry, "b"),
        &root,
        &tagged("v1"),
    )
    .unwrap();
    assert_eq!((done.mounted, done.sent), (5, 0));
    assert!(
        registry.lines("GET /v2/a/blobs").is_empty(),
        "no byte was fetched"
    );
}

#[test]
fn what_is_attached_comes_along_on_request() {
    for referrers in [true, false] {
        let options = || RegistryOptions {
            referrers,
            ..RegistryOptions::default()
        };
        let (from, to) = (
            MemoryRegistry::with(options()),
            MemoryRegistry::with(options()),
        );
        let (root, children) = index(&from, "a");
        let source = repository(&from, "a");
        from.put_blob("a", b"{}");
        let child = Descriptor::new(media_type::OCI_MANIFEST, children[0], 1);
        let sbom = attach(&child, "application/x.sbom", "of a child");
        source
            .put_referrer(media_type::OCI_MANIFEST, &sbom)
            .unwrap();
        let signature = attach(
            &Descriptor::of(media_type::OCI_MANIFEST, &sbom),
            "application/x.signature",
            "of the SBOM",
        );
        source
            .put_referrer(media_type::OCI_MANIFEST, &signature)
            .unwrap();
        let empty = Descriptor::of(media_type::OCI_EMPTY, b"{}");
        let cosign = serde_json::json!({"schemaVersion": 2, "config": empty, "layers": []});
        let cosign = cosign.to_string().into_bytes();
        let tag = format!("sha256-{}.sig", root.digest.hex());
        from.put_manifest("a", Some(&tag), media_type::OCI_MANIFEST, &cosign);

        let target = repository(&to, "b");
        let done = transfer(&source, &target, &root, &tagged("v1")).unwrap();
        assert_eq!(done.attached, 0);
        let options = TransferOptions {
            referrers: true,
            companions: true,
            ..tagged("v1")
        };
        let done = transfer(&source, &target, &root, &options).unwrap();
        assert_eq!(done.attached, 3, "{done:?}");
        let found = target.referrers(&children[0], None).unwrap();
        assert_eq!(found[0].digest, Digest::sha256(&sbom));
        let found = target.referrers(&found[0].digest, None).unwrap();
        assert_eq!(found[0].digest, Digest::sha256(&signature));
        assert_eq!(to.manifest("b", &tag).unwrap(), cosign);
    }
}

#[test]
fn a_failure_leaves_the_tag_alone() {
    let (from, to) = (MemoryRegistry::start(), MemoryRegistry::start());
    let (root, _) = index(&from, "a");
    from.inject(Rule::once("GET", "/blobs/", Fault::WrongByte));
    let error = transfer(
        &repository(&from, "a"),
        &repository(&to, "b"),
        &root,
        &tagged("v1"),
    )
    .unwrap_err();
    assert!(matches!(error, TransferError::Target { .. }), "{error:?}");
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    assert!(
        cause.to_string().contains("the content that arrived is"),
        "{cause}"
    );
    assert!(to.tags("b").is_empty());

    let missing = Descriptor::of(media_type::OCI_MANIFEST, b"nothing");
    let error = transfer(
        &repository(&from, "a"),
        &repository(&to, "b"),
        &missing,
        &tagged("v1"),
    )
    .unwrap_err();
    assert!(matches!(error, TransferError::Source { .. }), "{error:?}");
}

#[test]
fn a_cancelled_transfer_stops() {
    let (from, to) = (MemoryRegistry::start(), MemoryRegistry::start());
    let (root, _) = index(&from, "a");
    let options = tagged("v1");
    let cancelled = options.cancelled.clone();
    let on_event = move |event: TransferEvent<'_>| {
        if matches!(event, TransferEvent::Started { .. }) {
            cancelled.store(true, Ordering::Relaxed);
        }
    };
    let options = TransferOptions {
        on_event: Some(&on_event),
        ..options
    };
    let error = transfer(
        &repository(&from, "a"),
        &repository(&to, "b"),
        &root,
        &options,
    )
    .unwrap_err();
    assert!(matches!(error, TransferError::Cancelled), "{error:?}");
    assert!(to.tags("b").is_empty());
}

#[test]
fn layers_that_may_not_be_distributed_stay() {
    let (from, to) = (MemoryRegistry::start(), MemoryRegistry::start());
    let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    from.put_blob("a", b"{}");
    let mut foreign = Descriptor::of(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        b"foreign",
    );
    foreign
        .urls
        .push("https://elsewhere.example/layer".to_owned());
    let manifest =
        serde_json::json!({"schemaVersion": 2, "config": config, "layers": [foreign]}).to_string();
    from.put_manifest(
        "a",
        Some("1"),
        media_type::OCI_MANIFEST,
        manifest.as_bytes(),
    );
    let root = Descriptor::of(media_type::OCI_MANIFEST, manifest.as_bytes());
    let done = transfer(
        &repository(&from, "a"),
        &repository(&to, "b"),
        &root,
        &tagged("1"),
    )
    .unwrap();
    assert_eq!(
        done,
        Transferred {
            manifests: 1,
            sent: 1,
            bytes: 2,
            left_out: 1,
            ..Transferred::default()
        }
    );
}

#[test]
fn a_big_layer_goes_through_in_ranges_and_chunks() {
    let from = MemoryRegistry::start();
    let to = MemoryRegistry::with(RegistryOptions {
        max_body: Some(17 << 20),
        ..RegistryOptions::default()
    });
    let bytes = noise(20_000_000);
    from.put_blob("a", &bytes);
    from.put_blob("a", b"{}");
    let layer = Descriptor::of(media_type::OCI_LAYER_TAR, &bytes);
    let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let manifest =
        serde_json::json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
    from.put_manifest(
        "a",
        Some("1"),
        media_type::OCI_MANIFEST,
        manifest.as_bytes(),
    );
    let source = repository_with(
        &from,
        "a",
        RemoteOptions {
            ranges_from: 1 << 20,
            ..options()
        },
    );
    let root = source.tagged("1").unwrap().unwrap();
    transfer(&source, &repository(&to, "b"), &root, &tagged("1")).unwrap();
    assert!(to.blob("b", &layer.digest).unwrap() == bytes);
    assert!(repository(&to, "b").resolve(Name::Tag("1")).is_ok());
}
