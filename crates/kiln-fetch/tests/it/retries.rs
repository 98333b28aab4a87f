//! What is tried again, how often, and what is not.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use kiln_fetch::{FetchError, Request, RequestBody};

use crate::server::{Reply, Server};
use crate::{client, impatient_client};

#[test]
fn passing_trouble_is_waited_out() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = Server::start(move |request| match request.number {
            0 | 1 => Reply::new(status),
            _ => Reply::ok("at last"),
        });
        let response = client()
            .get(&Request::new(server.url("/")))
            .expect("an answer");
        assert_eq!((response.status, server.seen().len()), (200, 3), "{status}");
    }
}

#[test]
fn lasting_trouble_is_handed_back() {
    let server = Server::start(|_| Reply::new(503));
    assert_eq!(
        client()
            .get(&Request::new(server.url("/")))
            .expect("an answer")
            .status,
        503
    );
    assert_eq!(server.seen().len(), 4, "once, and three times more");
}

#[test]
fn a_refusal_is_not_repeated() {
    for status in [400, 401, 403, 404, 501] {
        let server = Server::start(move |_| Reply::new(status));
        client()
            .get(&Request::new(server.url("/")))
            .expect("an answer");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[test]
fn the_server_says_when() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(503).header("Retry-After", "1"),
        _ => Reply::ok(""),
    });
    let start = Instant::now();
    assert_eq!(
        client()
            .get(&Request::new(server.url("/")))
            .expect("an answer")
            .status,
        200
    );
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "the other waits take milliseconds"
    );
}

#[test]
fn nobody_waits_for_an_hour() {
    let server = Server::start(|_| Reply::new(429).header("Retry-After", "3600"));
    let response = client()
        .get(&Request::new(server.url("/")))
        .expect("an answer");
    assert_eq!((response.status, server.seen().len()), (429, 1));
}

#[test]
fn a_broken_connection_is_tried_again() {
    let server = Server::start(|request| match request.number {
        0 => Reply::raw(""),
        1 => Reply::raw("HTTP/1.1 200 O"),
        _ => Reply::ok("whole"),
    });
    let response = client()
        .get(&Request::new(server.url("/")))
        .expect("an answer");
    assert_eq!((response.status, server.seen().len()), (200, 3));
}

#[test]
fn a_refused_connection_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://me:secret@{address}/?sig=secret");
    let error = client()
        .get(&Request::new(url))
        .expect_err("nobody listens");
    assert!(matches!(error, FetchError::Connect { .. }), "{error:?}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn silence_times_out() {
    let server = Server::start(|_| Reply::ok("never").stall(0));
    let response = impatient_client()
        .get(&Request::new(server.url("/")))
        .expect("headers come");
    let error = std::io::read_to_string(response.body).expect_err("the body does not");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let inner = error.into_inner().expect("the typed error is inside");
    let inner = inner.downcast::<FetchError>().expect("a FetchError");
    assert!(matches!(*inner, FetchError::Timeout { .. }), "{inner:?}");
}

#[test]
fn an_unknown_host_is_named() {
    // RFC 6761 section 6.4: names below `invalid` never exist.
    let error = client()
        .get(&Request::new("http://no.such.host.invalid/"))
        .expect_err("unknown");
    let FetchError::HostNotFound { host, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(host, "no.such.host.invalid");
}

#[test]
fn only_what_can_be_repeated_is() {
    let server = Server::start(|_| Reply::new(503));
    let (client, request) = (client(), Request::new(server.url("/")));
    client
        .post(&request, RequestBody::Bytes(b"x"))
        .expect("an answer");
    assert_eq!(server.seen().len(), 1, "a POST may have done its work");
    client
        .put(&request, RequestBody::Bytes(b"x"))
        .expect("an answer");
    assert_eq!(server.seen().len(), 5, "a PUT can be made again");
    let body = RequestBody::Stream {
        reader: &mut &b"x"[..],
        length: 1,
    };
    client.put(&request, body).expect("an answer");
    assert_eq!(server.seen().len(), 6, "a stream is read only once");
}

#[test]
fn a_post_that_was_turned_away_is_repeated() {
    let server = Server::start(|request| match request.number {
        0 => Reply::new(429),
        _ => Reply::new(201),
    });
    let request = Request::new(server.url("/"));
    assert_eq!(
        client()
            .post(&request, RequestBody::Bytes(b"x"))
            .expect("an answer")
            .status,
        201
    );
}
