//! Single requests: what is sent, what comes back.

use std::io::{Cursor, Read};

use kiln_fetch::{ByteRange, FetchError, Method, Request, RequestBody};

use crate::client;
use crate::server::{Reply, Server};

fn text(mut body: impl Read) -> String {
    let mut text = String::new();
    body.read_to_string(&mut text).expect("a whole body");
    text
}

#[test]
fn get_brings_status_headers_and_body() {
    let server = Server::start(|_| Reply::ok("hello").header("X-One", "1"));
    let response = client()
        .get(&Request::new(server.url("/a?b")))
        .expect("an answer");
    assert_eq!((response.status, response.is_success()), (200, true));
    assert_eq!(response.headers.get("x-one"), Some("1"));
    assert_eq!(response.url, server.url("/a?b"));
    assert_eq!(text(response.body), "hello");
    let request = &server.seen()[0];
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("GET", "/a?b")
    );
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert!(
        request
            .header("user-agent")
            .is_some_and(|agent| agent.starts_with("kiln/"))
    );
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_bad_status_is_an_answer_too() {
    let server = Server::start(|_| Reply::new(404).body("nothing here"));
    let response = client()
        .get(&Request::new(server.url("/")))
        .expect("an answer");
    assert_eq!(response.status, 404);
    assert_eq!(text(response.body), "nothing here");
}

#[test]
fn conditions_and_ranges_are_sent() {
    let server = Server::start(|_| Reply::new(304));
    let request = Request {
        if_none_match: Some("\"v1\"".to_owned()),
        if_modified_since: Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        range: Some(ByteRange {
            first: 2,
            last: Some(5),
        }),
        ..Request::new(server.url("/"))
    };
    assert_eq!(client().get(&request).expect("an answer").status, 304);
    let seen = &server.seen()[0];
    assert_eq!(seen.header("if-none-match"), Some("\"v1\""));
    assert_eq!(
        seen.header("if-modified-since"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    assert_eq!(seen.header("range"), Some("bytes=2-5"));
}

#[test]
fn credentials_in_the_url_become_a_header() {
    let server = Server::start(|_| Reply::ok(""));
    let url = server.url("/").replace("://", "://me:p%40ss@");
    let response = client().get(&Request::new(&url)).expect("an answer");
    assert!(!response.url.contains("ss@"), "{}", response.url);
    // "me:p@ss"
    assert_eq!(
        server.seen()[0].header("authorization"),
        Some("Basic bWU6cEBzcw==")
    );

    let own = Request::new(&url).header("Authorization", "Bearer t");
    client().get(&own).expect("an answer");
    assert_eq!(server.seen()[1].header("authorization"), Some("Bearer t"));
}

#[test]
fn head_has_no_body() {
    let server = Server::start(|_| Reply::ok("0123456789"));
    let response = client()
        .head(&Request::new(server.url("/")))
        .expect("an answer");
    assert_eq!(response.headers.content_length(), Some(10));
    assert_eq!(text(response.body), "");
    assert_eq!(server.seen()[0].method, "HEAD");
}

#[test]
fn content_is_sent_with_every_method() {
    let server = Server::start(|_| Reply::new(201));
    let client = client();
    let request = Request::new(server.url("/x"));
    client
        .put(&request, RequestBody::Bytes(b"put"))
        .expect("an answer");
    client
        .post(&request, RequestBody::Empty)
        .expect("an answer");
    client.delete(&request).expect("an answer");
    let big = vec![7_u8; 300_000];
    let mut reader = Cursor::new(&big).chain(Cursor::new(b"more than announced"));
    let body = RequestBody::Stream {
        reader: &mut reader,
        length: big.len() as u64,
    };
    client.patch(&request, body).expect("an answer");
    let seen = server.seen();
    assert_eq!(seen[0].body, b"put");
    assert_eq!(
        (seen[1].method.as_str(), seen[1].header("content-length")),
        ("POST", Some("0"))
    );
    assert_eq!(seen[2].method, "DELETE");
    assert_eq!(seen[3].header("content-length"), Some("300000"));
    assert_eq!(seen[3].header("transfer-encoding"), None);
    assert!(seen[3].body == big);
}

#[test]
fn a_body_that_ends_early_is_the_callers_error() {
    let server = Server::start(|_| Reply::new(201));
    let mut reader = Cursor::new(b"short");
    let body = RequestBody::Stream {
        reader: &mut reader,
        length: 10,
    };
    let error = client()
        .put(&Request::new(server.url("/")), body)
        .expect_err("too short");
    let FetchError::RequestBody { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("5 bytes before"), "{source}");
}

#[test]
fn connections_are_used_again() {
    let server = Server::start(|_| Reply::ok("x"));
    let client = client();
    for _ in 0..3 {
        text(
            client
                .get(&Request::new(server.url("/")))
                .expect("an answer")
                .body,
        );
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[test]
fn threads_share_a_client() {
    let server = Server::start(|request| Reply::ok(request.target.clone()));
    let client = client();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (client, server) = (&client, &server);
            scope.spawn(move || {
                let path = format!("/{number}");
                let response = client
                    .get(&Request::new(server.url(&path)))
                    .expect("an answer");
                assert_eq!(text(response.body), path);
            });
        }
    });
    assert_eq!(server.seen().len(), 8);
}

#[test]
fn headers_cannot_smuggle() {
    let server = Server::start(|_| Reply::ok(""));
    let request = Request::new(server.url("/")).header("X-A", "1\r\nX-B: 2");
    let error = client()
        .get(&request)
        .expect_err("a line break in a header");
    assert!(
        matches!(error, FetchError::BadHeader { ref name, .. } if name == "X-A"),
        "{error}"
    );
    let request = Request::new(server.url("/")).header("X A", "1");
    assert!(matches!(
        client().get(&request),
        Err(FetchError::BadHeader { .. })
    ));
    assert!(server.seen().is_empty());
}

#[test]
fn other_schemes_are_refused() {
    let error = client()
        .get(&Request::new("file:///etc/passwd"))
        .expect_err("not http");
    assert!(
        matches!(error, FetchError::UnsupportedScheme { .. }),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn nonsense_is_a_protocol_error() {
    for raw in ["SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 abc\r\n\r\n"] {
        let server = Server::start(move |_| Reply::raw(raw));
        let error = client()
            .get(&Request::new(server.url("/")))
            .expect_err("no HTTP");
        assert!(
            matches!(error, FetchError::Protocol { .. }),
            "{raw:?}: {error:?}"
        );
        assert_eq!(server.seen().len(), 1, "trying again is of no use");
    }
}

#[test]
fn a_flood_of_headers_is_refused() {
    let server = Server::start(|_| {
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
            "a".repeat(1 << 20)
        ))
    });
    let request = Request::new(server.url("/"));
    let error = client()
        .send(Method::Get, &request, RequestBody::Empty)
        .expect_err("too much");
    assert!(!error.may_pass(), "{error:?}");
}
