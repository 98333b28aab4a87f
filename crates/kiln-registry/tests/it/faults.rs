//! Disks that are full or cannot be written: clear errors, and nothing that was acknowledged is lost.
//!
//! Each test starts itself again in a mount namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_oci::{Algorithm, Digest};
use kiln_registry::clock::Clock;
use kiln_registry::content::{Content, ContentOptions, PutManifestError, UploadError, body_of};
use kiln_registry::database::Database;
use kiln_registry::scrub::ScrubOptions;
use kiln_registry::storage::Storage;
use kiln_testkit::{TempDir, noise};

use crate::content::fixture::{Registry, image, name, push_to, read};

const INSIDE: &str = "KILN_TEST_INSIDE";

/// Runs `test` again, in a mount namespace in which `setup` was executed in `directory`.
fn inside(test: &str, setup: &str, directory: &Path) {
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
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{out}");
        return;
    }
    crate::not_checked(test, "no mount namespace can be made here (unshare)");
}

#[expect(clippy::disallowed_methods, reason = "a child learns its task so")]
fn directory_inside() -> Option<PathBuf> {
    let directory = std::env::var_os(INSIDE).map(PathBuf::from)?;
    // The directory that was entered before the mount is the one below it.
    std::env::set_current_dir("/").unwrap();
    Some(directory)
}

fn open(root: &Path) -> Content {
    let database = Database::open_sqlite(&root.join("registry.db")).unwrap();
    let storage = Storage::open_files(root).unwrap();
    let clock = Clock::standing_at(1_700_000_000_000);
    Content::new(database, storage, clock, ContentOptions::default())
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work);
}

#[test]
fn a_full_disk_refuses_pushes_and_loses_nothing() {
    let test = "faults::a_full_disk_refuses_pushes_and_loses_nothing";
    let Some(directory) = directory_inside() else {
        let directory = TempDir::new();
        return inside(test, "mount -t tmpfs -o size=12m tmpfs .", directory.path());
    };
    run(async {
        let content = open(&directory);
        let repository = name("team/app");
        let layer = noise(1, 1_000_000);
        let kept = push_to(&content, &repository, "kept", &layer)
            .await
            .unwrap();
        // A blob that is larger than the disk, in one request and in chunks.
        let large = noise(2, 30_000_000);
        let digest = Digest::sha256(&large);
        let body = body_of(large.clone());
        let refused = content.put_blob(&repository, "test", body, &digest).await;
        assert!(is_full(&refused.map(drop)), "one request");
        let id = content
            .begin_upload(&repository, "test", Algorithm::Sha256)
            .await;
        let body = body_of(large);
        let refused = content.append(&repository, &id.unwrap(), None, body).await;
        assert!(is_full(&refused.map(drop)), "chunks");
        // Manifests until the database has no room, either.
        let mut acknowledged = vec![];
        let refused = loop {
            let number = acknowledged.len().to_string();
            let mut manifest = image(&layer);
            manifest
                .annotations
                .insert("number".to_owned(), number.clone());
            let padding = Digest::sha256(number.as_bytes()).hex().repeat(1000);
            manifest.annotations.insert("padding".to_owned(), padding);
            match push_document(&content, &number, &manifest).await {
                Ok(digest) => acknowledged.push((number, digest)),
                Err(error) => break error,
            }
        };
        assert!(
            matches!(&refused, PutManifestError::Failed(error) if error.is_full()),
            "{refused:?}"
        );
        assert!(!acknowledged.is_empty());
        // Reads go on, and after a restart, too; what was acknowledged is all there.
        check(&content, &kept, &layer, &acknowledged).await;
        drop(content);
        let content = open(&directory);
        check(&content, &kept, &layer, &acknowledged).await;
        // With room again, so do pushes.
        let mount = Command::new("mount")
            .args(["-o", "remount,size=64m"])
            .arg(&directory)
            .status();
        assert!(mount.unwrap().success());
        push_to(&content, &repository, "more", &noise(3, 1_000_000))
            .await
            .unwrap();
        let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
        assert_eq!(scrubbed.findings, []);
    });
}

fn is_full(result: &Result<(), UploadError>) -> bool {
    matches!(result, Err(UploadError::Failed(error)) if error.is_full())
}

async fn push_document(
    content: &Content,
    own: &str,
    manifest: &kiln_oci::Manifest,
) -> Result<Digest, PutManifestError> {
    let bytes = serde_json::to_vec(manifest).unwrap();
    let manifest = kiln_registry::content::NewManifest {
        reference: own.parse().unwrap(),
        extra_tags: vec![],
        media_type: None,
        bytes: bytes.into(),
        who: "test".to_owned(),
    };
    let stored = content.put_manifest(&name("team/app"), manifest).await;
    stored.map(|stored| stored.digest)
}

async fn check(content: &Content, kept: &Digest, layer: &[u8], more: &[(String, Digest)]) {
    let repository = name("team/app");
    let all = more.iter().map(|(own, digest)| (own.as_str(), digest));
    for (own, digest) in all.chain([("kept", kept)]) {
        let reference = own.parse().unwrap();
        let found = content.manifest(&repository, &reference).await.unwrap();
        assert_eq!(found.unwrap().digest, *digest);
    }
    let layer_digest = Digest::sha256(layer);
    let stat = content.stat_blob(&repository, &layer_digest).await.unwrap();
    assert!(stat.is_some());
    let open = content.open_blob(&repository, &layer_digest).await.unwrap();
    assert!(read(&open.unwrap()).await == layer);
}

#[test]
fn a_disk_that_becomes_read_only_can_be_read() {
    let test = "faults::a_disk_that_becomes_read_only_can_be_read";
    let Some(directory) = directory_inside() else {
        let directory = TempDir::new();
        let setup = "mount -t tmpfs -o size=12m tmpfs .";
        return inside(test, setup, directory.path());
    };
    run(async {
        let content = open(&directory);
        let repository = name("team/app");
        let layer = noise(1, 300_000);
        let kept = push_to(&content, &repository, "kept", &layer)
            .await
            .unwrap();
        drop(content);
        // The files of a database that is open for writing keep a disk from becoming read-only; a bind
        // mount over it does not ask.
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\"";
        let mounted = Command::new("sh")
            .args(["-c", script])
            .arg(&directory)
            .status();
        assert!(mounted.unwrap().success());
        let database = Database::open_sqlite(&directory.join("registry.db"));
        let error = database.unwrap_err();
        let said = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(
            said.contains("ead-only") || said.contains("cannot be written"),
            "{said}"
        );
        let back = Command::new("mount")
            .args(["-o", "remount,rw,bind"])
            .arg(&directory)
            .status();
        assert!(back.unwrap().success());
        check(&open(&directory), &kept, &layer, &[]).await;
    });
}

#[tokio::test]
async fn a_storage_that_cannot_be_written_refuses_blobs_and_serves_them() {
    let registry = Registry::new();
    let repository = name("team/app");
    let layer = noise(1, 300_000);
    registry.image(&repository, &["v1"], &layer).await;
    // A file in the place of each directory: nothing can be made there, whoever asks.
    let objects = registry.directory.join("objects");
    let away = registry.directory.join("away");
    std::fs::rename(&objects, &away).unwrap();
    std::fs::write(&objects, "").unwrap();
    let other = noise(2, 300_000);
    let digest = Digest::sha256(&other);
    let put = registry
        .content
        .put_blob(&repository, "test", body_of(other.clone()), &digest);
    assert!(matches!(put.await, Err(UploadError::Failed(_))));
    let stat = registry.content.stat_blob(&repository, &digest).await;
    assert_eq!(stat.unwrap(), None);
    std::fs::remove_file(&objects).unwrap();
    std::fs::rename(&away, &objects).unwrap();
    registry.blob(&repository, &other).await;
    let open = registry
        .content
        .open_blob(&repository, &Digest::sha256(&layer))
        .await;
    assert!(read(&open.unwrap().unwrap()).await == layer);
    let scrubbed = registry.content.scrub(&ScrubOptions::default()).await;
    assert_eq!(scrubbed.unwrap().findings, []);
}
