//! Referrers, with the registry's list and without.

use kiln_oci::{Descriptor, Digest, Document, Index, media_type};
use kiln_remote::{RemoteError, Repository, UploadOptions};
use kiln_testkit::{Fault, ImageBuilder, MemoryRegistry, RegistryOptions, Rule};

use super::repository;

/// A manifest that refers to `subject`.
pub(crate) fn attach(subject: &Descriptor, artifact_type: &str, note: &str) -> Vec<u8> {
    let empty = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty,
        "layers": [empty],
        "subject": subject,
        "annotations": {"note": note},
    });
    manifest.to_string().into_bytes()
}

fn put(repository: &Repository, manifest: &[u8]) -> Digest {
    let empty = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    repository
        .upload(&empty, &&b"{}"[..], &UploadOptions::default(), &|_| {})
        .expect("an upload");
    repository
        .put_referrer(media_type::OCI_MANIFEST, manifest)
        .expect("a referrer")
}

#[test]
fn referrers_are_listed_with_the_api_and_without() {
    for referrers in [true, false] {
        let registry = MemoryRegistry::with(RegistryOptions {
            referrers,
            ..RegistryOptions::default()
        });
        let image = ImageBuilder::new().build();
        let subject = registry.put_image("a", Some("1"), &image);
        let subject = Descriptor::new(
            media_type::OCI_MANIFEST,
            subject,
            image.manifest.bytes().len() as u64,
        );
        let repository = repository(&registry, "a");
        assert_eq!(repository.referrers(&subject.digest, None).unwrap(), []);

        let first = put(&repository, &attach(&subject, "application/x.one", "1"));
        let second = put(&repository, &attach(&subject, "application/x.two", "2"));
        put(&repository, &attach(&subject, "application/x.two", "2"));
        let mut found = repository.referrers(&subject.digest, None).unwrap();
        found.sort_by_key(|descriptor| descriptor.artifact_type.clone());
        let digests: Vec<_> = found.iter().map(|descriptor| descriptor.digest).collect();
        assert_eq!(digests, [first, second]);
        assert_eq!(
            found[0].annotations.get("note").map(String::as_str),
            Some("1")
        );
        let found = repository
            .referrers(&subject.digest, Some("application/x.two"))
            .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact_type.as_deref(), Some("application/x.two"));

        let fallback = format!("sha256-{}", subject.digest.hex());
        assert_eq!(registry.tags("a").contains(&fallback), !referrers);
    }
}

#[test]
fn another_clients_list_is_kept() {
    let registry = MemoryRegistry::with(RegistryOptions {
        referrers: false,
        ..RegistryOptions::default()
    });
    let image = ImageBuilder::new().build();
    let digest = registry.put_image("a", Some("1"), &image);
    let subject = Descriptor::new(media_type::OCI_MANIFEST, digest, 1);
    let theirs = Descriptor::of(media_type::OCI_MANIFEST, b"theirs");
    let list = serde_json::to_vec(&Index::new(vec![theirs.clone()])).unwrap();
    registry.put_manifest(
        "a",
        Some(&format!("sha256-{}", digest.hex())),
        media_type::OCI_INDEX,
        &list,
    );
    let repository = repository(&registry, "a");
    let ours = put(&repository, &attach(&subject, "application/x.one", "1"));
    let found = repository.referrers(&digest, None).unwrap();
    let digests: Vec<_> = found.iter().map(|descriptor| descriptor.digest).collect();
    assert_eq!(digests, [theirs.digest, ours]);
    let bytes = registry
        .manifest("a", &format!("sha256-{}", digest.hex()))
        .unwrap();
    assert!(matches!(Document::parse(&bytes), Ok(Document::Index(_))));
}

#[test]
fn answers_that_are_no_lists_are_not_taken_for_one() {
    let registry = MemoryRegistry::start();
    let subject = Digest::sha256(b"x");
    let repository = repository(&registry, "a");
    let answer = |kind: &str, body: &str| Fault::Answer {
        status: 200,
        headers: vec![("Content-Type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
    };
    registry.inject(Rule::once(
        "GET",
        "/referrers/",
        answer("text/html", "<html>"),
    ));
    assert_eq!(repository.referrers(&subject, None).unwrap(), []);
    registry.inject(Rule::once(
        "GET",
        "/referrers/",
        answer(media_type::OCI_INDEX, "{}"),
    ));
    assert!(matches!(
        repository.referrers(&subject, None),
        Err(RemoteError::Protocol { .. })
    ));
    registry.inject(Rule::once("GET", "/referrers/", Fault::status(500)).always());
    assert!(matches!(
        repository.referrers(&subject, None),
        Err(RemoteError::Status { status: 500, .. })
    ));
}
