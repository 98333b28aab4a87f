//! Secure connections to a server whose authority only the test knows.
//!
//! The keys lie in `keys/`: an authority (its own key was thrown away) and a certificate for
//! `localhost` and `127.0.0.1`, both valid for a hundred years.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use kiln_fetch::{Client, ClientOptions, FetchError, Identity, Proxies, Request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::proxy::start_proxy;
use crate::quick;
use crate::server::{Reply, Server};

const AUTHORITY: &[u8] = include_bytes!("keys/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("keys/server.pem");
const KEY: &[u8] = include_bytes!("keys/server.key");

/// A certificate that signed itself, for clients only.
const CLIENT_CERTIFICATE: &[u8] = include_bytes!("keys/client.pem");
const CLIENT_KEY: &[u8] = include_bytes!("keys/client.key");

fn server() -> Server {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together");
    let config = Arc::new(config);
    let wrap = move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("a good configuration");
        Some(StreamOwned::new(connection, stream))
    };
    Server::start_with("https", wrap, |_| Reply::ok("secret"))
}

fn client(options: ClientOptions) -> Client {
    Client::new(options).expect("good options")
}

#[test]
fn an_unknown_authority_is_refused_with_a_way_out() {
    let server = server();
    let error = client(quick())
        .get(&Request::new(server.url("/")))
        .expect_err("not trusted");
    assert!(matches!(error, FetchError::Tls { .. }), "{error:?}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("authorities")),
        "{:?}",
        error.hint()
    );
    assert!(server.seen().is_empty());
}

#[test]
fn an_authority_that_the_caller_names_is_trusted() {
    let server = server();
    let client = client(ClientOptions {
        ca_certificates: vec![AUTHORITY.to_vec()],
        ..quick()
    });
    let response = client
        .get(&Request::new(server.url("/")))
        .expect("an answer");
    assert_eq!(
        std::io::read_to_string(response.body).expect("a body"),
        "secret"
    );
    let by_name = server.url("/").replace("127.0.0.1", "localhost");
    assert_eq!(
        client
            .get(&Request::new(by_name))
            .expect("an answer")
            .status,
        200
    );
}

#[test]
fn another_hosts_certificate_is_refused() {
    let server = server();
    // The proxy leads every name to our server, as a forged name service would.
    let (port, heads) = start_proxy(
        server.address(),
        "HTTP/1.1 200 Connection established\r\n\r\n",
    );
    let client = client(ClientOptions {
        ca_certificates: vec![AUTHORITY.to_vec()],
        proxies: Proxies {
            https: Some(format!("http://127.0.0.1:{port}")),
            ..Proxies::default()
        },
        ..quick()
    });
    let error = client
        .get(&Request::new("https://bank.invalid/"))
        .expect_err("not its name");
    assert!(
        heads
            .recv()
            .expect("the proxy was asked")
            .starts_with("CONNECT bank.invalid:443 ")
    );
    assert!(matches!(error, FetchError::Tls { .. }), "{error:?}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("another host")),
        "{:?}",
        error.hint()
    );
    assert!(server.seen().is_empty());
}

#[test]
fn an_insecure_host_is_not_checked_and_others_still_are() {
    let server = server();
    let insecure = vec![server.address().to_string()];
    let client = client(ClientOptions {
        insecure_hosts: insecure,
        ..quick()
    });
    assert_eq!(
        client
            .get(&Request::new(server.url("/")))
            .expect("an answer")
            .status,
        200
    );
    let other_name = server.url("/").replace("127.0.0.1", "localhost");
    assert!(client.get(&Request::new(other_name)).is_err());
}

#[test]
fn a_plain_server_behind_https_is_recognized() {
    let answer = b"HTTP/1.0 400 Bad Request\r\n\r\nthis is not what I speak\n";
    let wrap = |mut stream: TcpStream| -> Option<TcpStream> {
        // Whether it still arrives is the client's affair.
        let _ = stream.write_all(answer);
        let _ = stream.read(&mut [0; 1024]);
        None
    };
    let server = Server::start_with("https", wrap, |_| Reply::ok(""));
    let error = client(quick())
        .get(&Request::new(server.url("/")))
        .expect_err("no TLS there");
    assert!(matches!(error, FetchError::Tls { .. }), "{error:?}");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("http://")),
        "{:?}",
        error.hint()
    );
}

/// A server that talks to the bearer of the client certificate only.
fn choosy_server() -> Server {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut known = rustls::RootCertStore::empty();
    known
        .add(CertificateDer::from_pem_slice(CLIENT_CERTIFICATE).expect("a certificate"))
        .expect("a good certificate");
    let verifier = WebPkiClientVerifier::builder_with_provider(known.into(), provider.clone())
        .build()
        .expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together");
    let config = Arc::new(config);
    let wrap = move |stream| {
        let connection = ServerConnection::new(config.clone()).expect("a good configuration");
        Some(StreamOwned::new(connection, stream))
    };
    Server::start_with("https", wrap, |_| Reply::ok("secret"))
}

fn with_identity(hosts: &[String]) -> ClientOptions {
    ClientOptions {
        ca_certificates: vec![AUTHORITY.to_vec()],
        identities: vec![Identity {
            hosts: hosts.to_vec(),
            certificates: CLIENT_CERTIFICATE.to_vec(),
            key: CLIENT_KEY.to_vec(),
        }],
        ..quick()
    }
}

#[test]
fn a_client_certificate_is_shown_to_its_host_only() {
    let server = choosy_server();
    let get = |host: String| client(with_identity(&[host])).get(&Request::new(server.url("/")));
    let response = get(server.address().to_string()).expect("an answer");
    assert_eq!(
        std::io::read_to_string(response.body).expect("a body"),
        "secret"
    );
    get("other.example".to_owned()).expect_err("nobody is known");
}

#[test]
fn a_client_certificate_that_cannot_be_read_is_named() {
    for (certificates, key) in [
        (&b"text"[..], CLIENT_KEY),
        (CLIENT_CERTIFICATE, b"text"),
        (CLIENT_CERTIFICATE, CLIENT_CERTIFICATE),
    ] {
        let identity = Identity {
            hosts: vec!["a.example".to_owned()],
            certificates: certificates.to_vec(),
            key: key.to_vec(),
        };
        let error = Client::new(ClientOptions {
            identities: vec![identity],
            ..quick()
        })
        .expect_err("no identity");
        assert!(error.to_string().contains("a.example"), "{error}");
    }
}
