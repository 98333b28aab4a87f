//! Whole files: what is known about them, what is checked.

use std::io::{self, Write};
use std::ops::ControlFlow;

use kiln_fetch::{
    Client, DownloadError, DownloadOptions, Downloaded, Expected, Progress, Request, Sink,
};

use crate::client;
use crate::server::{Received, Reply, Server};

/// SHA-256 of `content()`, made with another tool.
pub(crate) const SHA256: &str = "c2dfcb6da75d530793d646581a91db05e80c1151d8d89b6f7f7a86d8d3c4166a";

/// 200,000 bytes with no period that a mistake in an offset could hide behind.
pub(crate) fn content() -> Vec<u8> {
    (0_u32..50_000)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

/// A good server's answer to `request`, ranges included.
pub(crate) fn serve(request: &Received, content: &[u8], tag: &str) -> Reply {
    let reply = |status| {
        Reply::new(status)
            .header("ETag", tag)
            .header("Accept-Ranges", "bytes")
    };
    match request.range_start() {
        Some(start)
            if request
                .header("if-range")
                .is_none_or(|wanted| wanted == tag) =>
        {
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            reply(206)
                .header("Content-Range", range)
                .body(&content[start..])
        }
        _ => reply(200).body(content),
    }
}

pub(crate) fn fetch(server: &Server) -> Result<(Downloaded, Vec<u8>), DownloadError> {
    fetch_with(&client(), server, DownloadOptions::default())
}

pub(crate) fn fetch_with(
    client: &Client,
    server: &Server,
    options: DownloadOptions<'_>,
) -> Result<(Downloaded, Vec<u8>), DownloadError> {
    let mut bytes = Vec::new();
    let downloaded = client.download(&server.url("/dir/file.bin?x=1"), &mut bytes, options)?;
    Ok((downloaded, bytes))
}

#[test]
fn a_file_arrives_with_all_that_is_known_about_it() {
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server = Server::start(move |request| match request.target.as_str() {
        "/real" => serve(request, &content(), "\"v1\"").header("Last-Modified", modified),
        _ => Reply::redirect(302, "/real"),
    });
    let (downloaded, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(
        downloaded,
        Downloaded {
            bytes: 200_000,
            sha256: SHA256.to_owned(),
            etag: Some("\"v1\"".to_owned()),
            last_modified: Some(modified.to_owned()),
            filename_from_url: Some("file.bin".to_owned()),
            final_url: server.url("/real"),
        }
    );
}

#[test]
fn more_than_announced_is_not_taken() {
    let server = Server::start(|_| Reply::ok("0123456789").length(4));
    let (downloaded, bytes) = fetch(&server).expect("what was announced");
    assert_eq!((downloaded.bytes, bytes.as_slice()), (4, &b"0123"[..]));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let server = Server::start(|_| Reply::ok(content()).unframed());
    let (downloaded, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(downloaded.sha256, SHA256);
}

#[test]
fn the_checksum_decides() {
    let server = Server::start(|request| serve(request, &content(), "\"v1\""));
    let expect = |text: &str| DownloadOptions {
        expected: Some(Expected::parse(text).expect("a digest")),
        ..DownloadOptions::default()
    };
    fetch_with(&client(), &server, expect(&format!("sha256:{SHA256}"))).expect("the right one");
    let zeros = "0".repeat(64);
    let error = fetch_with(&client(), &server, expect(&format!("sha256:{zeros}")));
    let error = error.expect_err("the wrong one");
    let DownloadError::DigestMismatch {
        expected, actual, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(expected, &format!("sha256:{zeros}"));
    assert_eq!(actual, &format!("sha256:{SHA256}"));
    assert_eq!(server.seen().len(), 2, "the same bytes would come again");
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let error = fetch_with(&client(), &server, expect(&sha512)).expect_err("the wrong one");
    assert!(error.to_string().contains("sha512:"), "{error}");
}

#[test]
fn too_much_is_refused_before_and_during() {
    let limit = || DownloadOptions {
        max_bytes: Some(100_000),
        ..DownloadOptions::default()
    };
    let announced = Server::start(|_| Reply::ok(content()));
    let error = fetch_with(&client(), &announced, limit()).expect_err("announced too much");
    assert!(
        matches!(error, DownloadError::TooLarge { limit: 100_000, .. }),
        "{error}"
    );
    let silent = Server::start(|_| Reply::ok(content()).unframed());
    let error = fetch_with(&client(), &silent, limit()).expect_err("sent too much");
    assert!(matches!(error, DownloadError::TooLarge { .. }), "{error}");
    let exact = DownloadOptions {
        max_bytes: Some(200_000),
        ..DownloadOptions::default()
    };
    fetch_with(&client(), &announced, exact).expect("just enough");
}

#[test]
fn a_bad_status_is_an_error_here() {
    for status in [204, 206, 304, 401, 404, 500, 302] {
        let server = Server::start(move |_| Reply::new(status));
        let result = fetch(&server);
        if status == 204 {
            assert_eq!(result.expect("an empty file").0.bytes, 0);
            continue;
        }
        let error = result.expect_err("no file");
        assert_eq!(error.status(), Some(status), "{error:?}");
    }
}

#[test]
fn trouble_before_the_first_byte_is_waited_out() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(503).header("Retry-After", "0"),
        1 => Reply::raw(""),
        _ => serve(request, &content(), "\"v1\""),
    });
    let (_, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
}

#[test]
fn what_did_not_change_is_not_fetched() {
    let server = Server::start(|request| {
        if request.header("if-none-match") == Some("\"v1\"") {
            Reply::new(304)
        } else {
            serve(request, &content(), "\"v2\"")
        }
    });
    let client = client();
    let mut bytes = Vec::new();
    let mut ask = |tag: &str| {
        let request = Request {
            if_none_match: Some(tag.to_owned()),
            ..Request::new(server.url("/"))
        };
        let options = DownloadOptions::default();
        client
            .download_if_changed(&request, &mut bytes, options)
            .expect("an answer")
    };
    assert_eq!(ask("\"v1\""), None);
    assert_eq!(
        ask("\"v0\"").expect("a new file").etag.as_deref(),
        Some("\"v2\"")
    );
    assert!(bytes == content());
}

#[test]
fn progress_is_told_and_may_stop() {
    let server = Server::start(|request| serve(request, &content(), "\"v1\""));
    let mut told = Vec::new();
    let mut watch = |progress: Progress| {
        told.push(progress);
        ControlFlow::Continue(())
    };
    let options = DownloadOptions {
        progress: Some(&mut watch),
        ..DownloadOptions::default()
    };
    fetch_with(&client(), &server, options).expect("a file");
    assert_eq!(
        told.last(),
        Some(&Progress {
            bytes: 200_000,
            total: Some(200_000)
        })
    );
    assert!(told.is_sorted_by_key(|progress| progress.bytes));

    let mut stop = |_: Progress| ControlFlow::Break(());
    let options = DownloadOptions {
        progress: Some(&mut stop),
        ..DownloadOptions::default()
    };
    let error = fetch_with(&client(), &server, options).expect_err("stopped");
    assert!(matches!(error, DownloadError::Cancelled { .. }), "{error}");
}

#[test]
fn a_full_disk_is_named() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Sink for Full {
        fn restart(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let server = Server::start(|request| serve(request, &content(), "\"v1\""));
    let error = client()
        .download(&server.url("/"), &mut Full, DownloadOptions::default())
        .expect_err("no room");
    assert!(matches!(error, DownloadError::Write { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
}
