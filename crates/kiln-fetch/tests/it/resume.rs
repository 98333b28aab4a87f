//! Whole files over broken lines: what is pieced together, and what must not be.

use std::fs::File;
use std::io::{Read, Seek};

use kiln_fetch::{DownloadError, DownloadOptions, FetchError};

use crate::download::{SHA256, content, fetch, fetch_with, serve};
use crate::server::{Reply, Server};
use crate::{client, impatient_client};

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let server = Server::start(|request| {
        let reply = serve(request, &content(), "\"v1\"");
        match request.number {
            0 => reply.cut(70_000),
            1 => reply.cut(30_000),
            _ => reply,
        }
    });
    let (downloaded, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(
        (downloaded.bytes, downloaded.sha256.as_str()),
        (200_000, SHA256)
    );
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1].header("range"), Some("bytes=70000-"));
    assert_eq!(seen[1].header("if-range"), Some("\"v1\""));
    assert_eq!(seen[2].header("range"), Some("bytes=100000-"));
}

#[test]
fn a_stalled_transfer_goes_on_too() {
    let server = Server::start(|request| {
        let reply = serve(request, &content(), "\"v1\"");
        if request.number == 0 {
            reply.stall(70_000)
        } else {
            reply
        }
    });
    let (_, bytes) =
        fetch_with(&impatient_client(), &server, DownloadOptions::default()).expect("a file");
    assert!(bytes == content());
    assert_eq!(server.seen()[1].header("range"), Some("bytes=70000-"));
}

#[test]
fn a_file_that_changed_meanwhile_begins_anew() {
    let server = Server::start(|request| match request.number {
        0 => serve(request, &[1; 100_000], "\"old\"").cut(50_000),
        _ => serve(request, &content(), "\"new\""),
    });
    let (downloaded, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content(), "nothing of the old file is left");
    assert_eq!(downloaded.etag.as_deref(), Some("\"new\""));
}

#[test]
fn a_cache_that_ignores_if_range_is_found_out() {
    let server = Server::start(|request| match request.number {
        0 => serve(request, &[1; 200_000], "\"old\"").cut(50_000),
        1 => {
            let rest = &content()[50_000..];
            Reply::new(206)
                .header("ETag", "\"new\"")
                .header("Content-Range", "bytes 50000-199999/200000")
                .body(rest)
        }
        _ => serve(request, &content(), "\"new\""),
    });
    let (downloaded, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(downloaded.sha256, SHA256);
    assert_eq!(server.seen()[2].header("range"), None);
}

#[test]
fn a_wrong_part_is_found_out() {
    for range in [
        "bytes 0-199999/200000",
        "bytes 50000-100000/200000",
        "bytes 50000-18446744073709551615/*",
        "bytes 50000-199999/300000",
    ] {
        let server = Server::start(move |request| match request.number {
            0 => serve(request, &content(), "\"v1\"").cut(50_000),
            1 => Reply::new(206)
                .header("Content-Range", range)
                .body(&content()[50_000..]),
            _ => serve(request, &content(), "\"v1\""),
        });
        let (_, bytes) = fetch(&server).expect("a file");
        assert!(bytes == content(), "{range}");
        assert_eq!(server.seen().len(), 3, "{range}");
    }
}

#[test]
fn a_server_without_ranges_is_asked_for_everything() {
    let server = Server::start(|request| {
        let reply = Reply::ok(content()).header("ETag", "\"v1\"");
        if request.number == 0 {
            reply.cut(70_000)
        } else {
            reply
        }
    });
    let (_, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
}

#[test]
fn without_a_strong_validator_nothing_is_pieced_together() {
    type Dress = fn(Reply) -> Reply;
    let weak: [Dress; 4] = [
        |reply| reply,
        |reply| reply.header("ETag", "W/\"v1\""),
        |reply| {
            reply
                .header("ETag", "\"v1\"")
                .header("Accept-Ranges", "none")
        },
        // Written in the same second as it was sent: it may have been written again since.
        |reply| {
            let now = "Sun, 06 Nov 1994 08:49:37 GMT";
            reply.header("Last-Modified", now).header("Date", now)
        },
    ];
    for dress in weak {
        let server = Server::start(move |request| {
            let reply = dress(Reply::ok(content()));
            if request.number == 0 {
                reply.cut(70_000)
            } else {
                reply
            }
        });
        let (_, bytes) = fetch(&server).expect("a file");
        assert!(bytes == content());
        assert_eq!(server.seen()[1].header("range"), None);
    }
}

#[test]
fn an_old_date_is_a_strong_validator() {
    let server = Server::start(|request| {
        let reply = serve(request, &content(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let reply = reply
            .header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
            .header("Date", "Mon, 07 Nov 1994 08:49:37 GMT");
        if request.number == 0 {
            reply.cut(70_000)
        } else {
            reply
        }
    });
    // `serve` sends its tag as an ETag, which is none here: no quotes, so it is not strong.
    let (_, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(
        server.seen()[1].header("range"),
        None,
        "an ETag, even a bad one, comes first"
    );

    let server = Server::start(|request| {
        let whole = content();
        let dress = |reply: Reply| {
            reply
                .header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
                .header("Date", "Mon, 07 Nov 1994 08:49:37 GMT")
        };
        match request.range_start() {
            Some(start) => dress(Reply::new(206))
                .header("Content-Range", format!("bytes {start}-199999/200000"))
                .body(&whole[start..]),
            None => dress(Reply::ok(whole)).cut(70_000),
        }
    });
    let (_, bytes) = fetch(&server).expect("a file");
    assert!(bytes == content());
    assert_eq!(
        server.seen()[1].header("if-range"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
}

#[test]
fn a_line_that_always_breaks_is_given_up() {
    let server = Server::start(|_| Reply::ok(content()).cut(10));
    let error = fetch(&server).expect_err("never whole");
    assert!(
        matches!(error, DownloadError::Fetch(FetchError::Interrupted { .. })),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn a_file_on_disk_is_emptied_when_the_transfer_begins_anew() {
    let server = Server::start(|request| match request.number {
        0 => Reply::ok(vec![1; 300_000]).cut(250_000),
        _ => Reply::ok(content()),
    });
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("restarted-{}", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .expect("a file");
    client()
        .download(&server.url("/"), &mut file, DownloadOptions::default())
        .expect("a file");
    let mut bytes = Vec::new();
    file.rewind().expect("a file can be rewound");
    file.read_to_end(&mut bytes).expect("a readable file");
    std::fs::remove_file(&path).expect("the test's own file");
    assert!(bytes == content());
}
