//! The two registries, each with a directory and a port of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peers;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running registry. Dropping it ends it and removes its directory.
pub(in crate::bench) struct Server {
    name: &'static str,
    address: String,
    folder: PathBuf,
    child: Child,
    /// From its start to its first answer.
    startup: Duration,
    /// Bytes resident then.
    idle: u64,
}

/// kiln, open, without a log of requests, as the peer has none.
pub(in crate::bench) fn kiln(binary: &Path) -> Result<Server, String> {
    let folder = folder("kiln")?;
    let address = free_address()?;
    let settings = format!("listen = ['{address}']\nopen = true\n[log]\nrequests = false\n");
    let config = write(&folder, "kiln-server.toml", &settings)?;
    let mut command = Command::new(binary);
    command.args(["serve", "--config"]).arg(config);
    command.arg("--data").arg(folder.join("data"));
    start("kiln", address, folder, command)
}

/// Debian's registry with the cache that its own configuration has.
pub(in crate::bench) fn peer() -> Result<Server, String> {
    let folder = folder("docker-registry")?;
    let address = free_address()?;
    let data = folder.join("data");
    let settings = format!(
        "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\n\
         storage:\n  cache:\n    blobdescriptor: inmemory\n  filesystem:\n    rootdirectory: {}\n    \
         maxthreads: 1000\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
        data.display()
    );
    let config = write(&folder, "config.yml", &settings)?;
    let mut command = peers::enter(&peers::folder(None)?);
    command.arg("--share").arg(&folder);
    command.args(["docker-registry", "serve"]).arg(config);
    start("docker-registry", address, folder, command)
}

fn folder(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("kiln-bench-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// A port that was free a moment ago. Only a benchmark may rely on that.
fn free_address() -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.to_string())
}

fn start(
    name: &'static str,
    address: String,
    folder: PathBuf,
    mut command: Command,
) -> Result<Server, String> {
    let begin = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let mut server = Server {
        name,
        address,
        folder,
        child,
        startup: Duration::ZERO,
        idle: 0,
    };
    while !server.answers() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("{name} does not answer on {}", server.address));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    server.startup = begin.elapsed();
    server.idle = server.status("VmRSS:")?;
    Ok(server)
}

impl Server {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(in crate::bench) fn address(&self) -> &str {
        &self.address
    }

    pub(in crate::bench) fn folder(&self) -> &Path {
        &self.folder
    }

    fn answers(&self) -> bool {
        self.ask("GET", "/v2/", "", b"")
            .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<String, String> {
        let exchange = || {
            let mut stream = TcpStream::connect(&self.address)?;
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            let mut answer = vec![];
            stream.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        exchange().map_err(|error: std::io::Error| format!("{}: {error}", self.name))
    }

    /// Makes the repository `bench/tags` with many tags of one manifest, the fastest way there is: what
    /// is measured is how they are listed.
    pub(super) fn make_tags(&self, filled: &Value, count: usize) -> Result<(), String> {
        let digest = filled["manifest"]
            .as_str()
            .ok_or("the load said no digest")?;
        let tags: Vec<String> = (0..count)
            .map(|number| format!("tag-{number:06}"))
            .collect();
        if self.name == "kiln" {
            return self.push_tags(&tags);
        }
        let hex = digest.trim_start_matches("sha256:");
        let repositories = self
            .folder
            .join("data/docker/registry/v2/repositories/bench");
        let manifests = repositories.join("tags/_manifests");
        let link = |folder: PathBuf| {
            fs::create_dir_all(&folder)
                .and_then(|()| fs::write(folder.join("link"), digest))
                .map_err(|error| format!("{}: {error}", folder.display()))
        };
        link(manifests.join("revisions/sha256").join(hex))?;
        for tag in tags {
            link(manifests.join("tags").join(tag).join("current"))?;
        }
        Ok(())
    }

    /// A hundred with each request.
    fn push_tags(&self, tags: &[String]) -> Result<(), String> {
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[]}}"#);
        for tags in tags.chunks(100) {
            let path = format!("/v2/bench/tags/manifests/{}", tags[0]);
            let more: Vec<String> = tags[1..].iter().map(|tag| format!("tag={tag}")).collect();
            let path = format!("{path}?{}", more.join("&"));
            let headers = format!("Content-Type: {kind}\r\n");
            let answer = self.ask("PUT", &path, &headers, index.as_bytes())?;
            if !answer.starts_with("HTTP/1.1 201") {
                return Err(format!("{}: {answer}", self.name));
            }
        }
        Ok(())
    }

    /// A number of kilobytes from /proc/PID/status, in bytes. Starting execs only, so that the child is
    /// the server.
    fn status(&self, key: &str) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number
            .map(|kilobytes| kilobytes * 1024)
            .ok_or(format!("no {key} in {path}"))
    }
}

/// A table of what the servers took.
pub(super) fn memory(servers: &[Server]) -> Result<Vec<Vec<String>>, String> {
    let columns = [
        "server",
        "start ms",
        "idle MiB",
        "peak MiB",
        "afterwards MiB",
    ];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1_048_576.0);
    for server in servers {
        rows.push(vec![
            server.name.to_owned(),
            format!("{:.0}", server.startup.as_secs_f64() * 1e3),
            mebibytes(server.idle),
            mebibytes(server.status("VmHWM:")?),
            mebibytes(server.status("VmRSS:")?),
        ]);
    }
    Ok(rows)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
