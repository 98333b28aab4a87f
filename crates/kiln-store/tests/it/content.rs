//! Blobs, documents, layers and their indexes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, SystemTime};

use kiln_layer::{Compression, ContentAt as _};
use kiln_oci::Digest;
use kiln_store::{LayerIndexError, StoreError};
use kiln_testkit::{ImageBuilder, Layer, MemoryLayer};

use crate::fixture::{Home, assert_sound, base, get, image, layer, put};

#[test]
fn a_blob_is_there_after_its_commit_and_not_before() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let digest = Digest::sha256(b"content");
    let mut writer = home.store.blob_writer(&lease).unwrap();
    writer.write_all(b"content").unwrap();
    assert!(!home.store.has_blob(&digest).unwrap());
    assert_eq!(writer.commit(Some(&digest)).unwrap(), (digest, 7));
    assert_eq!(fs::read(home.store.blob_path(&digest)).unwrap(), b"content");
    assert_eq!(home.store.blob_size(&digest).unwrap(), Some(7));
}

#[test]
fn other_content_than_expected_is_refused_and_leaves_nothing() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let expected = Digest::sha256(b"something else");
    let mut writer = home.store.blob_writer(&lease).unwrap();
    writer.write_all(b"content").unwrap();
    let error = writer.commit(Some(&expected)).unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { expected: e, .. } if *e == expected));
    drop(home.store.blob_writer(&lease).unwrap());
    assert_eq!(fs::read_dir(lease.work()).unwrap().count(), 0);
    drop(lease);
    assert_sound(home.directory.path());
}

#[test]
fn an_absent_blob_is_named_in_the_error() {
    let home = Home::new();
    let digest = Digest::sha256(b"nowhere");
    let error = home.store.open_blob(&digest).unwrap_err();
    assert_eq!(error.to_string(), format!("{digest} is not in the store"));
    let error = home.store.layer_index(&digest).unwrap_err();
    assert!(matches!(error, LayerIndexError::NoLayer { diff_id } if diff_id == digest));
}

#[test]
fn a_document_is_compared_with_its_digest() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let digest = home.store.put_document(&lease, b"{}").unwrap();
    assert_eq!(home.store.read_document(&digest).unwrap(), b"{}");
    home.store.sync_all().unwrap();
    fs::write(home.store.blob_path(&digest), b"[]").unwrap();
    let error = home.store.read_document(&digest).unwrap_err();
    assert!(matches!(error, StoreError::Document { .. }), "{error}");
}

#[test]
fn a_new_layer_can_be_read_at_once_and_has_its_name_after_the_sync() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let index = layer(&home.store, &lease, "a", b"some content");
    assert!(home.store.has_blob(&index.diff_id).unwrap());
    let mut content = String::new();
    let entry = &index.entries[0];
    let mut reader = home.store.open_at(&index.diff_id, entry).unwrap();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "some content");
    home.store.sync_all().unwrap();
    assert!(home.store.blob_path(&index.diff_id).exists());
    // The same again is no new blob.
    assert_eq!(layer(&home.store, &lease, "a", b"some content"), index);
    drop(lease);
    let home = home.reopen();
    assert_sound(home.directory.path());
    assert_eq!(home.store.layer_index(&index.diff_id).unwrap(), index);
}

#[test]
fn an_index_is_made_again_when_the_cache_is_gone_or_damaged() {
    for damage in ["removed", "nonsense", "truncated", "foreign"] {
        let home = Home::new();
        let lease = home.store.lease().unwrap();
        let index = layer(&home.store, &lease, "a", b"some content");
        let key = Digest::sha256(b"key");
        home.store.cache_put("step", &key, b"value").unwrap();
        drop(lease);
        let root = home.directory.path().to_owned();
        let file = root.join("cache.db");
        let kept = home.directory;
        drop(home.store);
        match damage {
            "removed" => fs::remove_file(&file).unwrap(),
            "nonsense" => fs::write(&file, vec![7; 40_000]).unwrap(),
            "truncated" => {
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() / 2 - 100]).unwrap();
            }
            _ => {
                fs::remove_file(&file).unwrap();
                let other = rusqlite::Connection::open(&file).unwrap();
                other
                    .execute_batch("CREATE TABLE x (y); PRAGMA user_version=1;")
                    .unwrap();
            }
        }
        let store = crate::fixture::open(&root);
        assert_eq!(
            store.layer_index(&index.diff_id).unwrap(),
            index,
            "{damage}"
        );
        assert_eq!(store.cache_get("step", &key).unwrap(), None, "{damage}");
        store.cache_put("step", &key, b"again").unwrap();
        assert_eq!(store.cache_get("step", &key).unwrap().unwrap(), b"again");
        drop((store, kept));
    }
}

#[test]
fn a_page_that_is_damaged_while_the_store_is_open_is_healed() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let keys: Vec<Digest> = (0..200_u32)
        .map(|n| Digest::sha256(&n.to_le_bytes()))
        .collect();
    for key in &keys {
        home.store.cache_put("step", key, &[1; 500]).unwrap();
    }
    let index = layer(&home.store, &lease, "a", b"x");
    drop(lease);
    let home = home.reopen();
    let file = home.directory.join("cache.db");
    let mut bytes = fs::read(&file).unwrap();
    // All but the header page, which was read already.
    bytes[4096..].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    for key in &keys {
        home.store.cache_get("step", key).unwrap();
    }
    assert_eq!(home.store.layer_index(&index.diff_id).unwrap(), index);
    home.store.cache_put("step", &keys[0], b"again").unwrap();
    assert_eq!(
        home.store.cache_get("step", &keys[0]).unwrap().unwrap(),
        b"again"
    );
}

#[test]
fn a_compressed_layer_is_decoded_when_its_entries_are_asked_for() {
    let home = Home::new();
    for compression in [Compression::zstd(3), Compression::Gzip { level: 6 }] {
        let image = ImageBuilder::new()
            .compression(compression)
            .layer(&base().file("which", compression.to_string()).tar())
            .build();
        put(&home.store, &image, "compressed");
        let diff_id = *image.layers[0].diff_id();
        assert!(!home.store.has_blob(&diff_id).unwrap());
        let index = home.store.layer_index(&diff_id).unwrap();
        assert_eq!(index.entries.len(), 6);
        assert!(home.store.has_blob(&diff_id).unwrap());
        // The manifest still names the compressed blob.
        assert_eq!(
            get(&home.store, "compressed").manifest.digest(),
            image.manifest.digest()
        );
    }
}

#[test]
fn where_a_compressed_layer_lies_is_found_without_the_cache() {
    let home = Home::new();
    let image = ImageBuilder::new()
        .compression(Compression::zstd(3))
        .layer(&base().tar())
        .build();
    put(&home.store, &image, "compressed");
    let Home { store, directory } = home;
    drop(store);
    fs::remove_file(directory.join("cache.db")).unwrap();
    let store = crate::fixture::open(directory.path());
    assert_eq!(
        store
            .layer_index(image.layers[0].diff_id())
            .unwrap()
            .entries
            .len(),
        5
    );
}

#[test]
fn a_layer_whose_diff_id_is_a_lie_is_not_indexed() {
    let home = Home::new();
    let good = MemoryLayer::new(&base().tar(), &Compression::zstd(3));
    let image = ImageBuilder::new()
        .memory_layer(good)
        .config(|config| config.rootfs.diff_ids[0] = Digest::sha256(b"a lie"))
        .build();
    put(&home.store, &image, "lie");
    let error = home
        .store
        .layer_index(&Digest::sha256(b"a lie"))
        .unwrap_err();
    let mismatch = matches!(&error, LayerIndexError::Store(StoreError::Mismatch { .. }));
    assert!(mismatch, "{error}");
    assert!(!home.store.has_blob(&Digest::sha256(b"a lie")).unwrap());
}

#[test]
fn an_image_whose_layer_is_something_else_is_not_taken() {
    use kiln_oci::Sink as _;
    let home = Home::new();
    for compression in [Compression::None, Compression::zstd(3)] {
        let bad = MemoryLayer::new(&base().tar(), &compression)
            .with_content(&Layer::new().file("other", "x").tar());
        let image = ImageBuilder::new().memory_layer(bad).build();
        let error = home
            .store
            .put(&image, &[crate::fixture::name("bad")])
            .unwrap_err();
        assert_eq!(error.place, "the local store");
        assert!(home.store.references().unwrap().is_empty());
    }
    let home = home.reopen();
    assert_sound(home.directory.path());
}

#[test]
fn verify_finds_what_is_damaged_and_discard_removes_it() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let mut seen = 0;
    assert_eq!(home.store.verify(|_| seen += 1).unwrap(), []);
    assert_eq!(seen, 4);
    let layer = image().layers[1].descriptor().digest;
    let path = home.store.blob_path(&layer);
    let mut bytes = fs::read(&path).unwrap();
    bytes[600] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(home.store.verify(|_| {}).unwrap(), [layer]);
    assert!(home.store.discard(&layer).unwrap());
    assert!(!home.store.discard(&layer).unwrap());
    // Loaded again, it is whole again.
    put(&home.store, &image(), "app");
    assert_eq!(home.store.verify(|_| {}).unwrap(), []);
}

#[test]
fn a_blob_that_was_cut_short_is_noticed_when_the_image_is_opened() {
    let home = Home::new();
    let descriptor = put(&home.store, &image(), "app");
    let layer = image().layers[0].descriptor().clone();
    fs::OpenOptions::new()
        .write(true)
        .open(home.store.blob_path(&layer.digest))
        .unwrap()
        .set_len(layer.size - 1)
        .unwrap();
    let error = home.store.image_at(&descriptor).unwrap_err();
    let expected = layer.size;
    assert!(
        matches!(error, StoreError::Size { expected: e, .. } if e == expected),
        "{error}"
    );
}

#[test]
fn holding_a_blob_says_that_it_is_used() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let digest = image().layers[0].descriptor().digest;
    let path = home.store.blob_path(&digest);
    let old = SystemTime::now() - Duration::from_secs(1000);
    fs::File::open(&path).unwrap().set_modified(old).unwrap();
    home.store.lease().unwrap().hold_blob(&digest).unwrap();
    let age = fs::metadata(&path).unwrap().modified().unwrap().elapsed();
    assert!(age.unwrap_or_default() < Duration::from_secs(500));
}
