//! Several servers on one database and one bucket: what is begun at one goes on at another, what one
//! changes the other sees, and work for all is done by one.
//!
//! They need PostgreSQL; [`backing::suites`](crate::backing) runs them where it is installed.

use std::time::Duration;

use kiln_oci::{Algorithm, Digest};
use kiln_registry::content::{Content, ContentOptions, UploadError, UploadId, body_of};
use kiln_registry::database::DatabaseError;
use kiln_registry::scrub::ScrubOptions;
use kiln_testkit::noise;

use crate::content::fixture::{Registry, image, name, read, tag};
use crate::content::uploads::slow_body;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn two() -> (Registry, Registry) {
    let one = Registry::with(ContentOptions::default());
    let other = one.beside();
    (one, other)
}

async fn begin(content: &Content) -> UploadId {
    let repository = name("team/app");
    let id = content.begin_upload(&repository, "test", Algorithm::Sha256);
    id.await.unwrap()
}

async fn append(content: &Content, id: &UploadId, bytes: &[u8]) -> Result<u64, UploadError> {
    let body = body_of(bytes.to_vec());
    content.append(&name("team/app"), id, None, body).await
}

async fn finish(content: &Content, id: &UploadId, digest: &Digest) -> Result<(), UploadError> {
    let nothing = body_of(vec![]);
    let repository = name("team/app");
    let finished = content.finish(&repository, id, None, nothing, digest);
    finished.await.map(drop)
}

async fn download(content: &Content, digest: &Digest) -> Option<Vec<u8>> {
    let open = content.open_blob(&name("team/app"), digest).await.unwrap();
    match open {
        Some(open) => Some(read(&open).await),
        None => None,
    }
}

async fn assert_sound(registry: &Registry) {
    let scrubbed = registry.content.scrub(&ScrubOptions::default()).await;
    assert_eq!(scrubbed.unwrap().findings, []);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn an_upload_that_is_begun_at_one_goes_on_at_another() {
    let (one, other) = two();
    for (number, chunk) in [(1, 70_001), (2, 130_000), (3, 9_000), (4, 1_000_000)] {
        let bytes = noise(number, 420_000);
        let digest = Digest::sha256(&bytes);
        let id = begin(&one.content).await;
        let mut offset = 0;
        for (index, chunk) in bytes.chunks(chunk).enumerate() {
            let content = if index % 2 == 0 {
                &other.content
            } else {
                &one.content
            };
            offset += chunk.len() as u64;
            assert_eq!(append(content, &id, chunk).await.unwrap(), offset);
        }
        finish(&other.content, &id, &digest).await.unwrap();
        assert!(download(&one.content, &digest).await.unwrap() == bytes);
    }
    assert_eq!(one.objects().len(), 4);
    assert_sound(&other).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn one_server_at_a_time_sends_to_an_upload() {
    let (one, other) = two();
    let id = begin(&one.content).await;
    let (sender, body) = slow_body();
    let sending = tokio::spawn({
        let (content, id) = (one.content.clone(), id.clone());
        async move { content.append(&name("team/app"), &id, None, body).await }
    });
    sender.send(b"first ".to_vec()).await.unwrap();
    sender.send(b"second".to_vec()).await.unwrap();
    let refused = append(&other.content, &id, b"wrong").await;
    assert!(
        matches!(refused, Err(UploadError::Busy { .. })),
        "{refused:?}"
    );
    let refused = other.content.cancel(&name("team/app"), &id).await;
    assert!(matches!(refused, Err(UploadError::Busy { .. })));
    drop(sender);
    assert_eq!(sending.await.unwrap().unwrap(), 12);
    let digest = Digest::sha256(b"first second");
    finish(&other.content, &id, &digest).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn the_upload_of_a_server_that_hung_is_taken_over_and_stays_whole() {
    let (one, other) = two();
    let id = begin(&one.content).await;
    append(&one.content, &id, &noise(1, 50_000)).await.unwrap();
    let (sender, body) = slow_body();
    let hanging = tokio::spawn({
        let (content, id) = (one.content.clone(), id.clone());
        async move { content.append(&name("team/app"), &id, None, body).await }
    });
    sender.send(noise(2, 300_000)).await.unwrap();
    sender.send(noise(3, 300_000)).await.unwrap();
    // Its claim is over, and it does not know.
    one.clock.advance(Duration::from_secs(61));
    let bytes = [noise(1, 50_000), noise(4, 200_000)].concat();
    let digest = Digest::sha256(&bytes);
    append(&other.content, &id, &noise(4, 200_000))
        .await
        .unwrap();
    finish(&other.content, &id, &digest).await.unwrap();
    drop(sender);
    let late = hanging.await.unwrap();
    assert!(matches!(late, Err(UploadError::Unknown { .. })), "{late:?}");
    assert!(download(&one.content, &digest).await.unwrap() == bytes);
    assert_sound(&other).await;
    // What the late one left goes with the blob.
    one.clock.advance(HOUR * 2);
    one.content.collect().await.unwrap();
    let bucket = one.backing.bucket.as_ref().unwrap();
    assert_eq!((bucket.objects().len(), bucket.unfinished().len()), (0, 0));
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn the_claim_of_a_server_that_was_killed_ends() {
    let (one, other) = two();
    let id = begin(&one.content).await;
    let until = one.clock.now() + 60_000;
    let (wanted, database) = (id.to_string(), one.content.database());
    let claimed = database.write(move |transaction| {
        let sql = "UPDATE upload SET claim = 'of the dead', claimed = $2 WHERE id = $1";
        transaction.execute(sql, &[wanted.into(), until.into()])
    });
    claimed.await.map_err(|error: DatabaseError| error).unwrap();
    for content in [&one.content, &other.content] {
        let refused = append(content, &id, b"x").await;
        assert!(matches!(refused, Err(UploadError::Busy { .. })));
    }
    one.clock.advance(Duration::from_secs(61));
    assert_eq!(append(&other.content, &id, b"x").await.unwrap(), 1);
    assert_eq!(append(&one.content, &id, b"x").await.unwrap(), 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn a_collection_spares_what_another_server_is_sending() {
    let (one, other) = two();
    let id = begin(&one.content).await;
    one.clock.advance(HOUR * 25);
    let (sender, body) = slow_body();
    let sending = tokio::spawn({
        let (content, id) = (one.content.clone(), id.clone());
        async move { content.append(&name("team/app"), &id, None, body).await }
    });
    sender.send(b"a".to_vec()).await.unwrap();
    sender.send(b"b".to_vec()).await.unwrap();
    assert_eq!(other.content.preview_collection().await.unwrap().uploads, 0);
    assert_eq!(other.content.collect().await.unwrap().uploads, 0);
    drop(sender);
    assert_eq!(sending.await.unwrap().unwrap(), 2);
    one.clock.advance(HOUR * 25);
    assert_eq!(other.content.collect().await.unwrap().uploads, 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn one_server_collects_for_all() {
    let (one, other) = two();
    let both = || {
        let one = one.content.collect_in_turn(HOUR);
        let other = other.content.collect_in_turn(HOUR);
        async { tokio::join!(one, other) }
    };
    let turns = |(one, other): (Result<Option<_>, _>, Result<Option<_>, _>)| {
        let (one, other): (Option<_>, Option<_>) = (one.unwrap(), other.unwrap());
        usize::from(one.is_some()) + usize::from(other.is_some())
    };
    assert_eq!(turns(both().await), 1);
    assert_eq!(turns(both().await), 0);
    one.clock.advance(HOUR);
    assert_eq!(turns(both().await), 1);
    // A server that was killed while it collected loses its turn in time.
    one.clock.advance(HOUR);
    let due = one.clock.now() + 120_000;
    let held = one.content.database().write(move |transaction| {
        let sql = "UPDATE duty SET holder = 'the dead', due = $1 WHERE name = 'collection'";
        transaction.execute(sql, &[due.into()])
    });
    held.await.map_err(|error: DatabaseError| error).unwrap();
    assert_eq!(turns(both().await), 0);
    one.clock.advance(Duration::from_secs(121));
    assert_eq!(turns(both().await), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn what_one_server_changes_the_other_sees_at_once() {
    let (one, other) = two();
    let repository = name("team/app");
    let first = one.image(&repository, &["v1"], &noise(1, 30_000)).await;
    // So that it would be in memory, if anything were.
    let seen = other.find(&repository, "v1").await.unwrap();
    assert_eq!(seen.digest, first.digest);
    // Its blobs count here, too: leases are in the database.
    let mut manifest = image(&noise(1, 30_000));
    manifest.annotations.insert("a".to_owned(), "b".to_owned());
    let second = other.push(&repository, &["v1"], &manifest).await.unwrap();
    let seen = one.find(&repository, "v1").await.unwrap();
    assert_eq!(seen.digest, second.digest);
    let v1 = tag("v1");
    let deleted = other.content.delete_tag(&repository, &v1, "test");
    deleted.await.unwrap();
    assert!(one.find(&repository, "v1").await.is_none());
    // A question at one renews the lease that a collection at the other looks at.
    let blob = one.blob(&repository, &noise(2, 30_000)).await;
    one.clock.advance(HOUR * 3 / 4);
    let stat = other.content.stat_blob(&repository, &blob).await.unwrap();
    assert!(stat.is_some());
    one.clock.advance(HOUR / 2);
    one.content.collect().await.unwrap();
    assert!(download(&other.content, &blob).await.is_some());
    one.clock.advance(HOUR);
    other.content.collect().await.unwrap();
    assert!(download(&one.content, &blob).await.is_none());
}

#[tokio::test]
#[ignore = "needs PostgreSQL; backing::suites runs it"]
async fn connections_that_break_are_made_anew() {
    let (one, _) = two();
    let database = one.content.database();
    let insert = async |name: &'static str| {
        let work = database.write(move |transaction| {
            let sql = "INSERT INTO garbage (object, due) VALUES ($1, 0)";
            transaction.execute(sql, &[name.into()])
        });
        work.await.map_err(|error: DatabaseError| error)
    };
    let count = async || {
        let work = database.read(|transaction| {
            let row = transaction.first("SELECT COUNT(*) FROM garbage", &[])?;
            row.unwrap().get::<i64>(0)
        });
        work.await.map_err(|error: DatabaseError| error)
    };
    insert("before").await.unwrap();
    assert_eq!(count().await.unwrap(), 1);
    let again = insert("before").await;
    assert!(matches!(again, Err(DatabaseError::Duplicate { .. })));
    let ending = database.write(|transaction| {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database()";
        transaction.query(sql, &[])
    });
    let ended: Result<_, DatabaseError> = ending.await;
    assert!(ended.is_err());
    // A connection may be found broken only by being used.
    while insert("after").await.is_err() {
        tokio::task::yield_now().await;
    }
    while count().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(count().await.unwrap(), 2);
}
