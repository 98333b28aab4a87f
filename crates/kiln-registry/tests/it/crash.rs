//! Killed at any moment, the registry keeps every push that it acknowledged, and nothing that it holds
//! is broken.
//!
//! A child process pushes, moves tags, deletes and collects, and says what it is about to do and what
//! was acknowledged. It is killed with SIGKILL at a random moment; then everything is read, hashed and
//! compared with what the child had said. The child is this test binary, told what to do by its
//! environment.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kiln_oci::{Algorithm, Digest};
use kiln_registry::clock::Clock;
use kiln_registry::content::{
    Content, ContentOptions, NewManifest, PutManifestError, UploadError, body_of,
};
use kiln_registry::database::DatabaseError;
use kiln_registry::name::{ManifestReference, RepositoryName, Tag};
use kiln_registry::scrub::ScrubOptions;
use kiln_testkit::{TempDir, noise};

use crate::backing::Backing;
use crate::backing::bucket::Bucket;
use crate::content::fixture::{image, name, objects, pieces, tag};

const ROOT: &str = "KILN_TEST_REGISTRY";
const SEED: &str = "KILN_TEST_SEED";

const PUSHERS: u64 = 3;

/// Leases are so short that collection has work while pushes run.
fn open(root: &Path) -> Content {
    let options = ContentOptions {
        blob_lease: Duration::from_millis(300),
        manifest_lease: Duration::ZERO,
        upload_patience: Duration::from_secs(1),
        ..ContentOptions::default()
    };
    let backing = Backing::of(root);
    let database = backing.database(root);
    let storage = backing.storage(root);
    Content::new(database, storage, Clock::system(), options)
}

/// What a child does. Run by the harness without a task, there is nothing to do.
#[test]
#[expect(clippy::disallowed_methods, reason = "a child learns its task so")]
fn child() {
    let (Some(root), Ok(seed)) = (std::env::var_os(ROOT), std::env::var(SEED)) else {
        return;
    };
    let root = PathBuf::from(root);
    let seed = seed.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let content = open(&root);
        let mut tasks = vec![];
        for pusher in 0..PUSHERS {
            let content = content.clone();
            tasks.push(tokio::spawn(work(content, pusher, seed)));
        }
        tasks.push(tokio::spawn(async move {
            loop {
                content.collect().await.unwrap();
            }
        }));
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn say(line: &str) {
    // In one piece, so that lines of several tasks do not mix.
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// Pushes, moves and deletes the tags of one pusher until it is killed.
async fn work(content: Content, pusher: u64, seed: u64) {
    let repository = name(&format!("team/app{}", pusher % 2));
    for step in 0.. {
        let dice = noise(seed ^ (pusher << 32) ^ step, 4);
        let own = tag(&format!("p{pusher}-{}", dice[0] % 8));
        if dice[1].is_multiple_of(4) {
            delete(&content, &repository, &own, dice[1].is_multiple_of(8)).await;
        } else {
            let size = [200, 40_000, 400_000][usize::from(dice[2] % 3)];
            push(&content, &repository, &own, noise(u64::from(dice[3]), size)).await;
        }
    }
}

async fn push(content: &Content, repository: &RepositoryName, own: &Tag, layer: Vec<u8>) {
    let mut manifest = image(&layer);
    manifest
        .annotations
        .insert("tag".to_owned(), own.to_string());
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let digest = Digest::sha256(&bytes);
    loop {
        for blob in [&b"{}"[..], &layer] {
            let digest = Digest::sha256(blob);
            if content
                .stat_blob(repository, &digest)
                .await
                .unwrap()
                .is_none()
            {
                upload(content, repository, blob, &digest).await.unwrap();
            }
        }
        say(&format!("try {repository} {own} {digest}"));
        let manifest = NewManifest {
            reference: ManifestReference::Tag(own.clone()),
            extra_tags: vec![],
            media_type: None,
            bytes: bytes.clone().into(),
            who: "test".to_owned(),
        };
        match content.put_manifest(repository, manifest).await {
            Ok(stored) => break assert_eq!(stored.digest, digest),
            // On a busy machine the short lease may be over.
            Err(PutManifestError::Unknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    say(&format!("done {repository} {own} {digest}"));
}

/// In one request or in chunks, one of which breaks.
async fn upload(
    content: &Content,
    repository: &RepositoryName,
    blob: &[u8],
    digest: &Digest,
) -> Result<(), UploadError> {
    if blob.len() < 100_000 {
        let body = body_of(blob.to_vec());
        return content
            .put_blob(repository, "test", body, digest)
            .await
            .map(drop);
    }
    let id = content
        .begin_upload(repository, "test", Algorithm::Sha256)
        .await?;
    let mut offset = 0;
    while offset < blob.len() as u64 {
        let rest = &blob[offset as usize..];
        let chunk = rest[..rest.len().min(150_000)].to_vec();
        let body = match offset {
            0 => pieces(vec![Ok(chunk), Err("cut")]),
            _ => body_of(chunk),
        };
        match content.append(repository, &id, Some(offset), body).await {
            Ok(next) => offset = next,
            Err(UploadError::Body { .. }) => {
                offset = content.upload_status(repository, &id).await?.offset;
            }
            Err(error) => return Err(error),
        }
    }
    let nothing = body_of(vec![]);
    content
        .finish(repository, &id, Some(offset), nothing, digest)
        .await
        .map(drop)
}

async fn delete(content: &Content, repository: &RepositoryName, own: &Tag, whole: bool) {
    let reference = ManifestReference::Tag(own.clone());
    let Some(found) = content.manifest(repository, &reference).await.unwrap() else {
        return;
    };
    say(&format!("try {repository} {own} -"));
    // Only this pusher changes its tags, and its manifests are its own.
    match whole {
        true => {
            let deleted = content.delete_manifest(repository, &found.digest, "test");
            assert!(deleted.await.unwrap().tags.contains(own));
        }
        false => content.delete_tag(repository, own, "test").await.unwrap(),
    }
    say(&format!("done {repository} {own} -"));
}

/// What a tag may point to, as far as the child has said.
#[derive(Default)]
struct Said(HashMap<(RepositoryName, Tag), Vec<Option<Digest>>>);

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [kind @ ("try" | "done"), repository, own, digest] = words[..] else {
            return;
        };
        let digest = (digest != "-").then(|| digest.parse().unwrap());
        let allowed = self.0.entry((name(repository), tag(own)));
        let allowed = allowed.or_insert_with(|| vec![None]);
        match kind {
            "try" => allowed.push(digest),
            _ => *allowed = vec![digest],
        }
    }

    /// Compares with what is there, and takes that for the truth.
    async fn check(&mut self, content: &Content) {
        for ((repository, own), allowed) in &mut self.0 {
            let reference = ManifestReference::Tag(own.clone());
            let found = content.manifest(repository, &reference).await.unwrap();
            let found = found.map(|manifest| manifest.digest);
            assert!(
                allowed.contains(&found),
                "{repository}:{own} is {found:?} and may be {allowed:?}"
            );
            *allowed = vec![found];
        }
    }
}

/// Lets a child work and kills it after a number of lines and a little longer.
fn work_and_be_killed(root: &Path, seed: u64, said: &mut Said) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(ROOT, root)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let dice = noise(seed, 4);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 + usize::from(dice[0] % 24) {
        match lines.next() {
            Some(line) => said.hear(&line.unwrap()),
            None => panic!("the child ended: {}", end(child)),
        }
    }
    // Anywhere between two lines. Not in order to wait for anything.
    std::thread::sleep(Duration::from_micros(u64::from(dice[1]) * 40));
    child.kill().unwrap();
    for line in lines {
        said.hear(&line.unwrap());
    }
    let complaint = end(child);
    assert!(!complaint.contains("panicked"), "{complaint}");
}

fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn rounds(count: u64) {
    let directory = Arc::new(TempDir::new());
    // Made here, not in a child that is killed.
    Backing::of(directory.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut said = Said::default();
    for round in 0..count {
        work_and_be_killed(directory.path(), round + 1, &mut said);
        runtime.block_on(async {
            let content = open(directory.path());
            said.check(&content).await;
            let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
            assert_eq!(scrubbed.findings, [], "round {round}");
            content.collect().await.unwrap();
            said.check(&content).await;
            let named = named_objects(&content).await;
            let backing = Backing::of(directory.path());
            let unfinished = backing.bucket.as_ref().map(Bucket::unfinished);
            let found = objects(&backing, directory.path()).into_iter();
            for object in found.chain(unfinished.unwrap_or_default()) {
                let key = object.split('.').next().unwrap();
                assert!(
                    named.iter().any(|named| named == key),
                    "{object} is left over"
                );
            }
        });
    }
    // Else the rounds would have shown nothing.
    let held = said.0.values().filter(|allowed| allowed[0].is_some());
    assert!(held.count() > 0);
}

/// The objects that the database names.
async fn named_objects(content: &Content) -> Vec<String> {
    let named = content.database().read(|transaction| {
        let sql = "SELECT object FROM blob WHERE object IS NOT NULL UNION ALL \
                   SELECT object FROM upload WHERE object IS NOT NULL";
        let rows = transaction.query(sql, &[])?;
        rows.iter().map(|row| row.get(0)).collect()
    });
    named.await.map_err(|error: DatabaseError| error).unwrap()
}

#[test]
fn a_killed_registry_keeps_what_it_acknowledged() {
    rounds(8);
}

/// The same, 500 times: `cargo test -p kiln-registry -- --ignored crash`.
#[test]
#[ignore = "takes minutes"]
fn a_registry_killed_500_times_keeps_what_it_acknowledged() {
    rounds(500);
}
