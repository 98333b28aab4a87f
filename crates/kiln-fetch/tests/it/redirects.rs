//! Redirects: followed, counted, and no place to steal credentials.

use kiln_fetch::{Client, ClientOptions, FetchError, Request, RequestBody};

use crate::server::{Reply, Server};
use crate::{client, quick};

#[test]
fn every_kind_of_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |request| match request.target.as_str() {
            "/a/start" => Reply::redirect(status, "../b").body("moved"),
            "/b" => Reply::redirect(status, "/c?x"),
            _ => Reply::ok("there"),
        });
        let response = client()
            .get(&Request::new(server.url("/a/start")))
            .expect("an answer");
        assert_eq!((response.status, response.url), (200, server.url("/c?x")));
        assert_eq!(
            server.connections(),
            1,
            "{status}: the connection is used again"
        );
    }
}

#[test]
fn a_loop_ends() {
    let server = Server::start(|_| Reply::redirect(302, "/again?token=secret"));
    let client = Client::new(ClientOptions {
        max_redirects: 4,
        ..quick()
    })
    .expect("good options");
    let error = client
        .get(&Request::new(server.url("/")))
        .expect_err("a loop");
    assert!(
        matches!(error, FetchError::TooManyRedirects { limit: 4, .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(server.seen().len(), 5);
}

#[test]
fn no_redirects_means_none() {
    let server = Server::start(|_| Reply::redirect(302, "/x"));
    let client = Client::new(ClientOptions {
        max_redirects: 0,
        ..quick()
    })
    .expect("good options");
    assert!(client.get(&Request::new(server.url("/"))).is_err());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn credentials_stay_with_their_host() {
    // Another port is another origin, even on the same address.
    let thief = Server::start(|_| Reply::ok("mine"));
    let target = thief.url("/collect");
    let home = Server::start(move |request| match request.target.as_str() {
        "/inside" => Reply::redirect(302, "/still-inside"),
        "/still-inside" => Reply::redirect(302, target.clone()),
        _ => Reply::new(500),
    });
    let request = Request::new(home.url("/inside"))
        .header("Authorization", "Bearer secret")
        .header("Cookie", "session=secret")
        .header("X-Harmless", "1");
    client().get(&request).expect("an answer");
    for seen in home.seen() {
        assert_eq!(
            seen.header("authorization"),
            Some("Bearer secret"),
            "{}",
            seen.target
        );
    }
    let stolen = &thief.seen()[0];
    assert_eq!(stolen.header("authorization"), None);
    assert_eq!(stolen.header("cookie"), None);
    assert_eq!(stolen.header("x-harmless"), Some("1"));
}

#[test]
fn credentials_do_not_come_back_by_a_detour() {
    let home = Server::start(|request| match request.target.as_str() {
        "/start" => Reply::redirect(302, request.header("x-away").unwrap_or_default()),
        _ => Reply::ok(""),
    });
    let back = home.url("/delete-everything");
    let away = Server::start(move |_| Reply::redirect(302, back.clone()));
    let url = home.url("/start").replace("://", "://me:secret@");
    let request = Request::new(url).header("X-Away", away.url("/"));
    client().get(&request).expect("an answer");
    let seen = home.seen();
    assert!(seen[0].header("authorization").is_some());
    assert_eq!(seen[1].target, "/delete-everything");
    assert_eq!(seen[1].header("authorization"), None);
}

#[test]
fn a_redirect_to_another_scheme_is_an_error() {
    for location in ["file:///etc/passwd", "ftp://h/x", "http://"] {
        let server = Server::start(move |_| Reply::redirect(302, location));
        let error = client()
            .get(&Request::new(server.url("/")))
            .expect_err("not http");
        assert!(
            matches!(error, FetchError::BadRedirect { .. }),
            "{location}: {error:?}"
        );
    }
}

#[test]
fn a_redirect_without_a_place_is_an_answer() {
    let server = Server::start(|_| Reply::new(302));
    assert_eq!(
        client()
            .get(&Request::new(server.url("/")))
            .expect("an answer")
            .status,
        302
    );
}

#[test]
fn what_changes_something_is_not_redirected() {
    let server = Server::start(|_| Reply::redirect(307, "/elsewhere"));
    let client = client();
    let request = Request::new(server.url("/"));
    assert_eq!(
        client
            .put(&request, RequestBody::Bytes(b"x"))
            .expect("an answer")
            .status,
        307
    );
    assert_eq!(
        client
            .post(&request, RequestBody::Empty)
            .expect("an answer")
            .status,
        307
    );
    assert_eq!(server.seen().len(), 2);
}
