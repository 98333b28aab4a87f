//! Requests over a UNIX socket, and bodies whose length nobody knows.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use kiln_fetch::{Client, ClientOptions, FetchError, Request, RequestBody};

use crate::quick;
use crate::server::{Reply, Server};

/// A directory of its own for the socket, since the path of one may have no more than 107 bytes.
struct Folder(PathBuf);

impl Folder {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no store to put it in"
    )]
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kiln-fetch-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn client(&self) -> Client {
        let options = ClientOptions {
            socket: Some(self.0.join("s")),
            ..quick()
        };
        Client::new(options).expect("good options")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Answers one connection after the other with `body`; what came is sent through the channel.
fn serve(folder: &Folder, body: &'static str) -> Receiver<String> {
    let listener = UnixListener::bind(folder.0.join("s")).expect("a socket");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut stream = BufReader::new(stream);
            let mut all = String::new();
            while stream.read_line(&mut all).is_ok_and(|length| length > 2) {}
            if all.contains("chunked") {
                while !all.ends_with("\r\n0\r\n")
                    && stream.read_line(&mut all).is_ok_and(|length| length > 0)
                {}
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let sent = stream.get_mut().write_all(answer.as_bytes());
            if sent.is_err() || sender.send(all).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn a_socket_is_as_good_as_a_host() {
    let folder = Folder::new("get");
    let seen = serve(&folder, "hello");
    let response = folder
        .client()
        .get(&Request::new("http://daemon/info?x=1"))
        .expect("an answer");
    assert_eq!(
        std::io::read_to_string(response.body).expect("a body"),
        "hello"
    );
    let seen = seen.recv().expect("a request");
    assert!(seen.starts_with("GET /info?x=1 HTTP/1.1\r\n"), "{seen}");
}

#[test]
fn a_socket_that_is_not_there_is_no_connection() {
    let folder = Folder::new("none");
    let error = folder
        .client()
        .get(&Request::new("http://daemon/"))
        .expect_err("nobody listens");
    assert!(matches!(error, FetchError::Connect { .. }), "{error:?}");
}

#[test]
fn a_body_of_unknown_length_goes_in_chunks() {
    let folder = Folder::new("post");
    let seen = serve(&folder, "");
    let mut reader = "some bytes".as_bytes();
    let body = RequestBody::Chunked {
        reader: &mut reader,
    };
    let response = folder
        .client()
        .post(&Request::new("http://daemon/load"), body)
        .expect("an answer");
    assert_eq!(response.status, 200);
    let seen = seen.recv().expect("a request");
    assert!(
        seen.ends_with("\r\n\r\na\r\nsome bytes\r\n0\r\n"),
        "{seen:?}"
    );
}

#[test]
fn a_body_that_cannot_be_read_is_the_callers_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no more"))
        }
    }
    let server = Server::start(|_| Reply::ok(""));
    let body = RequestBody::Chunked {
        reader: &mut Broken,
    };
    let error = crate::client()
        .post(&Request::new(server.url("/")), body)
        .expect_err("no body");
    assert!(matches!(error, FetchError::RequestBody { .. }), "{error:?}");
}

#[test]
fn private_headers_stay_at_home() {
    let elsewhere = Server::start(|_| Reply::ok(""));
    let target = elsewhere.url("/");
    let server = Server::start(move |_| Reply::redirect(307, target.clone()));
    let mut request = Request::new(server.url("/")).header("x-open", "1");
    request
        .private_headers
        .push(("x-key".to_owned(), "secret".to_owned()));
    crate::client().get(&request).expect("an answer");
    assert_eq!(server.seen()[0].header("x-key"), Some("secret"));
    assert_eq!(elsewhere.seen()[0].header("x-key"), None);
    assert_eq!(elsewhere.seen()[0].header("x-open"), Some("1"));
}
