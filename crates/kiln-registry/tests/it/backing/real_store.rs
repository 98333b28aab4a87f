//! The same on a store that others wrote, where one is running: `KILN_TEST_STORE` says which, as
//! `ENDPOINT BUCKET ACCESS-KEY SECRET-KEY`, with an empty bucket.

use kiln_oci::{Algorithm, Digest};
use kiln_registry::content::{Content, ContentOptions, body_of};
use kiln_registry::scrub::ScrubOptions;
use kiln_registry::storage::S3Options;
use kiln_testkit::noise;

use super::{open_bucket, told};
use crate::content::fixture::{Registry, name, read};

const STORE: &str = "KILN_TEST_STORE";

#[tokio::test]
#[ignore = "needs an S3-compatible store: KILN_TEST_STORE='http://… bucket key secret'"]
async fn a_real_store_takes_blobs_of_any_size_and_gives_them_back() {
    let told = told(STORE).map(|told| told.into_os_string().into_string().unwrap());
    let words: Option<Vec<String>> =
        told.map(|told| told.split_whitespace().map(str::to_owned).collect());
    let Some([endpoint, bucket, access_key, secret_key]) = words.as_deref() else {
        let test = "backing::real_store::a_real_store_takes_blobs_of_any_size_and_gives_them_back";
        return crate::not_checked(test, "KILN_TEST_STORE names no store");
    };
    let storage = open_bucket(S3Options {
        endpoint: endpoint.clone(),
        bucket: bucket.clone(),
        access_key: access_key.clone(),
        secret_key: secret_key.clone(),
        prefix: "kiln/".to_owned(),
        part: 5 << 20,
        ..S3Options::default()
    });
    let registry = Registry::with(ContentOptions::default());
    let (database, clock) = (registry.content.database(), registry.clock.clone());
    let content = Content::new(database.clone(), storage, clock, ContentOptions::default());
    let repository = name("team/app");
    let mut digests = vec![];
    for (size, chunk) in [
        (20_000, 20_000),
        (5 << 20, 1 << 20),
        ((10 << 20) + 1, 10 << 20),
        (23_000_000, 7_000_000),
    ] {
        let bytes = noise(size as u64, size);
        let digest = Digest::sha256(&bytes);
        let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
        let id = id.await.unwrap();
        for chunk in bytes.chunks(chunk) {
            let body = body_of(chunk.to_vec());
            content.append(&repository, &id, None, body).await.unwrap();
        }
        let finished = content.finish(&repository, &id, None, body_of(vec![]), &digest);
        finished.await.unwrap();
        let open = content
            .open_blob(&repository, &digest)
            .await
            .unwrap()
            .unwrap();
        assert!(read(&open).await == bytes, "{size}");
        let part = open.read_at(size as u64 - 100, 50).await.unwrap();
        assert!(part == bytes[size - 100..size - 50]);
        digests.push(digest);
    }
    // One that is given up with parts and a tail.
    let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = id.await.unwrap();
    let body = body_of(noise(9, 6 << 20));
    content.append(&repository, &id, None, body).await.unwrap();
    content.cancel(&repository, &id).await.unwrap();
    let scrubbed = content.scrub(&ScrubOptions::default()).await.unwrap();
    assert_eq!((scrubbed.findings.len(), scrubbed.blobs), (0, 4));
    for digest in &digests {
        content.delete_blob(&repository, digest).await.unwrap();
    }
    assert_eq!(content.collect().await.unwrap().objects, 4);
    // Nothing is left, finished or not.
    assert_eq!(content.collect().await.unwrap().objects, 0);
}
