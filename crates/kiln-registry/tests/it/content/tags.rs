//! Tags: pages, history, undo; and the list of repositories.

use kiln_registry::content::{DeleteError, TagError};

use super::fixture::{Registry, name, tag};

#[tokio::test]
pub(crate) async fn tags_come_in_pages_in_the_order_of_their_bytes() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let names = ["b", "A", "_", "a", "10", "9", "Z.1"];
    registry.image(&repository, &names, b"layer").await;
    let mut sorted = names.map(tag);
    sorted.sort();
    let all = content.tags(&repository, 100, None).await.unwrap().unwrap();
    assert_eq!((all.items, all.more), (sorted.to_vec(), false));
    let mut last = None;
    for (number, expected) in sorted.iter().enumerate() {
        let page = content.tags(&repository, 1, last.as_deref()).await;
        let page = page.unwrap().unwrap();
        assert_eq!(page.items, std::slice::from_ref(expected));
        assert_eq!(page.more, number + 1 < sorted.len());
        last = Some(expected.to_string());
    }
    // What is not a tag can be a place in the list.
    let page = content.tags(&repository, 2, Some("Zz~")).await;
    assert_eq!(page.unwrap().unwrap().items, [tag("_"), tag("a")]);
    let none = content.tags(&repository, 0, None).await.unwrap().unwrap();
    assert_eq!((none.items.len(), none.more), (0, false));
    let none = content.tags(&name("no/such"), 1, None).await.unwrap();
    assert_eq!(none, None);
}

#[tokio::test]
pub(crate) async fn repositories_are_listed_when_they_have_manifests() {
    let registry = Registry::new();
    for repository in ["b/y", "a/x", "a-b/z", "c"] {
        registry.image(&name(repository), &["v1"], b"layer").await;
    }
    registry.blob(&name("empty/one"), b"blob").await;
    let content = &registry.content;
    let all = content.repositories(None, 10, None).await.unwrap();
    let expected = ["a-b/z", "a/x", "b/y", "c"].map(name);
    assert_eq!(all.items, expected);
    let page = content.repositories(None, 2, Some("a-b/z")).await.unwrap();
    assert_eq!((page.items, page.more), (expected[1..3].to_vec(), true));
    let only = Some(vec!["a".to_owned(), "c".to_owned()]);
    let page = content.repositories(only, 10, None).await.unwrap();
    assert_eq!(page.items, ["a/x", "c"].map(name));
    let page = content.repositories(Some(vec![]), 10, None).await.unwrap();
    assert_eq!(page.items, []);
}

#[tokio::test]
pub(crate) async fn every_change_of_a_tag_can_be_undone() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let latest = tag("latest");
    let first = registry.image(&repository, &["latest"], b"1").await.digest;
    let second = registry.image(&repository, &["latest"], b"2").await.digest;
    registry
        .image(&repository, &["latest", "other"], b"2")
        .await;
    content
        .delete_tag(&repository, &latest, "someone")
        .await
        .unwrap();
    let again = content.delete_tag(&repository, &latest, "someone").await;
    assert!(matches!(again, Err(DeleteError::Unknown { .. })));
    let history = content
        .tag_history(&repository, Some(&latest), None, 10)
        .await;
    let history = history.unwrap();
    let changes: Vec<_> = history.iter().map(|c| (c.previous, c.digest)).collect();
    let expected = [
        (Some(second), None),
        (Some(first), Some(second)),
        (None, Some(first)),
    ];
    assert_eq!(changes, expected);
    assert_eq!(history[0].changed_by, "someone");
    assert_eq!(history[0].changed, super::fixture::START);
    let points_to = async || {
        let found = registry.find(&repository, "latest").await;
        found.map(|manifest| manifest.digest)
    };
    assert_eq!(points_to().await, None);
    for (change, expected) in [(0, Some(second)), (1, Some(first)), (2, None)] {
        let undone = content.undo_tag(&repository, &latest, history[change].id, "test");
        assert_eq!(undone.await.unwrap(), expected);
        assert_eq!(points_to().await, expected);
    }
    let all = content
        .tag_history(&repository, None, None, 10)
        .await
        .unwrap();
    assert_eq!(all.len(), 7);
    let older = content
        .tag_history(&repository, None, Some(all[4].id), 1)
        .await;
    assert_eq!(older.unwrap(), all[5..6]);
    let other = tag("other");
    let unknown = content.undo_tag(&repository, &other, history[0].id, "test");
    assert!(matches!(unknown.await, Err(TagError::UnknownChange { .. })));
    content
        .delete_manifest(&repository, &second, "test")
        .await
        .unwrap();
    let gone = content
        .undo_tag(&repository, &latest, history[0].id, "test")
        .await;
    assert!(matches!(gone, Err(TagError::Gone { digest, .. }) if digest == second));
}
