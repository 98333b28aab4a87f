//! Killed at any point, the store is sound, and the next start leaves nothing behind.
//!
//! A child process works on a store and is killed with SIGKILL; then the store is opened again. The
//! child is this test binary, told what to do by its environment.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiln_layer::Compression;
use kiln_oci::Sink as _;
use kiln_store::{CommitOptions, PruneOptions, Store, export};
use kiln_testkit::{ImageBuilder, Layer, TempDir, noise};

use crate::fixture::{assert_sound, get, image, layer, name, open};

const TASK: &str = "KILN_TEST_TASK";
const ROOT: &str = "KILN_TEST_ROOT";

/// Starts `task` in a process of its own.
pub(crate) fn spawn(task: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(TASK, task)
        .env(ROOT, root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child does. Run by the harness without a task, there is nothing to do.
#[test]
#[expect(clippy::disallowed_methods, reason = "a child learns its task so")]
fn child() {
    let (Some(task), Some(root)) = (std::env::var_os(TASK), std::env::var_os(ROOT)) else {
        return;
    };
    let root = PathBuf::from(root);
    match task.to_str().unwrap() {
        "everything" => everything(&root),
        "prune" => prune(&root),
        "build" => build(&root),
        stage => stop_at(stage, &root),
    }
}

/// Does all that writes, over and over, until it is killed.
fn everything(root: &Path) {
    let store = open(root);
    for round in 0.. {
        let lease = store.lease().unwrap();
        let own = layer(&store, &lease, "own", &noise(round, 200_000));
        let other = Layer::new()
            .directory("d")
            .file("d/f", noise(round + 1, 50_000))
            .tar();
        let image = ImageBuilder::new()
            .layer(&other)
            .compression(Compression::Gzip { level: 1 })
            .layer(&Layer::new().file("g", noise(round + 2, 50_000)).tar())
            .build();
        store
            .put(&image, &[name(&format!("round:{round}"))])
            .unwrap();
        store.cache_put("step", &own.diff_id, b"result").unwrap();
        let chain = &image.config.rootfs.diff_ids;
        store.snapshot(&lease, chain).unwrap();
        let stored = get(&store, &format!("round:{round}"));
        export::compressed(&store, &lease, &stored, &Compression::zstd(1)).unwrap();
        if round % 3 == 2 {
            drop(lease);
            store
                .prune(&PruneOptions {
                    keep: Some(1 << 20),
                    ..PruneOptions::default()
                })
                .unwrap();
        }
    }
}

/// Makes work for the collector, over and over.
fn prune(root: &Path) {
    let store = open(root);
    for _ in 0..60 {
        store.prune(&PruneOptions::default()).unwrap();
    }
}

/// Builds, as far as the store can tell: every layer that was made or found must stay until the end.
fn build(root: &Path) {
    let store = open(root);
    for round in 0..20 {
        let lease = store.lease().unwrap();
        let mut builder = ImageBuilder::new();
        for step in 0..4 {
            let content = noise(step, 30_000);
            let index = layer(&store, &lease, &format!("step{step}"), &content);
            store.cache_put("step", &index.diff_id, b"").unwrap();
            lease.hold_blob(&index.diff_id).unwrap();
            assert!(store.has_blob(&index.diff_id).unwrap());
            let entry = &index.entries[0];
            let mut back = kiln_layer::ContentAt::open_at(&store, &index.diff_id, entry).unwrap();
            let mut bytes = vec![];
            std::io::copy(&mut back, &mut bytes).unwrap();
            assert!(bytes == content);
            let tar = Layer::new()
                .file(&format!("same{step}"), noise(step + 9, 9_000))
                .tar();
            builder = builder.layer(&tar);
        }
        store.sync_all().unwrap();
        // Others give the same names away and take them off: what the lease holds stays all the same.
        let image = builder.build();
        let descriptor = store.adopt(&lease, &image).unwrap();
        let shared = name(&format!("shared:{}", round % 3));
        store.set_reference(&shared, &descriptor).unwrap();
        let stored = store.image_at(&descriptor).unwrap();
        let chain = &stored.config.rootfs.diff_ids;
        store.snapshot(&lease, chain).unwrap();
        if round % 5 == 4 {
            store.remove_reference(&shared).unwrap();
        }
    }
}

/// Goes to one point, says so, and waits there to be killed.
fn stop_at(stage: &str, root: &Path) {
    let store = open(root);
    let lease = store.lease().unwrap();
    let content = noise(1, 3_000_000);
    let kept: Box<dyn std::any::Any> = match stage {
        "lease" => Box::new(()),
        "half a blob" => {
            let mut writer = store.blob_writer(&lease).unwrap();
            writer.write_all(&content).unwrap();
            Box::new(writer)
        }
        "half a layer" => {
            let mut writer = store.layer_writer(&lease).unwrap();
            let size = content.len() as u64;
            let entry = kiln_layer::Entry::new("f", kiln_layer::Kind::File { size });
            writer.file(&entry, &mut &content[..]).unwrap();
            Box::new(writer)
        }
        "layers without a name" => Box::new(layer(&store, &lease, "f", &content)),
        "documents without a name" => {
            let image = image();
            store.put_document(&lease, image.config.bytes()).unwrap();
            Box::new(store.put_document(&lease, image.manifest.bytes()).unwrap())
        }
        "a running step" => {
            let upper = store.upper(&lease).unwrap();
            fs::write(upper.dir().join("half"), &content).unwrap();
            Box::new(upper)
        }
        "a finished step" => {
            let base = layer(&store, &lease, "below", b"x");
            let tree = kiln_layer::Tree::of([&base]).unwrap();
            let upper = store.upper(&lease).unwrap();
            fs::write(upper.dir().join("whole"), &content).unwrap();
            let chain = [base.diff_id];
            let options = CommitOptions::default();
            Box::new(
                store
                    .commit_upper(&lease, upper, &chain, &tree, &options)
                    .unwrap(),
            )
        }
        other => panic!("no stage {other}"),
    };
    fs::write(marker(root), b"").unwrap();
    std::thread::sleep(Duration::from_secs(60));
    drop(kept);
}

/// Beside the store, so that it does not count as left behind.
fn marker(root: &Path) -> PathBuf {
    root.with_extension("ready")
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Opening the store cleans it, and everything that has a name is whole.
fn assert_recovered(root: &Path) {
    let store = open(root);
    assert_eq!(store.verify(|_| {}).unwrap(), []);
    for known in store.references().unwrap() {
        let image = store.image_at(&known.descriptor).unwrap();
        for diff_id in &image.config.rootfs.diff_ids {
            store.layer_index(diff_id).unwrap();
        }
        let lease = store.lease().unwrap();
        store
            .snapshot(&lease, &image.config.rootfs.diff_ids)
            .unwrap();
    }
    assert_sound(root);
}

#[test]
fn killed_at_each_stage_it_leaves_nothing() {
    for stage in [
        "lease",
        "half a blob",
        "half a layer",
        "layers without a name",
        "documents without a name",
        "a running step",
        "a finished step",
    ] {
        let directory = TempDir::new();
        let root = directory.join("store");
        let child = spawn(stage, &root);
        let begin = Instant::now();
        while !marker(&root).exists() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{stage} was never reached"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        // While the child lives, its scratch files are its own.
        let store = open(&root);
        assert_eq!(
            fs::read_dir(root.join("work")).unwrap().count(),
            1,
            "{stage}"
        );
        drop(store);
        kill(child);
        assert_recovered(&root);
    }
}

#[test]
fn killed_at_any_time_it_is_sound() {
    let directory = TempDir::new();
    let root = directory.join("store");
    for round in 0..25 {
        let child = spawn("everything", &root);
        std::thread::sleep(Duration::from_millis(20 + round * 7));
        kill(child);
        if root.exists() {
            assert_recovered(&root);
        }
    }
    let store = Store::open(&root, &kiln_store::StoreOptions::default()).unwrap();
    assert!(
        !store.references().unwrap().is_empty(),
        "no child got as far as a name"
    );
}

#[test]
fn several_processes_build_while_others_prune() {
    let directory = TempDir::new();
    let root = directory.join("store");
    drop(open(&root));
    let tasks = ["build", "build", "prune", "build", "prune"];
    let children: Vec<Child> = tasks.iter().map(|task| spawn(task, &root)).collect();
    for (task, child) in tasks.iter().zip(children) {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{task}: {said}");
    }
    assert_recovered(&root);
}
