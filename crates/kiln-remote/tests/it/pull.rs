//! Manifests and blobs on their way in.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_oci::{Descriptor, Digest, media_type};
use kiln_remote::{Name, RemoteError, RemoteOptions};
use kiln_testkit::{Fault, ImageBuilder, Layer, MemoryRegistry, RegistryOptions, Rule};

use super::{noise, options, repository, repository_with};

const MANIFEST: &[u8] = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

fn with_manifest(registry: &MemoryRegistry) -> Digest {
    registry.put_manifest("a/b", Some("v1"), media_type::OCI_MANIFEST, MANIFEST)
}

fn blob(registry: &MemoryRegistry, bytes: &[u8]) -> Descriptor {
    registry.put_blob("a", bytes);
    Descriptor::of(media_type::OCI_LAYER_TAR, bytes)
}

fn fetch(
    registry: &MemoryRegistry,
    descriptor: &Descriptor,
    options: RemoteOptions,
) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    let repository = repository_with(registry, "a", options);
    repository
        .download(descriptor, &mut bytes, &|_| {})
        .map(|()| bytes)
}

#[test]
fn tags_and_digests_lead_to_manifests() {
    let registry = MemoryRegistry::start();
    let digest = with_manifest(&registry);
    let repository = repository(&registry, "a/b");
    let expected = Descriptor::of(media_type::OCI_MANIFEST, MANIFEST);
    assert_eq!(repository.resolve(Name::Tag("v1")).unwrap(), expected);
    assert_eq!(repository.resolve(&digest).unwrap(), expected);
    for name in [Name::Tag("v1"), Name::Digest(&digest)] {
        let (descriptor, bytes) = repository.manifest(name).unwrap();
        assert_eq!((descriptor, &bytes[..]), (expected.clone(), MANIFEST));
    }
    let missing = repository.resolve(Name::Tag("v2")).unwrap_err();
    assert!(missing.is_not_found(), "{missing}");
    assert!(
        missing.to_string().contains("/a/b:v2 is not there"),
        "{missing}"
    );
    let error = repository.manifest(&Digest::sha256(b"")).unwrap_err();
    assert!(error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
    assert!(matches!(
        repository.resolve(Name::Tag("../x")),
        Err(RemoteError::BadTag { .. })
    ));
}

#[test]
fn registries_without_head_or_digests_are_understood() {
    for options in [
        RegistryOptions {
            head: false,
            ..RegistryOptions::default()
        },
        RegistryOptions {
            digest_header: false,
            ..RegistryOptions::default()
        },
    ] {
        let registry = MemoryRegistry::with(options);
        let digest = with_manifest(&registry);
        let found = repository(&registry, "a/b")
            .resolve(Name::Tag("v1"))
            .unwrap();
        assert_eq!(found.digest, digest);
    }
}

#[test]
fn false_manifests_are_refused() {
    let registry = MemoryRegistry::start();
    let digest = with_manifest(&registry);
    let repository = repository(&registry, "a/b");
    let get = |fault| {
        registry.inject(Rule::once("GET", "/manifests/", fault));
        repository.manifest(&digest)
    };
    for fault in [Fault::WrongByte, Fault::Cut(10)] {
        let result = get(fault.clone());
        // A cut one is asked for again.
        match fault {
            Fault::Cut(_) => assert!(result.is_ok(), "{result:?}"),
            _ => assert!(
                matches!(result, Err(RemoteError::DigestMismatch { .. })),
                "{result:?}"
            ),
        }
    }
    registry.inject(Rule::once("GET", "/manifests/v1", Fault::WrongDigestHeader));
    let result = repository.manifest(Name::Tag("v1"));
    assert!(
        matches!(result, Err(RemoteError::DigestMismatch { .. })),
        "{result:?}"
    );
    for fault in [Fault::Endless, Fault::WrongLength(1 << 30)] {
        let result = get(fault);
        assert!(
            matches!(result, Err(RemoteError::Protocol { .. })),
            "{result:?}"
        );
    }
    let result = get(Fault::LongHeader(1 << 20));
    assert!(matches!(result, Err(RemoteError::Fetch(_))), "{result:?}");
    registry.put_manifest("a/b", Some("text"), "text/plain", b"hello");
    let result = repository.manifest(Name::Tag("text"));
    assert!(
        matches!(result, Err(RemoteError::Document { .. })),
        "{result:?}"
    );
}

#[test]
fn an_image_arrives_whole() {
    let registry = MemoryRegistry::start();
    let image = ImageBuilder::new()
        .layer(&Layer::new().file("a", "1").tar())
        .build();
    registry.put_image("a", Some("1"), &image);
    let repository = repository(&registry, "a");
    let (_, bytes) = repository.manifest(Name::Tag("1")).unwrap();
    assert_eq!(bytes, image.manifest.bytes());
    let mut layer = Vec::new();
    let arrived = AtomicU64::new(0);
    let descriptor = &image.manifest.layers[0];
    repository
        .download(descriptor, &mut layer, &|bytes| {
            arrived.store(bytes, Ordering::Relaxed);
        })
        .unwrap();
    assert_eq!(Digest::sha256(&layer), descriptor.digest);
    assert_eq!(arrived.into_inner(), descriptor.size);
    assert!(repository.blob_exists(descriptor).unwrap());
    assert!(
        !repository
            .blob_exists(&Descriptor::of("x", b"other"))
            .unwrap()
    );
}

#[test]
fn broken_transfers_go_on() {
    let registry = MemoryRegistry::start();
    let bytes = noise(3_000_000);
    let descriptor = blob(&registry, &bytes);
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(1_000_000)));
    registry.inject(Rule::once("GET", "/blobs/", Fault::HangUp));
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(500_000)));
    registry.inject(Rule::once("GET", "/blobs/", Fault::status(503)));
    assert!(fetch(&registry, &descriptor, options()).unwrap() == bytes);
    let ranges: Vec<_> = registry
        .requests()
        .iter()
        .filter_map(|seen| seen.header("range").map(str::to_owned))
        .collect();
    assert_eq!(ranges.first().map(String::as_str), Some("bytes=1000000-"));
    assert_eq!(ranges.last().map(String::as_str), Some("bytes=1500000-"));
}

#[test]
fn an_end_without_an_announced_length_may_be_a_break() {
    let registry = MemoryRegistry::start();
    let bytes = noise(300_000);
    let descriptor = blob(&registry, &bytes);
    registry.inject(Rule::once("GET", "/blobs/", Fault::CutUnframed(100_000)));
    assert!(fetch(&registry, &descriptor, options()).unwrap() == bytes);
}

#[test]
fn without_ranges_the_transfer_begins_anew() {
    let registry = MemoryRegistry::with(RegistryOptions {
        ranges: false,
        ..RegistryOptions::default()
    });
    let bytes = noise(300_000);
    let descriptor = blob(&registry, &bytes);
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(200_000)));
    assert!(fetch(&registry, &descriptor, options()).unwrap() == bytes);
}

#[test]
fn big_blobs_come_in_ranges() {
    let bytes = noise(10_000_000);
    for ranges in [true, false] {
        let registry = MemoryRegistry::with(RegistryOptions {
            ranges,
            ..RegistryOptions::default()
        });
        let descriptor = blob(&registry, &bytes);
        registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(1_000_000)).after(1));
        let options = RemoteOptions {
            ranges_from: 5_000_000,
            ..options()
        };
        assert!(fetch(&registry, &descriptor, options).unwrap() == bytes);
        let asked = registry.lines("/blobs/").len();
        assert_eq!(
            asked,
            if ranges { 4 } else { 1 },
            "three ranges, one of them twice"
        );
    }
}

#[test]
fn a_reader_that_is_dropped_early_does_no_harm() {
    let registry = MemoryRegistry::start();
    let bytes = noise(10_000_000);
    let descriptor = blob(&registry, &bytes);
    let repository = repository_with(
        &registry,
        "a",
        RemoteOptions {
            ranges_from: 1,
            ..options()
        },
    );
    let mut reader = repository.open(&descriptor).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    assert!(repository.blob_exists(&descriptor).unwrap());
}

#[test]
fn false_blobs_are_refused() {
    let bytes = noise(300_000);
    for ranges_from in [u64::MAX, 1] {
        let options = || RemoteOptions {
            ranges_from,
            ..options()
        };
        let registry = MemoryRegistry::start();
        let descriptor = blob(&registry, &bytes);
        let get = |fault| {
            registry.inject(Rule::once("GET", "/blobs/", fault));
            fetch(&registry, &descriptor, options())
        };
        let result = get(Fault::WrongByte);
        assert!(
            matches!(result, Err(RemoteError::DigestMismatch { .. })),
            "{result:?}"
        );
        let result = get(Fault::WrongLength(5));
        assert!(
            matches!(
                result,
                Err(RemoteError::WrongSize { .. } | RemoteError::Protocol { .. })
            ),
            "{result:?}"
        );
        let result = get(Fault::with_header(
            206,
            "Content-Range",
            "bytes 5-10/300000",
        ));
        assert!(result.is_err());
        assert!(fetch(&registry, &descriptor, options()).unwrap() == bytes);
    }
    let registry = MemoryRegistry::start();
    let descriptor = blob(&registry, &bytes);
    registry.inject(Rule::once("GET", "/blobs/", Fault::Endless));
    let result = fetch(&registry, &descriptor, options());
    assert!(
        matches!(result, Err(RemoteError::WrongSize { .. })),
        "{result:?}"
    );
    let longer = Descriptor {
        size: descriptor.size + 1,
        ..descriptor
    };
    let result = fetch(&registry, &longer, options());
    assert!(
        matches!(result, Err(RemoteError::WrongSize { .. })),
        "{result:?}"
    );
}

#[test]
fn the_last_bytes_come_only_if_all_are_right() {
    let registry = MemoryRegistry::start();
    let bytes = noise(1000);
    let descriptor = blob(&registry, &bytes);
    registry.inject(Rule::once("GET", "/blobs/", Fault::WrongByte));
    let mut reader = repository(&registry, "a").open(&descriptor).unwrap();
    let mut got = vec![0; 1000];
    let error = reader.read_exact(&mut got).unwrap_err();
    let error: RemoteError = error.downcast().unwrap();
    assert!(
        matches!(error, RemoteError::DigestMismatch { .. }),
        "{error}"
    );
}

#[test]
fn a_server_that_breaks_every_time_is_given_up() {
    let registry = MemoryRegistry::start();
    let descriptor = blob(&registry, &noise(300_000));
    registry.inject(Rule::once("GET", "/blobs/", Fault::Cut(1000)).always());
    let result = fetch(&registry, &descriptor, options());
    assert!(matches!(result, Err(RemoteError::Fetch(_))), "{result:?}");
    assert_eq!(registry.lines("/blobs/").len(), 5);
}

#[test]
fn waits_are_as_long_as_the_registry_asks() {
    let registry = MemoryRegistry::start();
    let digest = with_manifest(&registry);
    registry.inject(
        Rule::once(
            "GET",
            "/manifests/",
            Fault::with_header(429, "Retry-After", "0"),
        )
        .times(2),
    );
    assert!(repository(&registry, "a/b").manifest(&digest).is_ok());
    registry.inject(Rule::once(
        "GET",
        "/manifests/",
        Fault::with_header(429, "Retry-After", "3600"),
    ));
    let error = repository(&registry, "a/b").manifest(&digest).unwrap_err();
    assert!(
        error.to_string().contains("asks to wait 3600 seconds"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("kiln login")));
}

#[test]
fn nothing_is_asked_once_cancelled() {
    let registry = MemoryRegistry::start();
    let descriptor = blob(&registry, &noise(300_000));
    let options = options();
    let cancelled = options.client.cancelled.clone();
    let repository = repository_with(&registry, "a", options);
    let mut reader = repository.open(&descriptor).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    cancelled.store(true, Ordering::Relaxed);
    let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    assert!(matches!(error.downcast(), Ok(RemoteError::Cancelled)));
    assert!(matches!(
        repository.blob_exists(&descriptor),
        Err(RemoteError::Cancelled)
    ));
}
