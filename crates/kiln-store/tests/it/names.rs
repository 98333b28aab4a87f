//! The names of images.

use std::fs;

use kiln_oci::{Descriptor, Digest, Platform, Source as _, SourceError, media_type};
use kiln_store::{Store, StoreError, StoreOptions};
use kiln_testkit::ImageBuilder;

use crate::fixture::{Home, base, get, image, name, put};

#[test]
fn a_name_leads_to_its_image_until_it_is_given_away() {
    let home = Home::new();
    let first = put(&home.store, &image(), "app:1");
    let other = ImageBuilder::new().layer(&base().tar()).build();
    let second = put(&home.store, &other, "app:2");
    home.store.set_reference(&name("app:1"), &second).unwrap();
    assert_eq!(
        home.store
            .reference(&name("app:1"))
            .unwrap()
            .unwrap()
            .digest,
        second.digest
    );
    assert_ne!(first.digest, second.digest);
    let home = home.reopen();
    let all = home.store.references().unwrap();
    let names: Vec<String> = all.iter().map(|known| known.reference.familiar()).collect();
    assert_eq!(names, ["app:1", "app:2"]);
    assert!(home.store.remove_reference(&name("app:1")).unwrap());
    assert!(!home.store.remove_reference(&name("app:1")).unwrap());
    assert_eq!(home.store.reference(&name("app:1")).unwrap(), None);
}

#[test]
fn an_image_comes_back_byte_for_byte() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let home = home.reopen();
    let again = get(&home.store, "app");
    assert_eq!(again.manifest.bytes(), image().manifest.bytes());
    assert_eq!(again.config.bytes(), image().config.bytes());
    let mut content = vec![];
    std::io::copy(&mut again.layers[1].open().unwrap(), &mut content).unwrap();
    assert_eq!(
        Digest::sha256(&content),
        image().layers[1].descriptor().digest
    );
}

#[test]
fn a_name_needs_all_of_its_image() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let image = image();
    home.store
        .put_document(&lease, image.manifest.bytes())
        .unwrap();
    home.store
        .put_document(&lease, image.config.bytes())
        .unwrap();
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, image.manifest.bytes());
    let error = home
        .store
        .set_reference(&name("half"), &descriptor)
        .unwrap_err();
    let missing = image.layers[0].descriptor().digest;
    assert!(
        matches!(error, StoreError::NoBlob { digest } if digest == missing),
        "{error}"
    );
    assert!(home.store.references().unwrap().is_empty());
}

#[test]
fn the_platform_must_fit() {
    let home = Home::new();
    let other = Platform::new("linux", "s390x", None);
    let foreign = ImageBuilder::new()
        .platform(other.clone())
        .layer(&base().tar())
        .build();
    put(&home.store, &foreign, "foreign");
    let error = home
        .store
        .image(&name("foreign"), &Platform::host())
        .unwrap_err();
    assert!(error.to_string().contains("it has linux/s390x"), "{error}");
    assert!(home.store.image(&name("foreign"), &other).is_ok());
    let error = home.store.image(&name("nowhere"), &other).unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }));
}

#[test]
fn an_image_is_found_by_the_beginning_of_its_id() {
    let home = Home::new();
    let descriptor = put(&home.store, &image(), "app");
    put(&home.store, &image(), "app:same");
    let id = image().config.digest().to_string();
    for text in [&id, &id[7..], &id[7..15], &descriptor.digest.short()] {
        let found = home.store.image_by_id(text).unwrap().unwrap();
        assert_eq!(found.manifest.digest(), descriptor.digest, "{text}");
    }
    for text in ["", "abc", "app", "ffffffffffff", "sha256:"] {
        assert!(home.store.image_by_id(text).unwrap().is_none(), "{text}");
    }
}

#[test]
fn a_damaged_database_of_names_is_an_error_and_left_alone() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let Home { store, directory } = home;
    drop(store);
    let file = directory.join("refs.db");
    fs::write(&file, vec![7; 8192]).unwrap();
    let error = Store::open(directory.path(), &StoreOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::DamagedNames { .. }), "{error}");
    assert!(error.to_string().contains("put a backup in its place"));
    assert_eq!(fs::read(&file).unwrap(), vec![7; 8192]);
    // Moved away as the message says, the store works again, and its content is still there.
    fs::rename(&file, directory.join("refs.db.damaged")).unwrap();
    let store = crate::fixture::open(directory.path());
    assert!(store.references().unwrap().is_empty());
    assert!(
        store
            .has_blob(&image().layers[0].descriptor().digest)
            .unwrap()
    );
}

#[test]
fn a_database_of_a_newer_kiln_is_not_touched() {
    let home = Home::new();
    let Home { store, directory } = home;
    drop(store);
    let file = rusqlite::Connection::open(directory.join("refs.db")).unwrap();
    file.execute_batch("PRAGMA user_version=99;").unwrap();
    drop(file);
    let error = Store::open(directory.path(), &StoreOptions::default()).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
}
