//! The server around the protocol: its end, its log, its metrics, and what it believes of proxies.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use kiln_registry::Log;
use serde_json::Value;

use crate::conformance::client::Request;
use crate::running::Running;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// The lines about requests. All are there when the server has ended.
    fn requests(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["event"] == "request")
            .collect()
    }
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An upload under way: its path, and the connection on which half of a chunk of ten bytes was sent.
fn half_an_upload(server: &Running) -> (String, TcpStream) {
    let post = Request::new("POST", "/v2/a/blobs/uploads/").body([]);
    let answer = server.target().send(&post).unwrap().expect(202).unwrap();
    let location = answer.location().unwrap();
    let mut stream = server.connect();
    let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"01234").unwrap();
    server.wait_for("kiln_registry_uploads_in_flight", 1.0);
    (location, stream)
}

#[test]
fn a_running_upload_is_waited_for() {
    let server = Running::open("");
    let (_, mut stream) = half_an_upload(&server);
    server.handle.stop();
    stream.write_all(b"56789").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    server.ended();
}

#[test]
fn an_upload_that_is_cut_off_goes_on_at_the_next_start() {
    let server = Running::open("[timeouts]\nshutdown = '0 s'");
    let (location, stream) = half_an_upload(&server);
    server.handle.stop();
    let folder = server.ended();
    drop(stream);
    let server = Running::start_in(folder, "", Log::none());
    let status = server
        .target()
        .send(&Request::new("GET", &location))
        .unwrap();
    let status = status.expect(204).unwrap();
    // What was not yet noted when the server ended is sent again.
    let range = status.header("range").unwrap();
    let offset = if range == "0-4" { 5 } else { 0 };
    let rest = Request::new("PATCH", &location)
        .header("Content-Range", format!("{offset}-9"))
        .body(&b"0123456789"[offset..]);
    server.target().send(&rest).unwrap().expect(202).unwrap();
    let digest = kiln_oci::Digest::sha256(b"0123456789");
    let put = Request::new("PUT", format!("{location}?digest={digest}")).body([]);
    server.target().send(&put).unwrap().expect(201).unwrap();
}

#[test]
fn requests_are_logged_with_their_ids() {
    let sink = Sink::default();
    let server = Running::start("", Log::to(sink.clone()).unwrap());
    let target = server.target();
    let get = Request::new("GET", "/v2/a/manifests/x?secret=1").header("X-Request-Id", "mine");
    let answer = target.send(&get).unwrap().expect(404).unwrap();
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_ne!(id, "mine", "only proxies name requests");
    target.send(&Request::new("GET", "/healthz")).unwrap();
    server.handle.stop();
    server.ended();
    let [line] = sink.requests().try_into().unwrap();
    assert_eq!(line["id"], id);
    assert_eq!(line["peer"], "127.0.0.1");
    assert_eq!(
        line["path"], "/v2/a/manifests/x",
        "queries may hold secrets"
    );
    assert_eq!(line["operation"], "manifest_get");
    assert_eq!(line["status"], 404);
}

#[test]
fn trusted_proxies_say_who_asks() {
    let sink = Sink::default();
    let toml = "trusted_proxies = ['127.0.0.1']\n[log]\nprobes = true";
    let server = Running::start(toml, Log::to(sink.clone()).unwrap());
    let get = Request::new("GET", "/healthz")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Request-Id", "from-the-proxy");
    let answer = server.target().send(&get).unwrap().expect(200).unwrap();
    answer
        .expect_header("x-request-id", "from-the-proxy")
        .unwrap();
    server.handle.stop();
    server.ended();
    let [line] = sink.requests().try_into().unwrap();
    assert_eq!(line["id"], "from-the-proxy");
    assert_eq!(line["peer"], "192.0.2.1");
}

#[test]
fn metrics_count_pulls_and_are_for_whom_they_are() {
    let server = Running::open("");
    let target = server.target();
    let blob = b"0123456789";
    let digest = kiln_oci::Digest::sha256(blob);
    let post = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body(*blob);
    target.send(&post).unwrap().expect(201).unwrap();
    for path in ["a", "a", "b"] {
        target
            .send(&Request::new("GET", format!("/v2/{path}/blobs/{digest}")))
            .unwrap();
    }
    server.wait_for("kiln_registry_pulls_total{result=\"ok\"}", 2.0);
    server.wait_for("kiln_registry_pulls_total{result=\"not_found\"}", 1.0);
    let put = "kiln_registry_requests_total{operation=\"upload_start\",status=\"201\"}";
    server.wait_for(put, 1.0);
    assert!(server.metric("kiln_registry_received_bytes_total") >= 10.0);

    let closed = Running::open("[metrics]\nallow = ['192.0.2.0/24']");
    let answer = closed
        .target()
        .send(&Request::new("GET", "/metrics"))
        .unwrap();
    answer.expect(404).unwrap();
}

#[test]
fn pages_have_the_length_that_the_settings_allow() {
    let server = Running::open("[limits]\npage = 2");
    let target = server.target();
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    for tag in ["a", "b", "c"] {
        let put = Request::new("PUT", format!("/v2/x/manifests/{tag}")).body(index);
        target.send(&put).unwrap().expect(201).unwrap();
    }
    for path in ["/v2/x/tags/list", "/v2/x/tags/list?n=9"] {
        let page = target.send(&Request::new("GET", path)).unwrap();
        assert_eq!(page.json().unwrap()["tags"], serde_json::json!(["a", "b"]));
        let link = page.header("link").unwrap();
        assert_eq!(link, "</v2/x/tags/list?n=2&last=b>; rel=\"next\"");
    }
}
