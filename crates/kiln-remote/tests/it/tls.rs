//! A registry that is reached by TLS, with an authority that only a file names, and shown a certificate.
//!
//! The keys are those of kiln-fetch's tests.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use kiln_oci::{Reference, media_type};
use kiln_remote::{Hosts, Remote, RemoteError, RemoteOptions};
use kiln_testkit::TempDir;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::options;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kiln-fetch/tests/it/keys");

const MANIFEST: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn key(name: &str) -> Vec<u8> {
    fs::read(Path::new(KEYS).join(name)).expect("a key of kiln-fetch's tests")
}

fn configuration() -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut known = RootCertStore::empty();
    let client = CertificateDer::from_pem_slice(&key("client.pem")).expect("a certificate");
    known.add(client).expect("a good certificate");
    let verifier = WebPkiClientVerifier::builder_with_provider(known.into(), provider.clone());
    let certificate = CertificateDer::from_pem_slice(&key("server.pem")).expect("a certificate");
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::from_pem_slice(&key("server.key")).expect("a key"),
        )
        .expect("key and certificate belong together")
}

/// Answers every request of who shows the right certificate with one index; returns its address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let configuration = Arc::new(configuration());
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let connection =
                ServerConnection::new(Arc::clone(&configuration)).expect("a good configuration");
            thread::spawn(move || {
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                let mut line = String::new();
                // A client that is refused or hangs up is part of the tests.
                while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
                    if line == "\r\n" {
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{MANIFEST}",
                            media_type::OCI_INDEX,
                            MANIFEST.len()
                        );
                        let sent = stream.get_mut().write_all(answer.as_bytes());
                        if sent.and_then(|()| stream.get_mut().flush()).is_err() {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

fn ask(host: &str, hosts: Hosts) -> Result<(), RemoteError> {
    let remote = Remote::new(RemoteOptions { hosts, ..options() }).expect("good options");
    let reference: Reference = format!("{host}/a:1").parse().expect("a reference");
    remote.repository(&reference).manifest(&reference).map(drop)
}

#[test]
fn certificates_come_from_a_file_or_a_folder() {
    let host = serve();
    let error = ask(&host, Hosts::default()).unwrap_err();
    assert!(matches!(error, RemoteError::Fetch(_)), "{error:?}");

    for settings in [
        Some("ca = \"ca.crt\"\nclient = [[\"client.cert\", \"client.key\"]]"),
        Some("skip_verify = true\nclient = [[\"client.cert\", \"client.key\"]]"),
        None,
    ] {
        let directory = TempDir::new();
        let folder = directory.join(host.replace(':', "_") + "_");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ca.crt"), key("authority.pem")).unwrap();
        fs::write(folder.join("client.cert"), key("client.pem")).unwrap();
        fs::write(folder.join("client.key"), key("client.key")).unwrap();
        if let Some(settings) = settings {
            fs::write(
                folder.join("hosts.toml"),
                format!("server = \"https://{host}\"\n{settings}\n"),
            )
            .unwrap();
        }
        let hosts = Hosts {
            folders: vec![directory.path().to_owned()],
            ..Hosts::default()
        };
        ask(&host, hosts).unwrap();
    }
    let directory = TempDir::new();
    let folder = directory.join(&host);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("ca.crt"), key("authority.pem")).unwrap();
    let hosts = Hosts {
        folders: vec![directory.path().to_owned()],
        ..Hosts::default()
    };
    ask(&host, hosts).expect_err("without a certificate of ours");
}
