//! Clients that send little, read nothing, or send too much: they are cut off, and nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::conformance::client::{Request, Target};
use crate::running::Running;

fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = vec![];
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_well(server: &Running) {
    let answer = server.target().send(&Request::new("GET", "/v2/"));
    assert_eq!(answer.unwrap().status, 200);
}

/// Begins an upload; its path.
fn begin(target: &Target) -> String {
    let post = Request::new("POST", "/v2/a/blobs/uploads/").body([]);
    let answer = target.send(&post).unwrap().expect(202).unwrap();
    answer.location().unwrap()
}

/// A PATCH of which only the beginning is sent.
fn half_a_patch(server: &Running, location: &str, length: usize, sent: &[u8]) -> TcpStream {
    let mut stream = server.connect();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(sent).unwrap();
    stream
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let server = Running::open("[timeouts]\nhead = '200 ms'");
    for beginning in ["", "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: "] {
        let mut stream = server.connect();
        stream.write_all(beginning.as_bytes()).unwrap();
        let answer = read_all(&mut stream);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    is_well(&server);
}

#[test]
fn a_body_that_stops_is_408_and_what_came_is_kept() {
    let server = Running::open("[timeouts]\nstall = '300 ms'");
    let location = begin(&server.target());
    let mut stream = half_a_patch(&server, &location, 100, b"0123456789");
    let answer = read_all(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("can be resumed"), "{answer}");
    let status = server.target().send(&Request::new("GET", &location));
    let status = status.unwrap().expect(204).unwrap();
    status.expect_header("range", "0-9").unwrap();
}

#[test]
fn a_client_that_goes_away_leaves_an_upload_that_goes_on() {
    let server = Running::open("");
    let location = begin(&server.target());
    let stream = half_a_patch(&server, &location, 100, b"0123456789");
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    let rest = Request::new("PATCH", &location)
        .header("Content-Range", "10-99")
        .body([7; 90]);
    // The server learns of it in its own time; until then the upload is busy.
    let answer = loop {
        let answer = server.target().send(&rest).unwrap();
        if answer.status != 429 {
            break answer;
        }
        std::thread::yield_now();
    };
    if answer.status != 202 {
        // Nothing had been read of it yet.
        let answer = answer.expect(416).unwrap();
        answer.expect_header("range", "0-0").unwrap();
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let server = Running::open("[timeouts]\nstall = '300 ms'");
    // More than the kernel takes for a connection.
    let blob = vec![7; 64 << 20];
    let digest = kiln_oci::Digest::sha256(&blob);
    let post = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body(blob);
    server.target().send(&post).unwrap().expect(201).unwrap();
    let mut stream = server.connect();
    let get = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(get.as_bytes()).unwrap();
    server.wait_for("kiln_registry_pulls_total{result=\"client_gone\"}", 1.0);
    let mut received = vec![];
    let _ = stream.read_to_end(&mut received);
    assert!(received.len() < 64 << 20, "{}", received.len());
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let server = Running::open("");
    let many: String = (0..1000)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    let long = format!("X-A: {}\r\n", "a".repeat(200_000));
    for headers in [many, long] {
        let mut stream = server.connect();
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        // It may be cut off before all of it is sent.
        let _ = stream.write_all(request.as_bytes());
        let answer = read_all(&mut stream);
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ");
        assert!(is_refused, "{answer}");
    }
    let mut stream = server.connect();
    let long = "a".repeat(70_000);
    let _ = stream.write_all(format!("GET /v2/{long} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    let answer = read_all(&mut stream);
    let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
    assert!(is_refused, "{answer}");
    is_well(&server);
}

#[test]
fn nonsense_is_refused() {
    let server = Running::open("");
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
        "PRI * HTTP/2",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(nonsense.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let answer = read_all(&mut stream);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    is_well(&server);
}

#[test]
fn more_uploads_than_allowed_are_told_to_come_again() {
    let server = Running::open("[limits]\nuploads = 1");
    let target = server.target();
    let (one, two) = (begin(&target), begin(&target));
    let mut first = half_a_patch(&server, &one, 10, b"01234");
    server.wait_for("kiln_registry_uploads_in_flight", 1.0);
    let second = Request::new("PATCH", &two).body("x");
    let answer = target.send(&second).unwrap();
    let answer = answer.expect_error(503, "TOOMANYREQUESTS").unwrap();
    assert_eq!(answer.header("retry-after").unwrap(), "1");
    first.write_all(b"56789").unwrap();
    let answer = read_all(&mut first);
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    server.wait_for("kiln_registry_uploads_in_flight", 0.0);
    target.send(&second).unwrap().expect(202).unwrap();
}

/// Two connections that are known to have been accepted.
fn two_connections(server: &Running) -> Vec<TcpStream> {
    let connect = || {
        let mut stream = server.connect();
        let head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(head).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    vec![connect(), connect()]
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let server = Running::open("[limits]\nconnections = 2");
    let held = two_connections(&server);
    let mut third = server.connect();
    let head = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    third.write_all(head).unwrap();
    drop(held);
    let answer = read_all(&mut third);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn one_address_cannot_take_all_connections() {
    let server = Running::open("[limits]\nconnections_per_address = 2");
    let held = two_connections(&server);
    let mut third = server.connect();
    let _ = third.write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(read_all(&mut third), "", "closed without an answer");
    drop(held);
    // The server learns of it in its own time.
    let page = loop {
        if let Ok(page) = server.target().send(&Request::new("GET", "/metrics")) {
            break String::from_utf8(page.body).unwrap();
        }
        std::thread::yield_now();
    };
    assert!(
        page.contains("\nkiln_registry_connections_refused_total "),
        "{page}"
    );
    assert!(
        !page.contains("\nkiln_registry_connections_refused_total 0\n"),
        "{page}"
    );
}
