//! Uploads: in chunks, out of order, broken, continued after a restart, given up.

use kiln_oci::{Algorithm, Digest};
use kiln_registry::content::{ContentOptions, UploadError, body_of};
use kiln_testkit::noise;

use super::fixture::{Registry, name, pieces, read, sha512};

#[tokio::test]
pub(crate) async fn chunks_of_any_size_make_the_blob() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let bytes = noise(1, 700_001);
    for (algorithm, chunk) in [
        (Algorithm::Sha256, 1_000),
        (Algorithm::Sha256, 16_384),
        (Algorithm::Sha512, 100_000),
        (Algorithm::Sha256, 700_001),
    ] {
        let begun = content.begin_upload(&repository, "test", algorithm).await;
        let id = begun.unwrap();
        let mut offset = 0;
        for chunk in bytes.chunks(chunk) {
            let body = body_of(chunk.to_vec());
            let appended = content.append(&repository, &id, Some(offset), body).await;
            offset += chunk.len() as u64;
            assert_eq!(appended.unwrap(), offset);
            let status = content.upload_status(&repository, &id).await.unwrap();
            assert_eq!(status.offset, offset);
        }
        // Each algorithm with each digest: one of them was not kept while the chunks came.
        let digest = match chunk {
            100_000 | 16_384 => Digest::sha256(&bytes),
            _ => sha512(&bytes),
        };
        let nothing = body_of(vec![]);
        let stat = content.finish(&repository, &id, Some(offset), nothing, &digest);
        assert_eq!(stat.await.unwrap().size, 700_001);
        let open = content.open_blob(&repository, &digest).await.unwrap();
        assert!(read(&open.unwrap()).await == bytes);
        let status = content.upload_status(&repository, &id).await;
        assert!(matches!(status, Err(UploadError::Unknown { .. })));
    }
    assert_eq!(registry.objects().len(), 2);
}

#[tokio::test]
pub(crate) async fn chunks_out_of_order_are_refused_and_change_nothing() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    content
        .append(&repository, &id, Some(0), body_of(&b"hello "[..]))
        .await
        .unwrap();
    for offset in [0, 5, 7, u64::MAX] {
        let body = body_of(&b"wrong"[..]);
        let refused = content.append(&repository, &id, Some(offset), body).await;
        assert!(matches!(
            refused,
            Err(UploadError::OutOfOrder { offset: 6 })
        ));
        let body = body_of(&b"wrong"[..]);
        let digest = Digest::sha256(b"wrong");
        let refused = content.finish(&repository, &id, Some(offset), body, &digest);
        assert!(matches!(
            refused.await,
            Err(UploadError::OutOfOrder { offset: 6 })
        ));
    }
    let digest = Digest::sha256(b"hello world");
    let body = body_of(&b"world"[..]);
    let stat = content.finish(&repository, &id, None, body, &digest).await;
    assert_eq!(stat.unwrap().size, 11);
}

#[tokio::test]
pub(crate) async fn a_broken_body_keeps_what_came() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    for size in [1_000, 1_000_000] {
        let bytes = noise(2, size);
        let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
        let id = begun.await.unwrap();
        let half = bytes[..size / 2].to_vec();
        let body = pieces(vec![Ok(half), Err("the line was cut")]);
        let broken = content.append(&repository, &id, None, body).await;
        assert!(
            matches!(broken, Err(UploadError::Body { .. })),
            "{broken:?}"
        );
        let offset = content
            .upload_status(&repository, &id)
            .await
            .unwrap()
            .offset;
        assert_eq!(offset, size as u64 / 2);
        let digest = Digest::sha256(&bytes);
        let quarter = bytes[size / 2..size * 3 / 4].to_vec();
        let body = pieces(vec![Ok(quarter), Err("and again")]);
        let broken = content.finish(&repository, &id, Some(offset), body, &digest);
        assert!(matches!(broken.await, Err(UploadError::Body { .. })));
        let offset = content
            .upload_status(&repository, &id)
            .await
            .unwrap()
            .offset;
        assert_eq!(offset, size as u64 * 3 / 4);
        let rest = body_of(bytes[size * 3 / 4..].to_vec());
        let stat = content.finish(&repository, &id, Some(offset), rest, &digest);
        assert_eq!(stat.await.unwrap().size, size as u64);
        let open = content.open_blob(&repository, &digest).await.unwrap();
        assert!(read(&open.unwrap()).await == bytes);
    }
}

#[tokio::test]
pub(crate) async fn an_upload_goes_on_after_a_restart() {
    let mut registry = Registry::new();
    let repository = name("team/app");
    let bytes = noise(3, 500_000);
    let begun = registry
        .content
        .begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    let mut offset = 0;
    for chunk in bytes.chunks(130_000) {
        let body = body_of(chunk.to_vec());
        let appended = registry
            .content
            .append(&repository, &id, Some(offset), body);
        offset = appended.await.unwrap();
        registry = registry.reopen();
    }
    // What a killed server wrote and did not write down is behind the offset.
    // (Where tails of uploads are objects, the row names the one that counts.)
    if registry.backing.bucket.is_none() {
        let name = registry.objects().remove(0);
        let mut longer = registry.take_object(&name);
        longer.extend_from_slice(b"not written down");
        registry.set_object(&name, &longer);
    }
    let digest = Digest::sha256(&[&bytes[..], b"!"].concat());
    let last = body_of(&b"!"[..]);
    let stat = registry
        .content
        .finish(&repository, &id, Some(offset), last, &digest);
    assert_eq!(stat.await.unwrap().size, 500_001);
    let open = registry.content.open_blob(&repository, &digest).await;
    let found = read(&open.unwrap().unwrap()).await;
    assert!(found == [&bytes[..], b"!"].concat());
}

#[tokio::test]
pub(crate) async fn wrong_content_and_too_much_of_it_leave_nothing() {
    let registry = Registry::with(ContentOptions {
        max_blob: 400_000,
        ..ContentOptions::default()
    });
    let repository = name("team/app");
    let content = &registry.content;
    let wrong = Digest::sha256(b"something else");
    for size in [100, 300_000] {
        let bytes = noise(4, size);
        for wrong in [wrong, sha512(b"something else")] {
            let body = body_of(bytes.clone());
            let refused = content.put_blob(&repository, "test", body, &wrong).await;
            assert!(
                matches!(&refused, Err(UploadError::DigestMismatch { expected, .. }) if *expected == wrong),
                "{refused:?}"
            );
            let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
            let id = begun.await.unwrap();
            let body = body_of(bytes.clone());
            let refused = content.finish(&repository, &id, None, body, &wrong).await;
            assert!(matches!(refused, Err(UploadError::DigestMismatch { .. })));
            let status = content.upload_status(&repository, &id).await;
            assert!(matches!(status, Err(UploadError::Unknown { .. })));
        }
    }
    let bytes = noise(4, 400_001);
    let digest = Digest::sha256(&bytes);
    let body = body_of(bytes.clone());
    let refused = content.put_blob(&repository, "test", body, &digest).await;
    assert!(matches!(
        refused,
        Err(UploadError::TooLarge { limit: 400_000 })
    ));
    let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    let body = body_of(bytes[..200_000].to_vec());
    content.append(&repository, &id, None, body).await.unwrap();
    let body = body_of(bytes[200_000..].to_vec());
    let refused = content.append(&repository, &id, None, body).await;
    assert!(matches!(refused, Err(UploadError::TooLarge { .. })));
    assert_eq!(content.stat_blob(&repository, &digest).await.unwrap(), None);
    assert_eq!(registry.objects().len(), 0);
}

#[tokio::test]
pub(crate) async fn a_cancelled_upload_and_one_of_another_repository_are_unknown() {
    let registry = Registry::new();
    let (repository, other) = (name("team/app"), name("team/other"));
    let content = &registry.content;
    let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    let body = body_of(noise(5, 100_000));
    content.append(&repository, &id, None, body).await.unwrap();
    for result in [
        content.upload_status(&other, &id).await.map(drop),
        content
            .append(&other, &id, None, body_of(vec![]))
            .await
            .map(drop),
        content.cancel(&other, &id).await,
    ] {
        assert!(matches!(result, Err(UploadError::Unknown { .. })));
    }
    content.cancel(&repository, &id).await.unwrap();
    assert_eq!(registry.objects().len(), 0);
    let again = content.cancel(&repository, &id).await;
    assert!(matches!(again, Err(UploadError::Unknown { .. })));
}

#[tokio::test]
pub(crate) async fn one_request_at_a_time_sends_to_an_upload() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    let (sender, body) = slow_body();
    let first = tokio::spawn({
        let (content, repository, id) = (content.clone(), repository.clone(), id.clone());
        async move { content.append(&repository, &id, None, body).await }
    });
    sender.send(b"first ".to_vec()).await.unwrap();
    // The second piece is only taken when the first was.
    sender.send(b"second".to_vec()).await.unwrap();
    let refused = content
        .append(&repository, &id, None, body_of(vec![]))
        .await;
    assert!(matches!(refused, Err(UploadError::Busy { .. })));
    let refused = content.cancel(&repository, &id).await;
    assert!(matches!(refused, Err(UploadError::Busy { .. })));
    drop(sender);
    assert_eq!(first.await.unwrap().unwrap(), 12);
    let digest = Digest::sha256(b"first second");
    let stat = content.finish(&repository, &id, Some(12), body_of(vec![]), &digest);
    assert_eq!(stat.await.unwrap().size, 12);
}

#[tokio::test]
pub(crate) async fn a_caller_that_goes_away_does_not_stop_the_writing() {
    let registry = Registry::new();
    let repository = name("team/app");
    let content = &registry.content;
    let begun = content.begin_upload(&repository, "test", Algorithm::Sha256);
    let id = begun.await.unwrap();
    let (sender, body) = slow_body();
    let mut appending = Box::pin(content.append(&repository, &id, None, body));
    // Polled once, then dropped, as hyper does when a connection breaks.
    let polled = std::future::poll_fn(|context| {
        std::task::Poll::Ready(appending.as_mut().poll(context).is_pending())
    });
    assert!(polled.await);
    drop(appending);
    sender.send(noise(6, 300_000)).await.unwrap();
    drop(sender);
    // Once the upload is free again, all of it is written down.
    loop {
        match content
            .append(&repository, &id, Some(300_000), body_of(vec![]))
            .await
        {
            Ok(offset) => break assert_eq!(offset, 300_000),
            Err(UploadError::Busy { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A body that brings what is sent.
pub(crate) fn slow_body() -> (
    tokio::sync::mpsc::Sender<Vec<u8>>,
    kiln_registry::content::Body,
) {
    use http_body_util::BodyExt as _;
    use hyper::body::Frame;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    struct Slow(tokio::sync::mpsc::Receiver<Vec<u8>>);

    impl hyper::body::Body for Slow {
        type Data = bytes::Bytes;
        type Error = kiln_registry::content::BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
            let next = self.0.poll_recv(context);
            next.map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
        }
    }

    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    (sender, Slow(receiver).boxed_unsync())
}
