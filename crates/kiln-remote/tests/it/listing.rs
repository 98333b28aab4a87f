//! Tags and repositories.

use kiln_oci::media_type;
use kiln_remote::{Remote, RemoteError};
use kiln_testkit::{Fault, MemoryRegistry, RegistryOptions, Rule};

use super::{options, repository};

fn tagged(registry: &MemoryRegistry, count: usize) -> Vec<String> {
    let manifest = br#"{"schemaVersion":2,"manifests":[]}"#;
    let tags: Vec<String> = (0..count).map(|number| format!("v{number:04}")).collect();
    for tag in &tags {
        registry.put_manifest("a", Some(tag), media_type::OCI_INDEX, manifest);
    }
    tags
}

#[test]
fn all_pages_are_read() {
    let registry = MemoryRegistry::with(RegistryOptions {
        page: 7,
        ..RegistryOptions::default()
    });
    let tags = tagged(&registry, 50);
    let repository = repository(&registry, "a");
    let found: Result<Vec<_>, _> = repository.tags(None).collect();
    assert_eq!(found.unwrap(), tags);
    let found: Result<Vec<_>, _> = repository.tags(Some("v0044")).collect();
    assert_eq!(found.unwrap(), tags[45..]);
    registry.forget_requests();
    assert_eq!(repository.tags(None).next().unwrap().unwrap(), "v0000");
    assert_eq!(
        registry.requests().len(),
        1,
        "no page is asked for before it is needed"
    );
}

#[test]
fn repositories_are_listed_too() {
    let registry = MemoryRegistry::with(RegistryOptions {
        page: 1,
        ..RegistryOptions::default()
    });
    registry.put_blob("b/c", b"");
    registry.put_blob("a", b"");
    let remote = Remote::new(options()).unwrap();
    let found: Result<Vec<_>, _> = remote.catalog(&registry.host(), None).collect();
    assert_eq!(found.unwrap(), ["a", "b/c"]);
}

#[test]
fn a_repository_that_is_not_there_has_no_list() {
    let registry = MemoryRegistry::start();
    let mut tags = repository(&registry, "nothing").tags(None);
    assert!(matches!(
        tags.next(),
        Some(Err(RemoteError::NotFound { .. }))
    ));
    assert!(tags.next().is_none());
}

#[test]
fn hostile_lists_come_to_an_end() {
    let registry = MemoryRegistry::start();
    tagged(&registry, 1);
    let answer = |link: &str, body: &str| Fault::Answer {
        status: 200,
        headers: vec![("Link".to_owned(), link.to_owned())],
        body: body.as_bytes().to_vec(),
    };
    for fault in [
        answer("</v2/a/tags/list?n=1>; rel=\"next\"", r#"{"tags":["x"]}"#),
        answer(
            "<http://elsewhere.example/>; rel=\"next\"",
            r#"{"tags":[]}"#,
        ),
        answer("", r#"{"tags":["\u001b[31m"]}"#),
        answer("", r#"{"tags":"#),
        answer("", "[]"),
        Fault::Endless,
    ] {
        let registry = MemoryRegistry::start();
        tagged(&registry, 1);
        registry.inject(Rule::once("GET", "/tags/list", fault.clone()).always());
        let last = repository(&registry, "a").tags(None).last();
        assert!(
            matches!(last, Some(Err(RemoteError::Protocol { .. }))),
            "{fault:?}: {last:?}"
        );
    }
    registry.inject(Rule::once(
        "GET",
        "/tags/list",
        answer("", r#"{"name":"a","tags":null}"#),
    ));
    assert_eq!(repository(&registry, "a").tags(None).count(), 0);
}
