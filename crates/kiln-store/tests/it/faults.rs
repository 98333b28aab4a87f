//! A full disk, a read-only place, places that are no store.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kiln_oci::{Digest, Platform, Source as _};
use kiln_store::{PruneOptions, Store, StoreError, StoreOptions};
use kiln_testkit::{TempDir, noise};

use crate::fixture::{Home, assert_sound, image, layer, name, open, put};

const INSIDE: &str = "KILN_TEST_INSIDE";

/// Runs this test again in a mount namespace of its own, in which `setup` is done first: as root, or
/// as root of a user namespace. Says why where that is not possible.
fn inside(test: &str, setup: &str, directory: &Path) -> bool {
    let script = format!("{setup} && exec \"$0\" --exact {test} --nocapture");
    let exe = std::env::current_exe().unwrap();
    for namespaces in [&["--mount"][..], &["--mount", "--user", "--map-root-user"]] {
        let probe = Command::new("unshare")
            .args(namespaces)
            .arg("true")
            .output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            continue;
        }
        let output = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &script])
            .arg(&exe)
            .current_dir(directory)
            .env(INSIDE, directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
        return true;
    }
    eprintln!("skipped: no mount namespace can be made here (unshare)");
    false
}

#[expect(clippy::disallowed_methods, reason = "a child learns its task so")]
fn directory_inside() -> Option<std::path::PathBuf> {
    std::env::var_os(INSIDE).map(Into::into)
}

#[test]
fn a_full_disk_is_an_error_and_no_damage() {
    let Some(directory) = directory_inside() else {
        let directory = TempDir::new();
        let setup = "mount -t tmpfs -o size=6m tmpfs .";
        inside(
            "faults::a_full_disk_is_an_error_and_no_damage",
            setup,
            directory.path(),
        );
        return;
    };
    // The directory that was entered before the mount is the one below it.
    std::env::set_current_dir("/").unwrap();
    let root = directory.join("store");
    let store = open(&root);
    put(&store, &image(), "app");
    let lease = store.lease().unwrap();
    let mut writer = store.layer_writer(&lease).unwrap();
    let content = noise(1, 20 << 20);
    let size = content.len() as u64;
    let entry = kiln_layer::Entry::new("big", kiln_layer::Kind::File { size });
    let written = writer.file(&entry, &mut &content[..]);
    let error: Box<dyn std::error::Error> = match written {
        Err(error) => error.into(),
        Ok(_) => store.commit_layer(&lease, writer).unwrap_err().into(),
    };
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    assert!(
        causes.iter().any(|cause| cause.contains("No space left")),
        "{causes:?}"
    );
    drop(lease);
    // The room is free again, and everything works.
    let lease = store.lease().unwrap();
    layer(&store, &lease, "small", &noise(2, 1 << 20));
    store.sync_all().unwrap();
    drop(lease);
    // Full to the last block: the names are still readable, and a prune makes room.
    let mut filler = vec![];
    for number in 0.. {
        let path = directory.join(format!("filler{number}"));
        if fs::write(&path, vec![1; 4096]).is_err() {
            filler.push(path);
            break;
        }
        filler.push(path);
    }
    assert!(store.image(&name("app"), &Platform::host()).is_ok());
    let full = store.set_reference(&name("again"), &store.references().unwrap()[0].descriptor);
    for path in &filler {
        let _ = fs::remove_file(path);
    }
    if let Err(error) = full {
        assert!(
            matches!(error, StoreError::Database { .. } | StoreError::Io { .. }),
            "{error}"
        );
    }
    drop(store);
    let store = open(&root);
    store.prune(&PruneOptions::default()).unwrap();
    assert!(store.image(&name("app"), &Platform::host()).is_ok());
    assert_eq!(store.verify(|_| {}).unwrap(), []);
    drop(store);
    assert_sound(&root);
}

/// Fills the disk to the last block.
fn fill(directory: &Path) {
    for size in [1 << 20, 64 << 10, 4096, 1] {
        for number in 0.. {
            let path = directory.join(format!("filler-{size}-{number}"));
            if fs::write(path, vec![1; size]).is_err() {
                break;
            }
        }
    }
}

fn a_full_disk_is_pruned(directory: &Path) {
    let root = directory.join("store");
    let store = open(&root);
    put(&store, &image(), "app");
    let lease = store.lease().unwrap();
    let index = layer(&store, &lease, "cached", &noise(2, 2 << 20));
    store.sync_all().unwrap();
    drop(lease);
    drop(store);
    fill(directory);
    assert!(fs::write(directory.join("probe"), vec![1; 8192]).is_err());
    let store = open(&root);
    let pruned = store.prune(&PruneOptions::default()).unwrap();
    assert!(pruned.freed() >= 2 << 20);
    assert!(!store.has_blob(&index.diff_id).unwrap());
    assert!(store.image(&name("app"), &Platform::host()).is_ok());
    // There is a reserve again, for the next time.
    drop(store);
    fill(directory);
    let store = open(&root);
    store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(store.verify(|_| {}).unwrap(), []);
    drop(store);
    assert_sound(&root);
}

#[test]
fn a_disk_that_is_full_to_the_last_block_can_be_pruned() {
    let test = "faults::a_disk_that_is_full_to_the_last_block_can_be_pruned";
    if let Some(directory) = directory_inside() {
        std::env::set_current_dir("/").unwrap();
        return a_full_disk_is_pruned(&directory);
    }
    let directory = TempDir::new();
    inside(test, "mount -t tmpfs -o size=6m tmpfs .", directory.path());
    // On a real file system, where that can be mounted.
    let image = directory.join("image");
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&image).output();
    let mount = "mkdir -p mounted && mount -o loop image mounted";
    let probe = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount])
        .current_dir(directory.path())
        .output();
    let can = |output: std::io::Result<std::process::Output>| {
        output.is_ok_and(|output| output.status.success())
    };
    if can(made) && can(probe) {
        let setup = format!("{mount} && mount --move mounted .");
        inside(test, &setup, directory.path());
    } else {
        eprintln!("not tested on ext4: it cannot be made and mounted here");
    }
}

#[test]
fn a_read_only_store_can_be_read() {
    let Some(directory) = directory_inside() else {
        let directory = TempDir::new();
        let root = directory.join("store");
        let store = open(&root);
        put(&store, &image(), "app");
        drop(store);
        let setup = "mount --bind store store && mount -o remount,bind,ro store";
        inside(
            "faults::a_read_only_store_can_be_read",
            setup,
            directory.path(),
        );
        return;
    };
    let root = directory.join("store");
    assert!(fs::write(root.join("probe"), "").is_err());
    let store = open(&root);
    assert!(store.is_read_only());
    let image = store.image(&name("app"), &Platform::host()).unwrap();
    assert_eq!(image.manifest.digest(), self::image().manifest.digest());
    for diff_id in &image.config.rootfs.diff_ids {
        assert!(!store.layer_index(diff_id).unwrap().entries.is_empty());
    }
    assert!(store.usage().unwrap().images > 0);
    assert_eq!(store.verify(|_| {}).unwrap(), []);
    let key = Digest::sha256(b"key");
    store.cache_put("step", &key, b"forgotten").unwrap();
    assert_eq!(store.cache_get("step", &key).unwrap(), None);
    let error = store.lease().unwrap_err();
    assert!(error.to_string().ends_with("is read-only"), "{error}");
    assert!(matches!(
        store.remove_reference(&name("app")),
        Err(StoreError::ReadOnly { .. })
    ));
    let planned = PruneOptions {
        dry_run: true,
        ..PruneOptions::default()
    };
    assert!(store.prune(&planned).is_ok());
    assert!(matches!(
        store.prune(&PruneOptions::default()),
        Err(StoreError::ReadOnly { .. })
    ));
}

#[test]
fn a_place_that_cannot_be_a_store_is_named() {
    let directory = TempDir::new();
    let file = directory.join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("store"), &StoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("file/store"), "{error}");
}

#[test]
fn odd_characters_in_the_path_are_no_trouble() {
    let directory = TempDir::new();
    let root = directory.join("a store? 100% #1 ü");
    let store = open(&root);
    put(&store, &image(), "app");
    drop(store);
    assert_eq!(open(&root).references().unwrap().len(), 1);
}

#[test]
fn what_a_dead_process_made_unreadable_is_removed_all_the_same() {
    let home = Home::new();
    let lease = home.store.lease().unwrap();
    let scratch = lease.scratch_path().unwrap();
    fs::create_dir_all(scratch.join("a/b")).unwrap();
    fs::write(scratch.join("a/b/c"), "x").unwrap();
    for path in ["a/b", "a"] {
        fs::set_permissions(scratch.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    drop(lease);
    assert_sound(home.directory.path());
}
