//! TLS to PostgreSQL: the server's name and certificate are verified, and a server on it works.

use std::path::Path;

use kiln_registry::database::{DatabaseError, PostgresOptions};
use kiln_testkit::TempDir;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::postgres::{Cluster, off_the_runtime, try_open, write_private};
use crate::conformance::client::Request;
use crate::running::Running;

/// Longer than any test is; a port that was free a moment ago may not be.
const TRIES: usize = 10;

const PASSWORD: &str = "it's a 'password'";

/// A server that takes nobody without TLS and password, its port, and its certificate as PEM.
fn cluster() -> Result<(Cluster, u16, String), String> {
    let cluster = Cluster::prepare()?;
    let path = cluster.directory();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    write_private(&path.join("server.crt"), &certificate);
    write_private(&path.join("server.key"), &made.signing_key.serialize_pem());
    let rules = "local all all trust\nhostssl all all all scram-sha-256\n";
    write_private(&path.join("data/pg_hba.conf"), rules);
    let (key, crt) = (path.join("server.key"), path.join("server.crt"));
    let (key, crt) = (
        format!("ssl_key_file={}", key.display()),
        format!("ssl_cert_file={}", crt.display()),
    );
    let mut outcome = Err("no port is free".to_owned());
    for _ in 0..TRIES {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let number = free.local_addr().unwrap().port();
        drop(free);
        let port = format!("port={number}");
        let settings = ["listen_addresses=127.0.0.1", "ssl=on", &key, &crt, &port];
        outcome = cluster.begin(&settings).map(|()| number);
        if outcome.is_ok() {
            break;
        }
    }
    let port = outcome?;
    give_password(path, port);
    Ok((cluster, port, certificate))
}

fn give_password(directory: &Path, port: u16) {
    let host = directory.to_str().unwrap();
    let local = format!("host={host} port={port} user=kiln dbname=postgres");
    let password = PASSWORD.replace('\'', "''");
    off_the_runtime(async move {
        let connected = tokio_postgres::connect(&local, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(async {
            let _ = connection.await;
        });
        let sql = format!("ALTER ROLE kiln PASSWORD '{password}'");
        client.batch_execute(&sql).await.unwrap();
    });
}

#[test]
fn a_connection_is_encrypted_and_its_server_verified() {
    let (_cluster, port, certificate) = match cluster() {
        Ok(cluster) => cluster,
        Err(why) => {
            let test = "backing::tls::a_connection_is_encrypted_and_its_server_verified";
            return crate::not_checked(test, &why);
        }
    };
    let authority = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let right = PostgresOptions {
        url: format!("postgresql://kiln@localhost:{port}/postgres"),
        password: Some(PASSWORD.to_owned()),
        authorities: vec![authority],
        ..PostgresOptions::default()
    };
    let database = try_open(right.clone()).unwrap();
    let encrypted = off_the_runtime(async move {
        let work = database.read(|transaction| {
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            transaction.first(sql, &[])?.unwrap().get::<bool>(0)
        });
        work.await.map_err(|error: DatabaseError| error).unwrap()
    });
    assert!(encrypted);
    let refused = |change: fn(&mut PostgresOptions)| {
        let mut options = right.clone();
        change(&mut options);
        let error = try_open(options).unwrap_err();
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said.push_str(&format!(": {error}"));
            source = error.source();
        }
        assert!(!said.contains(PASSWORD), "{said}");
        said
    };
    let said = refused(|options| options.authorities.clear());
    assert!(said.contains("certificate"), "{said}");
    // The same server by a name that is not in its certificate.
    let said = refused(|options| options.url = options.url.replace("localhost", "127.0.0.1"));
    assert!(said.contains("certificate"), "{said}");
    let said = refused(|options| options.password = Some("wrong".to_owned()));
    assert!(said.contains("password authentication failed"), "{said}");
    let said = refused(|options| options.tls = false);
    assert!(said.contains("no encryption"), "{said}");
    // And a whole server by its settings.
    let folder = TempDir::new();
    let (secret, ca) = (folder.join("password"), folder.join("ca.pem"));
    std::fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    std::fs::write(&ca, &certificate).unwrap();
    let toml = format!(
        "[database]\npostgres = '{}'\npassword_file = '{}'\nauthority = '{}'\nreaders = 2\n",
        right.url,
        secret.display(),
        ca.display()
    );
    let server = Running::on(folder, &toml);
    let digest = kiln_oci::Digest::sha256(b"x");
    let post = format!("/v2/team/app/blobs/uploads/?digest={digest}");
    let target = server.target();
    target
        .send(&Request::new("POST", post).body("x"))
        .unwrap()
        .expect(201)
        .unwrap();
    let get = Request::new("GET", format!("/v2/team/app/blobs/{digest}"));
    target
        .send(&get)
        .unwrap()
        .expect(200)
        .unwrap()
        .expect_body(b"x")
        .unwrap();
}
