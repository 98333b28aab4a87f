//! Ten thousand connections at once: all are answered, and again while all are open.
//!
//! The clients are another process: each may have only so many files open.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use kiln_oci::Digest;

use crate::conformance::client::Request;
use crate::running::Running;

const ADDRESS: &str = "KILN_TEST_ADDRESS";

const CROWD: usize = 10_000;

/// What every connection asks for; with its head more than a page.
const BLOB: &[u8] = &[b'x'; 10_000];

/// Files that are open beside the connections.
const OTHERS: u64 = 200;

#[expect(clippy::disallowed_methods, reason = "a child learns its task so")]
fn address() -> Option<SocketAddr> {
    std::env::var(ADDRESS).ok()?.parse().ok()
}

/// The limit of this process, from `/proc`.
fn open_files() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(0)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}

/// What the child does. Run by the harness without a task, there is nothing to do.
#[test]
fn clients() {
    let Some(address) = address() else {
        return;
    };
    let digest = Digest::sha256(BLOB);
    let request = format!("GET /v2/team/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n");
    let begin = Instant::now();
    let mut crowd: Vec<TcpStream> = (0..CROWD)
        .map(|_| {
            let stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(120)))
                .unwrap();
            stream
        })
        .collect();
    eprintln!("{CROWD} connections are open after {:?}", begin.elapsed());
    for round in 1..=3 {
        let begin = Instant::now();
        for stream in &mut crowd {
            stream.write_all(request.as_bytes()).unwrap();
        }
        for stream in &mut crowd {
            read_answer(stream);
        }
        eprintln!(
            "round {round}: all are answered after {:?}",
            begin.elapsed()
        );
    }
}

fn read_answer(stream: &mut TcpStream) {
    let mut answer = vec![];
    let mut buffer = [0; 16 << 10];
    let end = loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server hung up");
        answer.extend_from_slice(&buffer[..read]);
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    while answer.len() < end + BLOB.len() {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server hung up");
        answer.extend_from_slice(&buffer[..read]);
    }
    assert!(&answer[end..] == BLOB);
}

#[test]
#[ignore = "opens 10,000 connections: cargo test -p kiln-registry --test it -- --ignored crowd"]
fn ten_thousand_connections_at_once_are_all_answered() {
    let test = "crowd::ten_thousand_connections_at_once_are_all_answered";
    if open_files() < CROWD as u64 + OTHERS {
        return crate::not_checked(test, "too few files may be open (ulimit -n)");
    }
    let server = Running::open("");
    let post = format!(
        "/v2/team/app/blobs/uploads/?digest={}",
        Digest::sha256(BLOB)
    );
    let pushed = server.target().send(&Request::new("POST", post).body(BLOB));
    pushed.unwrap().expect(201).unwrap();
    let before = resident();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crowd::clients", "--nocapture"])
        .env(ADDRESS, server.address.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    eprintln!(
        "{said}{} MB more in memory",
        (resident().saturating_sub(before)) / 1000
    );
    assert!(said.contains("round 3: all are answered"), "{said}");
}
