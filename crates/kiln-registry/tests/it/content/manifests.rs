//! Manifests: stored with their tags or not at all, read as they were pushed, referred to, deleted.

use kiln_oci::{Descriptor, Digest, media_type};
use kiln_registry::content::{DeleteError, NewManifest, NewTagRule, PutManifestError, RuleKind};
use kiln_registry::name::ManifestReference;

use super::fixture::{Registry, image, index, name, referrer, sha512, tag};

#[tokio::test]
pub(crate) async fn a_manifest_comes_out_as_it_went_in() {
    let registry = Registry::new();
    let repository = name("team/app");
    registry.blob(&repository, b"{}").await;
    registry.blob(&repository, b"layer").await;
    // Not as serde would write it.
    let text = serde_json::to_string_pretty(&image(b"layer")).unwrap() + "\n\n";
    let digests = [Digest::sha256(text.as_bytes()), sha512(text.as_bytes())];
    for digest in digests {
        let manifest = NewManifest {
            reference: ManifestReference::Digest(digest),
            extra_tags: vec![tag("a"), tag("b")],
            media_type: Some(format!("{}; charset=utf-8", media_type::OCI_MANIFEST)),
            bytes: text.clone().into(),
            who: "test".to_owned(),
        };
        let stored = registry.content.put_manifest(&repository, manifest).await;
        let stored = stored.unwrap();
        assert_eq!((stored.digest, stored.tags.len()), (digest, 2));
        for reference in ["a", "b", &digest.to_string()] {
            // From the database and from memory.
            for _ in 0..2 {
                let found = registry.find(&repository, reference).await.unwrap();
                assert_eq!(found.digest, digest);
                assert_eq!(found.media_type, media_type::OCI_MANIFEST);
                assert_eq!(found.bytes, text);
            }
        }
    }
    assert_eq!(registry.find(&name("team/other"), "a").await, None);
}

#[tokio::test]
pub(crate) async fn what_a_manifest_needs_must_be_there() {
    let registry = Registry::new();
    let repository = name("team/app");
    let refused = registry.push(&repository, &["v1"], &image(b"layer")).await;
    match refused {
        Err(PutManifestError::Unknown { missing }) => {
            assert_eq!(missing, [Digest::sha256(b"{}"), Digest::sha256(b"layer")]);
        }
        other => panic!("{other:?}"),
    }
    // Nothing is left of it, not even the repository.
    let tags = registry.content.tags(&repository, 10, None).await.unwrap();
    assert_eq!(tags, None);
    registry.blob(&name("team/other"), b"layer").await;
    registry.blob(&repository, b"{}").await;
    let refused = registry.push(&repository, &["v1"], &image(b"layer")).await;
    assert!(
        matches!(&refused, Err(PutManifestError::Unknown { missing }) if missing.len() == 1),
        "{refused:?}"
    );
    let child = Digest::sha256(b"child");
    let refused = registry.push(&repository, &["v1"], &index(&[child])).await;
    assert!(matches!(refused, Err(PutManifestError::Unknown { .. })));
}

#[tokio::test]
pub(crate) async fn what_is_wrong_with_a_manifest_is_said() {
    let registry = Registry::new();
    let repository = name("team/app");
    registry.blob(&repository, b"{}").await;
    registry.blob(&repository, b"layer").await;
    let mut wrong_size = image(b"layer");
    wrong_size.layers[0].size = 6;
    let refused = registry.push(&repository, &[], &wrong_size).await;
    assert!(matches!(refused, Err(PutManifestError::Invalid { .. })));
    let put = async |reference: ManifestReference, bytes: Vec<u8>| {
        let manifest = NewManifest {
            reference,
            extra_tags: vec![],
            media_type: None,
            bytes: bytes.into(),
            who: "test".to_owned(),
        };
        let result = registry.content.put_manifest(&repository, manifest).await;
        result.unwrap_err()
    };
    let tagged = || "v1".parse().unwrap();
    assert!(matches!(
        put(tagged(), b"no json".to_vec()).await,
        PutManifestError::Invalid { .. }
    ));
    assert!(matches!(
        put(tagged(), vec![b' '; (4 << 20) + 1]).await,
        PutManifestError::TooLarge { .. }
    ));
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    assert!(matches!(
        put(tagged(), deep).await,
        PutManifestError::Invalid { .. }
    ));
    let other = ManifestReference::Digest(Digest::sha256(b"other"));
    let bytes = serde_json::to_vec(&image(b"layer")).unwrap();
    assert!(matches!(
        put(other, bytes).await,
        PutManifestError::DigestMismatch { .. }
    ));
}

#[tokio::test]
pub(crate) async fn layers_that_are_elsewhere_need_not_be_here() {
    let registry = Registry::new();
    let repository = name("team/app");
    registry.blob(&repository, b"{}").await;
    let mut manifest = image(b"layer");
    manifest.layers[0].urls = vec!["https://example.com/layer".to_owned()];
    registry
        .push(&repository, &["v1"], &manifest)
        .await
        .unwrap();
}

#[tokio::test]
pub(crate) async fn referrers_are_listed_filtered_and_paged() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let subject = registry.image(&repository, &["v1"], b"layer").await.digest;
    let types = ["application/sig", "application/sbom", "application/sbom"];
    let mut pushed = vec![];
    for (number, artifact_type) in types.iter().enumerate() {
        let mut manifest = referrer(subject, artifact_type);
        let number = number.to_string();
        manifest.annotations.insert("number".to_owned(), number);
        let stored = registry.push(&repository, &[], &manifest).await.unwrap();
        assert_eq!(stored.subject, Some(subject));
        pushed.push(stored.digest);
    }
    pushed.sort_by_key(ToString::to_string);
    let all = content.referrers(&repository, &subject, None, 10, None);
    let all = all.await.unwrap();
    assert!(!all.more);
    let found: Vec<_> = all.items.iter().map(|entry| entry.digest).collect();
    assert_eq!(found, pushed);
    for entry in &all.items {
        let found = registry.find(&repository, &entry.digest.to_string()).await;
        assert_eq!(found.unwrap().bytes.len() as u64, entry.size);
        assert_eq!(entry.annotations["a"], "b");
        assert_eq!(entry.media_type, media_type::OCI_MANIFEST);
    }
    let only = content.referrers(&repository, &subject, Some("application/sbom"), 10, None);
    let only = only.await.unwrap();
    assert_eq!(only.items.len(), 2);
    let mut last = None;
    for (number, digest) in pushed.iter().enumerate() {
        let page = content.referrers(&repository, &subject, None, 1, last.as_ref());
        let page = page.await.unwrap();
        assert_eq!(page.items[0].digest, *digest);
        assert_eq!(page.more, number < 2);
        last = Some(*digest);
    }
    // Its type is the config's where it names none; a subject need not be there.
    let mut manifest = image(b"layer");
    let missing = Digest::sha256(b"missing");
    manifest.subject = Some(Descriptor::new(media_type::OCI_MANIFEST, missing, 1));
    registry.push(&repository, &[], &manifest).await.unwrap();
    let found = content.referrers(&repository, &missing, Some(media_type::OCI_CONFIG), 9, None);
    assert_eq!(found.await.unwrap().items.len(), 1);
    let nowhere = name("no/such");
    let none = content.referrers(&nowhere, &missing, None, 9, None);
    assert_eq!(none.await.unwrap().items, []);
}

#[tokio::test]
pub(crate) async fn what_refers_to_a_deleted_manifest_goes_with_it() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let subject = registry
        .image(&repository, &["v1", "v2"], b"layer")
        .await
        .digest;
    let other = registry
        .image(&repository, &["other"], b"other")
        .await
        .digest;
    let signature = referrer(subject, "application/sig");
    let signature = registry
        .push(&repository, &["sig"], &signature)
        .await
        .unwrap();
    let second = referrer(signature.digest, "application/sig");
    let second = registry.push(&repository, &[], &second).await.unwrap();
    let deleted = content.delete_manifest(&repository, &subject, "test").await;
    let mut deleted = deleted.unwrap();
    deleted.tags.sort();
    assert_eq!(deleted.tags, [tag("sig"), tag("v1"), tag("v2")]);
    assert_eq!(
        deleted.manifests,
        [subject, signature.digest, second.digest]
    );
    for reference in [
        "v1",
        "v2",
        "sig",
        &subject.to_string(),
        &second.digest.to_string(),
    ] {
        let found = registry.find(&repository, reference).await;
        assert!(found.is_none(), "{reference}");
    }
    let kept = registry.find(&repository, "other").await.unwrap();
    assert_eq!(kept.digest, other);
    let again = content.delete_manifest(&repository, &subject, "test").await;
    assert!(matches!(again, Err(DeleteError::Unknown { .. })));
}

#[tokio::test]
pub(crate) async fn an_index_keeps_what_it_names() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let child = registry.image(&repository, &[], b"layer").await.digest;
    let parent = registry.push(&repository, &["v1"], &index(&[child])).await;
    let parent = parent.unwrap().digest;
    let refused = content.delete_manifest(&repository, &child, "test").await;
    assert!(
        matches!(&refused, Err(DeleteError::Needed { by, .. }) if **by == parent),
        "{refused:?}"
    );
    content
        .delete_manifest(&repository, &parent, "test")
        .await
        .unwrap();
    content
        .delete_manifest(&repository, &child, "test")
        .await
        .unwrap();
}

#[tokio::test]
pub(crate) async fn immutable_tags_stay_whatever_is_tried() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let rule = NewTagRule {
        project: "team".to_owned(),
        repositories: "team/*".to_owned(),
        kind: RuleKind::Semver,
        pattern: ">=1.0.0".to_owned(),
        who: "test".to_owned(),
    };
    let rule = content.add_tag_rule(rule).await.unwrap();
    let rules = content.tag_rules("team").await.unwrap();
    assert_eq!(rules, std::slice::from_ref(&rule));
    assert_eq!(content.tag_rules("other").await.unwrap(), []);
    let first = registry
        .image(&repository, &["v1.0.0", "latest"], b"1")
        .await
        .digest;
    // The same again is no change; a new image under the tag is.
    registry.image(&repository, &["v1.0.0"], b"1").await;
    registry.blob(&repository, b"2").await;
    let refused = registry
        .push(&repository, &["latest", "v1.0.0"], &image(b"2"))
        .await;
    assert!(
        matches!(&refused, Err(PutManifestError::TagImmutable { tag, .. }) if tag.as_str() == "v1.0.0"),
        "{refused:?}"
    );
    let latest = registry.find(&repository, "latest").await.unwrap();
    assert_eq!(latest.digest, first);
    let refused = content
        .delete_tag(&repository, &tag("v1.0.0"), "test")
        .await;
    assert!(matches!(refused, Err(DeleteError::TagImmutable { .. })));
    let refused = content.delete_manifest(&repository, &first, "test").await;
    assert!(matches!(refused, Err(DeleteError::TagImmutable { .. })));
    assert!(!content.remove_tag_rule("other", rule.id).await.unwrap());
    assert!(content.remove_tag_rule("team", rule.id).await.unwrap());
    content
        .delete_manifest(&repository, &first, "test")
        .await
        .unwrap();
}
