//! Blobs and manifests on their way out.

use std::sync::Mutex;

use kiln_oci::{Descriptor, Digest, media_type};
use kiln_remote::{Name, RemoteError, Repository, UploadOptions, Uploaded};
use kiln_testkit::{Fault, MemoryRegistry, RegistryOptions, Rule};

use super::{noise, repository};

fn send(
    repository: &Repository,
    bytes: &[u8],
    options: &UploadOptions,
) -> Result<Uploaded, RemoteError> {
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, bytes);
    repository.upload(&descriptor, &bytes, options, &|_| {})
}

fn chunks(length: u64) -> UploadOptions {
    UploadOptions {
        chunk: Some(length),
        ..UploadOptions::default()
    }
}

#[test]
fn a_blob_is_sent_once() {
    let registry = MemoryRegistry::start();
    let repository = repository(&registry, "a");
    let bytes = noise(1_000_000);
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, &bytes);
    let progress = Mutex::new(vec![]);
    let told = |sent| progress.lock().unwrap().push(sent);
    let options = UploadOptions::default();
    assert_eq!(
        repository
            .upload(&descriptor, &bytes, &options, &told)
            .unwrap(),
        Uploaded::Sent
    );
    assert_eq!(progress.lock().unwrap().last(), Some(&descriptor.size));
    assert!(registry.blob("a", &descriptor.digest).unwrap() == bytes);
    assert_eq!(
        registry
            .requests()
            .iter()
            .filter(|seen| seen.method == "PUT")
            .count(),
        1,
        "in one piece"
    );
    registry.forget_requests();
    assert_eq!(
        repository
            .upload(&descriptor, &bytes, &options, &told)
            .unwrap(),
        Uploaded::Existed
    );
    assert_eq!(registry.requests().len(), 1, "a HEAD is all");
}

#[test]
fn a_blob_that_is_said_to_have_another_size_is_sent_again() {
    let registry = MemoryRegistry::start();
    let bytes = noise(1000);
    registry.put_blob("a", &bytes);
    registry.inject(Rule::once("HEAD", "/blobs/", Fault::WrongLength(0)));
    let repository = repository(&registry, "a");
    let result = send(&repository, &bytes, &UploadOptions::default());
    assert!(matches!(result, Ok(Uploaded::Sent)), "{result:?}");
    registry.inject(Rule::once("HEAD", "/blobs/", Fault::WrongLength(7)));
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, &bytes);
    let result = repository.blob_exists(&descriptor);
    assert!(
        matches!(result, Err(RemoteError::WrongSize { .. })),
        "{result:?}"
    );
}

#[test]
fn small_and_empty_blobs_are_blobs_too() {
    let registry = MemoryRegistry::start();
    let repository = repository(&registry, "a");
    for bytes in [&b""[..], b"x"] {
        for options in [UploadOptions::default(), chunks(1)] {
            registry.put_blob("elsewhere", bytes);
            let result = send(&repository, bytes, &options).unwrap();
            assert!(matches!(result, Uploaded::Sent | Uploaded::Existed));
            assert!(registry.blob("a", &Digest::sha256(bytes)).unwrap() == bytes);
        }
    }
}

#[test]
fn a_blob_of_another_repository_is_mounted() {
    let bytes = noise(1000);
    let options = UploadOptions {
        mount_from: vec!["nothing".to_owned(), "other".to_owned()],
        ..UploadOptions::default()
    };
    for mounts in [true, false] {
        let registry = MemoryRegistry::with(RegistryOptions {
            mounts,
            ..RegistryOptions::default()
        });
        registry.put_blob("other", &bytes);
        let result = send(&repository(&registry, "a"), &bytes, &options).unwrap();
        assert_eq!(
            result,
            if mounts {
                Uploaded::Mounted
            } else {
                Uploaded::Sent
            }
        );
        assert!(registry.blob("a", &Digest::sha256(&bytes)).is_some());
    }
}

#[test]
fn chunks_are_sent_where_one_piece_is_refused() {
    let bytes = noise(20_000_000);
    let registry = MemoryRegistry::with(RegistryOptions {
        max_body: Some(17 << 20),
        ..RegistryOptions::default()
    });
    assert_eq!(
        send(
            &repository(&registry, "a"),
            &bytes,
            &UploadOptions::default()
        )
        .unwrap(),
        Uploaded::Sent
    );
    assert!(registry.blob("a", &Digest::sha256(&bytes)).unwrap() == bytes);
    assert!(
        registry
            .requests()
            .iter()
            .any(|seen| seen.method == "PATCH")
    );
}

#[test]
fn chunks_are_as_long_as_the_registry_wants() {
    let bytes = noise(1000);
    let registry = MemoryRegistry::with(RegistryOptions {
        min_chunk: Some(400),
        ..RegistryOptions::default()
    });
    send(&repository(&registry, "a"), &bytes, &chunks(100)).unwrap();
    let ranges: Vec<_> = registry
        .requests()
        .iter()
        .filter_map(|seen| seen.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, ["0-399", "400-799", "800-999"]);
}

#[test]
fn broken_uploads_go_on_where_they_stopped() {
    let bytes = noise(1_000_000);
    for options in [UploadOptions::default(), chunks(300_000)] {
        let registry = MemoryRegistry::start();
        let method = if options.chunk.is_some() {
            "PATCH"
        } else {
            "PUT"
        };
        registry.inject(Rule::once(method, "/uploads/", Fault::HangUpAfter(200_000)));
        assert_eq!(
            send(&repository(&registry, "a"), &bytes, &options).unwrap(),
            Uploaded::Sent
        );
        assert!(registry.blob("a", &Digest::sha256(&bytes)).unwrap() == bytes);
        let resumed = registry.requests().iter().any(|seen| {
            seen.header("content-range")
                .is_some_and(|range| range.starts_with("200000-"))
        });
        assert!(resumed, "{method}");
    }
}

#[test]
fn a_session_that_is_gone_is_opened_anew() {
    let bytes = noise(100_000);
    for (method, fault) in [
        ("PUT", Fault::status(404)),
        ("PATCH", Fault::status(404)),
        ("PATCH", Fault::status(416)),
        ("PUT", Fault::status(500)),
        ("POST", Fault::status(503)),
        ("POST", Fault::HangUp),
        ("PUT", Fault::HangUp),
        ("PUT", Fault::with_header(429, "Retry-After", "0")),
    ] {
        let registry = MemoryRegistry::start();
        registry.inject(Rule::once(method, "/uploads/", fault.clone()));
        let options = if method == "PATCH" {
            chunks(30_000)
        } else {
            UploadOptions::default()
        };
        let result = send(&repository(&registry, "a"), &bytes, &options);
        assert!(
            matches!(result, Ok(Uploaded::Sent)),
            "{method} {fault:?}: {result:?}"
        );
        assert!(registry.blob("a", &Digest::sha256(&bytes)).unwrap() == bytes);
    }
}

#[test]
fn content_that_is_not_what_it_should_be_does_not_get_out() {
    let registry = MemoryRegistry::start();
    let repository = repository(&registry, "a");
    let bytes = noise(100_000);
    let descriptor = Descriptor::of(media_type::OCI_LAYER_TAR, &bytes);
    let mut wrong = bytes.clone();
    wrong[50_000] ^= 1;
    for options in [UploadOptions::default(), chunks(30_000)] {
        for content in [&wrong, &bytes[..99_999].to_vec()] {
            let error = repository
                .upload(&descriptor, content, &options, &|_| {})
                .unwrap_err();
            assert!(matches!(error, RemoteError::Source { .. }), "{error:?}");
        }
    }
    assert!(registry.blob("a", &descriptor.digest).is_none());
}

#[test]
fn a_location_elsewhere_gets_no_credentials() {
    let elsewhere = MemoryRegistry::start();
    let registry = MemoryRegistry::with(RegistryOptions {
        auth: kiln_testkit::Auth::basic(),
        ..RegistryOptions::default()
    });
    let location = format!("http://{}/v2/evil/blobs/uploads/x", elsewhere.host());
    let repository =
        super::repository_with(&registry, "a", super::with_password(&registry, "secret"));
    // The way in is learnt first.
    send(&repository, b"other", &UploadOptions::default()).unwrap();
    registry.inject(
        Rule::once(
            "POST",
            "/uploads/",
            Fault::with_header(202, "Location", &location),
        )
        .always(),
    );
    let error = send(&repository, b"content", &UploadOptions::default()).unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(!elsewhere.requests().is_empty());
    assert!(
        elsewhere
            .requests()
            .iter()
            .all(|seen| seen.header("authorization").is_none())
    );
}

#[test]
fn manifests_are_put_by_tag_and_digest() {
    let registry = MemoryRegistry::start();
    let repository = repository(&registry, "a");
    send(&repository, b"{}", &UploadOptions::default()).unwrap();
    let empty = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let manifest =
        serde_json::json!({"schemaVersion": 2, "config": empty, "layers": []}).to_string();
    let digest = Digest::sha256(manifest.as_bytes());
    let put = |name: Name<'_>| {
        repository.put_manifest(name, media_type::OCI_MANIFEST, manifest.as_bytes())
    };
    assert_eq!(put(Name::Tag("v1")).unwrap(), digest);
    assert_eq!(put(Name::Digest(&digest)).unwrap(), digest);
    assert_eq!(registry.manifest("a", "v1").unwrap(), manifest.as_bytes());
    let other = Digest::sha256(b"");
    assert!(matches!(
        put(Name::Digest(&other)),
        Err(RemoteError::DigestMismatch { .. })
    ));
    registry.inject(Rule::once("PUT", "/manifests/", Fault::WrongDigestHeader));
    assert!(matches!(
        put(Name::Tag("v2")),
        Err(RemoteError::DigestMismatch { .. })
    ));

    repository.delete(Name::Tag("v1")).unwrap();
    assert!(
        repository
            .resolve(Name::Tag("v1"))
            .unwrap_err()
            .is_not_found()
    );
    assert!(repository.resolve(&digest).is_ok(), "a tag goes alone");
    put(Name::Tag("v3")).unwrap();
    registry.inject(Rule::once("DELETE", "/manifests/v3", Fault::status(405)));
    let error = repository.delete(Name::Tag("v3")).unwrap_err();
    assert!(
        matches!(error, RemoteError::CannotDelete { tag: true, .. }),
        "{error:?}"
    );
    repository.delete(&digest).unwrap();
    assert!(repository.resolve(&digest).unwrap_err().is_not_found());
}

#[test]
fn a_manifest_without_its_blobs_is_the_registrys_to_refuse() {
    let registry = MemoryRegistry::start();
    let missing = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let manifest =
        serde_json::json!({"schemaVersion": 2, "config": missing, "layers": []}).to_string();
    let repository = repository(&registry, "a");
    let error = repository
        .put_manifest(
            Name::Tag("v1"),
            media_type::OCI_MANIFEST,
            manifest.as_bytes(),
        )
        .unwrap_err();
    assert!(
        error.to_string().contains("MANIFEST_BLOB_UNKNOWN"),
        "{error}"
    );
}
