//! Objects in a bucket: the store's rules for parts, its faults, what is left over, and how clients
//! are sent there.

use kiln_oci::{Algorithm, Digest};
use kiln_registry::content::{Content, ContentOptions, UploadError, body_of};
use kiln_registry::scrub::ScrubOptions;
use kiln_registry::storage::Storage;
use kiln_testkit::noise;

use super::Backing;
use super::bucket::{Bucket, Fault, Rules};
use crate::content::fixture::{Registry, name, pieces, read};

fn registry(rules: Rules) -> (Registry, Bucket) {
    let bucket = Bucket::new(rules);
    let backing = Backing {
        postgres: None,
        bucket: Some(bucket.clone()),
    };
    (Registry::on(backing, ContentOptions::default()), bucket)
}

async fn upload(content: &Content, bytes: &[u8], chunk: usize) -> Result<Digest, UploadError> {
    let repository = name("team/app");
    let digest = Digest::sha256(bytes);
    let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = id.await?;
    for chunk in bytes.chunks(chunk) {
        let body = body_of(chunk.to_vec());
        content.append(&repository, &id, None, body).await?;
    }
    let nothing = body_of(vec![]);
    content
        .finish(&repository, &id, None, nothing, &digest)
        .await?;
    Ok(digest)
}

async fn download(content: &Content, digest: &Digest) -> Vec<u8> {
    let open = content.open_blob(&name("team/app"), digest).await.unwrap();
    read(&open.unwrap()).await
}

/// Parts of 5 MiB at least, but for the last: chunks of any size have to become such parts.
#[tokio::test]
async fn the_real_rules_are_kept_whatever_clients_send() {
    let (registry, bucket) = registry(Rules::real());
    for (size, chunk) in [
        (5 << 20, 5 << 20),
        ((10 << 20) + 1, 3_000_000),
        (12 << 20, 12 << 20),
        ((5 << 20) - 1, 1 << 20),
    ] {
        let bytes = noise(size as u64, size);
        let digest = upload(&registry.content, &bytes, chunk).await.unwrap();
        assert!(
            download(&registry.content, &digest).await == bytes,
            "{size}"
        );
    }
    assert_eq!((bucket.objects().len(), bucket.unfinished().len()), (4, 0));
}

#[tokio::test]
async fn an_object_is_not_to_be_seen_before_it_is_whole() {
    let (registry, bucket) = registry(Rules::small());
    let (content, repository) = (&registry.content, name("team/app"));
    let bytes = noise(1, 250_000);
    let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = id.await.unwrap();
    let body = body_of(bytes.clone());
    content.append(&repository, &id, None, body).await.unwrap();
    // Only the tail of 50,000 bytes; the parts are no object yet.
    let objects = bucket.objects();
    assert!(
        objects.len() == 1 && objects[0].contains('.'),
        "{objects:?}"
    );
    assert_eq!(bucket.unfinished().len(), 1);
    let digest = Digest::sha256(&bytes);
    let nothing = body_of(vec![]);
    let finished = content.finish(&repository, &id, None, nothing, &digest);
    finished.await.unwrap();
    let objects = bucket.objects();
    assert!(
        objects.len() == 1 && !objects[0].contains('.'),
        "{objects:?}"
    );
    assert_eq!(bucket.unfinished().len(), 0);
}

#[tokio::test]
async fn what_was_sent_is_not_read_again() {
    let (registry, bucket) = registry(Rules::small());
    let bytes = noise(2, 1_000_000);
    bucket.seen();
    upload(&registry.content, &bytes, 100_000).await.unwrap();
    let seen = bucket.seen();
    // Each chunk is a part: nothing is left over between them.
    assert!(!seen.contains(&"GetObject"), "{seen:?}");
    assert_eq!(
        seen.iter().filter(|name| **name == "UploadPart").count(),
        10
    );
    // Chunks that are no whole part leave a tail each, which is read once.
    upload(&registry.content, &noise(3, 300_000), 60_000)
        .await
        .unwrap();
    let seen = bucket.seen();
    let gets = seen.iter().filter(|name| **name == "GetObject").count();
    assert_eq!(gets, 4, "{seen:?}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (registry, bucket) = registry(Rules::small());
    use Fault::{AnswerLost, Cut, LateError, SlowDown};
    bucket.fail("PutObject", &[SlowDown, Cut, AnswerLost]);
    bucket.fail("CreateMultipartUpload", &[SlowDown, Cut, AnswerLost]);
    bucket.fail("UploadPart", &[SlowDown, Cut, AnswerLost]);
    bucket.fail(
        "CompleteMultipartUpload",
        &[LateError, SlowDown, AnswerLost],
    );
    let bytes = noise(4, 330_000);
    let digest = upload(&registry.content, &bytes, 110_000).await.unwrap();
    bucket.fail("HeadObject", &[SlowDown, Cut]);
    bucket.fail(
        "GetObject",
        &[SlowDown, Fault::ShortBody, Cut, Fault::ShortBody],
    );
    assert!(download(&registry.content, &digest).await == bytes);
    assert_eq!(bucket.faults_left(), 0);
    let scrubbed = registry.content.scrub(&ScrubOptions::default()).await;
    assert_eq!(scrubbed.unwrap().findings, []);
}

#[tokio::test]
async fn a_store_that_stays_away_fails_the_push_and_is_named() {
    let (registry, bucket) = registry(Rules::small());
    let bytes = noise(5, 250_000);
    bucket.fail("UploadPart", &[Fault::SlowDown; 5]);
    let failed = upload(&registry.content, &bytes, 250_000)
        .await
        .unwrap_err();
    let said = chain(&failed);
    assert!(
        said.contains("503 SlowDown") && said.contains("s3://bucket-"),
        "{said}"
    );
    bucket.fail("PutObject", &[Fault::Denied]);
    let failed = upload(&registry.content, &bytes[..50_000], 50_000).await;
    let UploadError::Failed(failed) = failed.unwrap_err() else {
        panic!("it is the storage's");
    };
    assert!(failed.is_read_only(), "{failed:?}");
    // And works again when it is back.
    let digest = upload(&registry.content, &bytes, 250_000).await.unwrap();
    assert!(download(&registry.content, &digest).await == bytes);
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[tokio::test]
async fn collection_removes_what_was_abandoned() {
    let (registry, bucket) = registry(Rules::small());
    let content = &registry.content;
    let kept = upload(content, &noise(6, 250_000), 250_000).await.unwrap();
    // An upload that is not continued, with a part and a tail.
    let repository = name("team/app");
    let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = id.await.unwrap();
    let body = pieces(vec![Ok(noise(7, 150_000)), Err("the line was cut")]);
    let broken = content.append(&repository, &id, None, body).await;
    assert!(matches!(broken, Err(UploadError::Body { .. })));
    assert_eq!((bucket.objects().len(), bucket.unfinished().len()), (2, 1));
    // What a killed server leaves: uploads, tails and objects that no row names.
    for number in 0..5 {
        let key = format!("ab{number}{}", "0".repeat(29));
        bucket.begin(&key);
        bucket.begin(&key);
        bucket.set(&format!("{key}.01234567"), b"tail");
    }
    content.collect().await.unwrap();
    assert_eq!((bucket.objects().len(), bucket.unfinished().len()), (2, 1));
    registry
        .clock
        .advance(std::time::Duration::from_secs(25 * 60 * 60));
    content.stat_blob(&repository, &kept).await.unwrap();
    let collected = content.collect().await.unwrap();
    assert_eq!((collected.uploads, collected.blobs), (1, 0));
    assert_eq!((bucket.objects().len(), bucket.unfinished().len()), (1, 0));
}

#[tokio::test]
async fn ranges_are_read_without_the_rest() {
    let (registry, bucket) = registry(Rules::real());
    let bytes = noise(8, 3 << 20);
    let digest = upload(&registry.content, &bytes, 3 << 20).await.unwrap();
    let open = registry.content.open_blob(&name("team/app"), &digest).await;
    let open = open.unwrap().unwrap();
    bucket.seen();
    assert!(open.read_at(2_000_000, 1000).await.unwrap() == bytes[2_000_000..2_001_000]);
    assert_eq!(open.read_at(3 << 20, 1000).await.unwrap().len(), 0);
    assert_eq!(open.read_at((3 << 20) - 10, 1000).await.unwrap().len(), 10);
    assert_eq!(bucket.seen(), ["GetObject"; 2]);
    // One after another, in windows that grow: 1 MiB and the rest.
    assert!(read(&open).await == bytes);
    assert_eq!(bucket.seen(), ["GetObject"; 2]);
}

#[tokio::test]
async fn more_writers_than_fit_into_memory_wait() {
    let bucket = Bucket::new(Rules::small());
    let mut options = bucket.options();
    options.memory = options.part * 2;
    let storage = super::open_bucket(options);
    let (registry, _) = registry(Rules::small());
    let content = Content::new(
        registry.content.database().clone(),
        storage,
        registry.clock.clone(),
        ContentOptions::default(),
    );
    let pushes = (0..8).map(|number| {
        let content = content.clone();
        tokio::spawn(async move { upload(&content, &noise(number, 250_000), 120_000).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap().unwrap();
    }
    assert_eq!(bucket.objects().len(), 8);
}

#[tokio::test]
async fn a_blob_that_would_have_too_many_parts_is_refused() {
    let bucket = Bucket::new(Rules::small());
    let mut options = bucket.options();
    options.part = 10;
    let storage = super::open_bucket(options);
    let (registry, _) = registry(Rules::small());
    let content = Content::new(
        registry.content.database().clone(),
        storage,
        registry.clock.clone(),
        ContentOptions::default(),
    );
    let refused = upload(&content, &noise(9, 100_001), 100_001).await;
    assert!(matches!(
        refused,
        Err(UploadError::TooLarge { limit: 100_000 })
    ));
}

#[tokio::test]
async fn a_bucket_that_cannot_be_read_is_named_at_the_start() {
    let bucket = Bucket::new(Rules::small());
    for change in ["secret", "bucket", "endpoint"] {
        let mut options = bucket.options();
        match change {
            "secret" => options.secret_key = "another".to_owned(),
            "bucket" => options.bucket = "another".to_owned(),
            _ => options.endpoint = "http://127.0.0.1:1".to_owned(),
        }
        let error = Storage::open_s3(options).await.unwrap_err();
        let said = chain(&error);
        let expected = match change {
            "secret" => "403 SignatureDoesNotMatch",
            "bucket" => "404 NoSuchBucket",
            _ => "127.0.0.1:1",
        };
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn clients_are_sent_to_the_store_if_that_is_wished() {
    use crate::conformance::client::{Request, Target};
    let server = crate::running::Running::on_bucket("redirect = true");
    let bytes = noise(10, 200_000);
    let digest = Digest::sha256(&bytes);
    let target = server.target();
    let post = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    let pushed = target.send(&Request::new("POST", post).body(bytes.clone()));
    assert_eq!(pushed.unwrap().status, 201);
    let get = Request::new("GET", format!("/v2/team/app/blobs/{digest}"));
    let answer = target.send(&get).unwrap();
    assert_eq!((answer.status, answer.body.len()), (307, 0));
    assert_eq!(
        answer.header("docker-content-digest").unwrap(),
        digest.to_string()
    );
    let location = answer.header("location").unwrap();
    let (_, rest) = location.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let store = Target::new(&format!("http://{host}"), None, None).unwrap();
    let fetch = Request::new("GET", format!("/{path}"));
    let fetched = store.send(&fetch).unwrap();
    assert_eq!(fetched.status, 200);
    assert!(fetched.body == bytes);
    let part = store.send(&fetch.header("Range", "bytes=100-199")).unwrap();
    assert_eq!(part.status, 206);
    assert!(part.body == bytes[100..200]);
    let forged = path.replace("X-Amz-Expires=900", "X-Amz-Expires=90000");
    assert_ne!(forged, path);
    let refused = store.send(&Request::new("GET", format!("/{forged}")));
    assert_eq!(refused.unwrap().status, 403);
    // HEAD and small blobs are answered here.
    let head = Request::new("HEAD", format!("/v2/team/app/blobs/{digest}"));
    assert_eq!(target.send(&head).unwrap().status, 200);
    let small = Digest::sha256(b"small");
    let post = format!("/v2/team/app/blobs/uploads/?digest={small}");
    target
        .send(&Request::new("POST", post).body(&b"small"[..]))
        .unwrap();
    let get = Request::new("GET", format!("/v2/team/app/blobs/{small}"));
    assert_eq!(target.send(&get).unwrap().status, 200);
}
