//! Puts a load on a registry and says how fast it was. `cargo xtask bench registry` runs it on kiln and
//! on its peer in turn.
//!
//! ```text
//! load HOST:PORT WORK [--clients N] [--operations N] [--size BYTES]
//! ```
//!
//! WORK is one of: `fill` (pushes what the others read), `push`, `pull`, `blob-head`, `manifest-head`,
//! `manifest-get`, `tags` (all pages of a repository with many). Each client has one connection and one
//! request under way. The result is a line of JSON: seconds, operations, bytes, and the latencies of
//! operations in milliseconds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kiln_oci::Digest;
use serde_json::json;

const REPOSITORY: &str = "bench/load";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Options {
    address: String,
    work: String,
    clients: usize,
    operations: usize,
    size: usize,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Failure> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing"));
    let mut options = Options {
        address: next("HOST:PORT")?,
        work: next("WORK")?,
        clients: 1,
        operations: 1,
        size: 0,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--clients" => options.clients = value.parse()?,
            "--operations" => options.operations = value.parse()?,
            "--size" => options.size = value.parse()?,
            other => return Err(format!("unknown flag {other}").into()),
        }
    }
    Ok(options)
}

/// What all clients share.
struct Plan {
    work: Work,
    /// Bytes that blobs are made of: a number, then this.
    body: Vec<u8>,
    /// A different number for each blob of each run.
    first: u64,
    digests: Vec<Digest>,
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Push,
    Pull,
    BlobHead,
    ManifestHead,
    ManifestGet,
    Tags,
}

fn run(options: &Options) -> Result<String, Failure> {
    let work = match options.work.as_str() {
        "fill" => return fill(options),
        "push" => Work::Push,
        "pull" => Work::Pull,
        "blob-head" => Work::BlobHead,
        "manifest-head" => Work::ManifestHead,
        "manifest-get" => Work::ManifestGet,
        "tags" => Work::Tags,
        other => return Err(format!("unknown work {other}").into()),
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut plan = Plan {
        work,
        body: noise(options.size.saturating_sub(8)),
        first: since.as_nanos() as u64,
        digests: vec![],
    };
    if work == Work::Push {
        // Not measured: what a client takes to hash.
        let numbers = (0..options.operations as u64).map(|index| plan.first + index);
        plan.digests = numbers.map(|number| digest(number, &plan.body)).collect();
    }
    if matches!(work, Work::Pull | Work::BlobHead) {
        plan.digests = vec![digest(0, &plan.body)];
    }
    measure(options, &plan)
}

fn measure(options: &Options, plan: &Plan) -> Result<String, Failure> {
    let next = AtomicUsize::new(0);
    // The clients, and this thread, which takes the time.
    let barrier = Barrier::new(options.clients + 1);
    let (elapsed, results) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..options.clients)
            .map(|_| scope.spawn(|| client(options, plan, &next, &barrier)))
            .collect();
        barrier.wait();
        let start = Instant::now();
        let results: Vec<_> = clients
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect();
        (start.elapsed(), results)
    });
    let mut bytes = 0;
    let mut latencies = vec![];
    for result in results {
        let (read, times) = result.map_err(|_| "a client panicked")??;
        bytes += read;
        latencies.extend(times);
    }
    latencies.sort();
    let at = |share: f64| {
        let index = ((latencies.len() - 1) as f64 * share).round() as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    Ok(json!({
        "seconds": elapsed.as_secs_f64(),
        "operations": latencies.len(),
        "bytes": bytes,
        "p50": at(0.5),
        "p99": at(0.99),
    })
    .to_string())
}

/// Bytes, and how long each operation took.
type Counted = Result<(u64, Vec<Duration>), Failure>;

fn client(options: &Options, plan: &Plan, next: &AtomicUsize, barrier: &Barrier) -> Counted {
    let connection = Connection::open(&options.address);
    barrier.wait();
    let mut connection = connection?;
    let mut bytes = 0;
    let mut times = vec![];
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= options.operations {
            return Ok((bytes, times));
        }
        let start = Instant::now();
        bytes += operate(&mut connection, plan, index)?;
        times.push(start.elapsed());
    }
}

fn operate(connection: &mut Connection, plan: &Plan, index: usize) -> Result<u64, Failure> {
    let simple = |connection: &mut Connection, method: &str, path: String| {
        connection.send(method, &path, "", &[])?;
        connection.answer(method, 200).map(|answer| answer.length)
    };
    match plan.work {
        Work::Push => {
            let number = (plan.first + index as u64).to_be_bytes();
            let digest = &plan.digests[index];
            push(connection, REPOSITORY, &[&number, &plan.body], digest)
        }
        Work::Pull => {
            let path = format!("/v2/{REPOSITORY}/blobs/{}", plan.digests[0]);
            simple(connection, "GET", path)
        }
        Work::BlobHead => {
            let path = format!("/v2/{REPOSITORY}/blobs/{}", plan.digests[0]);
            simple(connection, "HEAD", path)
        }
        Work::ManifestHead => simple(connection, "HEAD", manifest_path("latest")),
        Work::ManifestGet => simple(connection, "GET", manifest_path("latest")),
        Work::Tags => all_tags(connection),
    }
}

fn manifest_path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// Pushes the blobs that `pull` reads (of `--size`), and a manifest.
fn fill(options: &Options) -> Result<String, Failure> {
    let mut connection = Connection::open(&options.address)?;
    let body = noise(options.size.saturating_sub(8));
    let blob = digest(0, &body);
    push(
        &mut connection,
        REPOSITORY,
        &[&0u64.to_be_bytes(), &body],
        &blob,
    )?;
    let config = b"{}";
    push(
        &mut connection,
        REPOSITORY,
        &[config],
        &Digest::sha256(config),
    )?;
    let layer = |digest: &Digest, size: usize, kind: &str| json!({ "mediaType": kind, "digest": digest.to_string(), "size": size });
    // As large as an image's usual manifest.
    let layers = vec![
        layer(
            &blob,
            options.size,
            "application/vnd.oci.image.layer.v1.tar"
        );
        12
    ];
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layer(&Digest::sha256(config), 2, "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    })
    .to_string();
    let headers = format!("Content-Type: {MANIFEST}\r\n");
    connection.send(
        "PUT",
        &manifest_path("latest"),
        &headers,
        &[manifest.as_bytes()],
    )?;
    connection.answer("PUT", 201)?;
    Ok(json!({ "manifest": Digest::sha256(manifest.as_bytes()).to_string() }).to_string())
}

/// POST and PUT, as most clients push what they have whole.
fn push(
    connection: &mut Connection,
    repository: &str,
    parts: &[&[u8]],
    digest: &Digest,
) -> Result<u64, Failure> {
    connection.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[])?;
    let location = connection.answer("POST", 202)?.location;
    let location = location.ok_or("no Location")?;
    let path = match location.split_once("://") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').map_or("", |parts| parts.1)),
        None => location,
    };
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}digest={digest}");
    connection.send("PUT", &path, "", parts)?;
    connection.answer("PUT", 201)?;
    Ok(parts.iter().map(|part| part.len() as u64).sum())
}

/// Follows the pages to the end.
fn all_tags(connection: &mut Connection) -> Result<u64, Failure> {
    let mut path = Some("/v2/bench/tags/tags/list?n=1000".to_owned());
    let mut bytes = 0;
    while let Some(here) = path {
        connection.send("GET", &here, "", &[])?;
        let answer = connection.answer("GET", 200)?;
        bytes += answer.length;
        path = answer.next;
    }
    Ok(bytes)
}

fn digest(number: u64, body: &[u8]) -> Digest {
    let mut hasher = kiln_oci::Hasher::sha256();
    hasher.update(&number.to_be_bytes());
    hasher.update(body);
    hasher.finish()
}

/// Bytes that no compression makes smaller.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

struct Connection {
    host: String,
    stream: BufReader<TcpStream>,
    buffer: Vec<u8>,
}

struct Answer {
    length: u64,
    location: Option<String>,
    next: Option<String>,
}

impl Connection {
    fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            host: address.to_owned(),
            stream: BufReader::with_capacity(64 << 10, stream),
            buffer: vec![0; 256 << 10],
        })
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        parts: &[&[u8]],
    ) -> Result<(), Failure> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let host = &self.host;
        let length = match method {
            "GET" | "HEAD" => String::new(),
            _ => format!("Content-Length: {length}\r\n"),
        };
        let accept = format!("Accept: {MANIFEST}\r\n");
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{accept}{headers}{length}\r\n")
                .into_bytes();
        let stream = self.stream.get_mut();
        // Small bodies go out with the head.
        if let [part] = parts
            && part.len() < 64 << 10
        {
            head.extend(*part);
            stream.write_all(&head)?;
            return Ok(());
        }
        stream.write_all(&head)?;
        for part in parts {
            stream.write_all(part)?;
        }
        Ok(())
    }

    fn answer(&mut self, method: &str, expected: u16) -> Result<Answer, Failure> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status: u16 = line.split(' ').nth(1).unwrap_or("").parse()?;
        let mut answer = Answer {
            length: 0,
            location: None,
            next: None,
        };
        let mut is_chunked = false;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.parse()?,
                "transfer-encoding" => is_chunked = value == "chunked",
                "location" => answer.location = Some(value.to_owned()),
                "link" => {
                    let target = value
                        .strip_prefix('<')
                        .and_then(|text| text.split_once('>'));
                    answer.next = target.map(|(target, _)| target.to_owned());
                }
                _ => {}
            }
        }
        if status == 100 {
            return self.answer(method, expected);
        }
        if method != "HEAD" {
            match is_chunked {
                true => answer.length = self.skip_chunks()?,
                false => self.skip(answer.length)?,
            }
        }
        if status != expected {
            return Err(format!("{method}: {status} instead of {expected}").into());
        }
        Ok(answer)
    }

    fn skip(&mut self, mut length: u64) -> Result<(), Failure> {
        while length > 0 {
            let most = self.buffer.len().min(usize::try_from(length)?);
            let read = self.stream.read(&mut self.buffer[..most])?;
            if read == 0 {
                return Err("the body ended early".into());
            }
            length -= read as u64;
        }
        Ok(())
    }

    fn skip_chunks(&mut self) -> Result<u64, Failure> {
        let mut all = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16)?;
            self.skip(size)?;
            self.stream.read_line(&mut line)?;
            all += size;
            if size == 0 {
                return Ok(all);
            }
        }
    }
}
