//! What the content layer does in a second, without HTTP: `cargo run --release -p kiln-registry
//! --example content_speed DIRECTORY`. The directory should lie on the disk that is meant.

#![allow(clippy::print_stdout, reason = "it is what this is for")]
#![allow(
    clippy::unwrap_used,
    reason = "what fails here ends the measurement, and says where"
)]

use std::path::Path;
use std::time::Instant;

use http_body_util::BodyExt as _;
use kiln_oci::{Descriptor, Digest, Manifest, media_type};
use kiln_registry::clock::Clock;
use kiln_registry::content::{Content, ContentOptions, NewManifest, body_of};
use kiln_registry::database::Database;
use kiln_registry::name::{ManifestReference, RepositoryName};
use kiln_registry::storage::Storage;

const CLIENTS: usize = 16;

/// Bytes that differ for each seed and do not compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The process's memory now and at its highest, in MiB.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.map_or(0, |number| number.parse::<u64>().unwrap_or(0)) >> 10
    };
    format!("{} MiB, at most {}", field("VmRSS"), field("VmHWM"))
}

/// Lets several clients do `count` things and prints how many were done in a second.
async fn measure<F>(what: &str, count: usize, bytes: usize, work: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let begin = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..count {
        while clients.len() >= CLIENTS {
            clients.join_next().await.unwrap().unwrap();
        }
        clients.spawn(work(number));
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    let rate = count as f64 / seconds;
    let volume = (count * bytes) as f64 / seconds / 1e6;
    println!(
        "{what:<28} {rate:>10.0} /s {volume:>8.0} MB/s   {}",
        memory()
    );
}

async fn blobs(content: &Content, repository: &RepositoryName, size: usize, count: usize) {
    let made: Vec<Vec<u8>> = (0..count)
        .map(|number| noise((size + number) as u64, size))
        .collect();
    let digests: Vec<Digest> = made.iter().map(|bytes| Digest::sha256(bytes)).collect();
    let bodies: std::sync::Arc<Vec<bytes::Bytes>> =
        std::sync::Arc::new(made.into_iter().map(Into::into).collect());
    let digests = std::sync::Arc::new(digests);
    measure(&format!("write {size} bytes"), count, size, |number| {
        let (content, repository) = (content.clone(), repository.clone());
        let (bodies, digests) = (bodies.clone(), digests.clone());
        async move {
            let body = body_of(bodies[number].clone());
            let put = content.put_blob(&repository, "", body, &digests[number]);
            put.await.unwrap();
        }
    })
    .await;
    measure(&format!("read {size} bytes"), count * 4, size, |number| {
        let (content, repository) = (content.clone(), repository.clone());
        let digest = digests[number % count];
        async move {
            let open = content.open_blob(&repository, &digest).await;
            let mut body = open.unwrap().unwrap().read(0..u64::MAX);
            while let Some(frame) = body.frame().await {
                frame.unwrap();
            }
        }
    })
    .await;
    measure(&format!("stat {size} bytes"), 50_000, 0, |number| {
        let (content, repository) = (content.clone(), repository.clone());
        let digest = digests[number % count];
        async move {
            let stat = content.stat_blob(&repository, &digest).await;
            stat.unwrap().unwrap();
        }
    })
    .await;
}

async fn manifests(content: &Content, repository: &RepositoryName, count: usize) {
    let config = b"{}".to_vec();
    let digest = Digest::sha256(&config);
    let put = content.put_blob(repository, "", body_of(config), &digest);
    put.await.unwrap();
    measure("push a manifest", count, 0, |number| {
        let (content, repository) = (content.clone(), repository.clone());
        async move {
            let manifest = Manifest {
                schema_version: 2,
                media_type: None,
                artifact_type: None,
                config: Descriptor::of(media_type::OCI_CONFIG, b"{}"),
                layers: vec![],
                subject: None,
                annotations: [("number".to_owned(), format!("{number:0500}"))].into(),
            };
            let manifest = NewManifest {
                reference: format!("t{number}").parse().unwrap(),
                extra_tags: vec![],
                media_type: None,
                bytes: serde_json::to_vec(&manifest).unwrap().into(),
                who: String::new(),
            };
            content.put_manifest(&repository, manifest).await.unwrap();
        }
    })
    .await;
    for (what, of) in [
        ("manifest from memory", 1000),
        ("manifest, all of them", count),
    ] {
        measure(what, 100_000, 0, |number| {
            let (content, repository) = (content.clone(), repository.clone());
            async move {
                let reference = format!("t{}", number % of).parse::<ManifestReference>();
                let found = content.manifest(&repository, &reference.unwrap()).await;
                found.unwrap().unwrap();
            }
        })
        .await;
    }
    measure("a page of 1000 tags", 500, 0, |number| {
        let (content, repository) = (content.clone(), repository.clone());
        async move {
            let last = format!("t{}", number * 7);
            let page = content.tags(&repository, 1000, Some(&last)).await;
            page.unwrap().unwrap();
        }
    })
    .await;
}

#[tokio::main]
async fn main() {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let root = Path::new(&root);
    let database = Database::open_sqlite(&root.join("registry.db")).unwrap();
    let storage = Storage::open_files(root).unwrap();
    let options = ContentOptions::default();
    let content = Content::new(database, storage, Clock::system(), options);
    let repository: RepositoryName = "team/app".parse().unwrap();
    println!("at the start {}", memory());
    blobs(&content, &repository, 2_000, 2_000).await;
    blobs(&content, &repository, 100_000, 500).await;
    blobs(&content, &repository, 1_000_000, 200).await;
    blobs(&content, &repository, 50_000_000, 6).await;
    manifests(&content, &repository, 20_000).await;
}
