//! TLS: a certificate for trying out, one that is replaced while the server runs, and both versions of
//! HTTP.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use kiln_registry::Log;
use kiln_testkit::TempDir;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::conformance::client::{Request, Target};
use crate::running::Running;

fn target(server: &Running, certificate: &Path) -> Target {
    let url = format!("https://localhost:{}", server.address.port());
    Target::new(&url, None, Some(certificate)).unwrap()
}

#[test]
fn a_certificate_for_trying_out_is_made_and_works() {
    let folder = TempDir::new();
    let certificate = folder.path().join("tls/certificate.pem");
    let server = Running::start_in(folder, "[tls]\nself_signed = true", Log::none());
    let target = target(&server, &certificate);
    let digest = kiln_oci::Digest::sha256(b"x");
    let post = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body("x");
    target.send(&post).unwrap().expect(201).unwrap();
    let get = Request::new("GET", format!("/v2/a/blobs/{digest}"));
    let answer = target.send(&get).unwrap().expect(200).unwrap();
    answer.expect_body(b"x").unwrap();
    // Plain HTTP on that port gets no answer of HTTP.
    let mut plain = server.connect();
    plain
        .write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = vec![];
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"));
    server.wait_for_tls_failure(&target);
}

impl Running {
    fn wait_for_tls_failure(&self, target: &Target) {
        let start = std::time::Instant::now();
        loop {
            let page = target.send(&Request::new("GET", "/metrics")).unwrap();
            let page = String::from_utf8(page.body).unwrap();
            if page.contains("\nkiln_registry_tls_handshakes_failed_total 1\n") {
                return;
            }
            assert!(start.elapsed().as_secs() < 120, "{page}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_new_certificate_is_taken_without_a_restart() {
    // Two certificates, made by two servers.
    let make = || {
        let folder = TempDir::new();
        let server = Running::start_in(folder, "[tls]\nself_signed = true", Log::none());
        server.handle.stop();
        server.ended()
    };
    let (one, two) = (make(), make());
    let (certificate, key) = ("tls/certificate.pem", "tls/key.pem");
    let own = TempDir::new();
    std::fs::copy(one.path().join(certificate), own.path().join("c.pem")).unwrap();
    std::fs::copy(one.path().join(key), own.path().join("k.pem")).unwrap();
    let toml = format!(
        "[tls]\ncertificate = '{0}/c.pem'\nkey = '{0}/k.pem'",
        own.path().display()
    );
    let server = Running::open(&toml);
    let get = Request::new("GET", "/v2/");
    let answers = |folder: &TempDir| {
        let target = target(&server, &folder.path().join(certificate));
        target.send(&get).is_ok()
    };
    assert!(answers(&one) && !answers(&two));
    std::fs::copy(two.path().join(certificate), own.path().join("c.pem")).unwrap();
    assert!(
        server.handle.reload_certificate().is_err(),
        "the key is another's"
    );
    assert!(answers(&one) && !answers(&two));
    std::fs::copy(two.path().join(key), own.path().join("k.pem")).unwrap();
    server.handle.reload_certificate().unwrap();
    assert!(!answers(&one) && answers(&two));
}

/// RFC 9113 section 3.4: both sides begin with SETTINGS, a frame of type 4.
#[test]
fn http_2_is_chosen_by_alpn() {
    let folder = TempDir::new();
    let certificate = folder.path().join("tls/certificate.pem");
    let server = Running::start_in(folder, "[tls]\nself_signed = true", Log::none());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = server.connect();
    let mut stream = Stream::new(&mut connection, &mut socket);
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
    assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
}
