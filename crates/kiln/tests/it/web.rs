//! A small HTTP server on the loopback interface, with files and git repositories for one test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::world::{World, not_checked};

/// What a path gives.
#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// The first bytes of something that is announced as longer.
    Cut(Vec<u8>),
    /// A directory of bare repositories, spoken to by `git http-backend`.
    Smart(PathBuf),
    /// The same as mere files, as a server without git gives them.
    Dumb(PathBuf),
}

/// Answers until it is dropped.
pub(crate) struct Web {
    address: SocketAddr,
    contents: Arc<Mutex<BTreeMap<String, Content>>>,
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicBool>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let web = Self {
            address: listener.local_addr().unwrap(),
            contents: Arc::default(),
            asked: Arc::default(),
            closed: Arc::default(),
        };
        let (contents, asked) = (Arc::clone(&web.contents), Arc::clone(&web.asked));
        let closed = Arc::clone(&web.closed);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let (contents, asked) = (Arc::clone(&contents), Arc::clone(&asked));
                // A client that hangs up early is its own affair.
                std::thread::spawn(move || answer(stream?, &contents, &asked));
            }
        });
        web
    }

    /// `http://127.0.0.1:PORT/path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Gives `bytes` at `path`; the URL.
    pub(crate) fn file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> String {
        self.put(path, Content::Bytes(bytes.into()))
    }

    /// Gives `bytes` at `path` and hangs up where more should come.
    pub(crate) fn cut(&self, path: &str, bytes: impl Into<Vec<u8>>) -> String {
        self.put(path, Content::Cut(bytes.into()))
    }

    /// Gives the repositories in `directory` below `smart/` and `dumb/`.
    pub(crate) fn repositories(&self, directory: &Path) {
        self.put("smart", Content::Smart(directory.to_owned()));
        self.put("dumb", Content::Dumb(directory.to_owned()));
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn put(&self, path: &str, content: Content) -> String {
        self.contents
            .lock()
            .unwrap()
            .insert(path.to_owned(), content);
        self.url(path)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(
    stream: TcpStream,
    contents: &Mutex<BTreeMap<String, Content>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_start_matches('/');
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let body = body(&mut reader, &headers)?;
    asked.lock().unwrap().push(path.to_owned());
    let first = path.split('/').next().unwrap_or_default();
    let content = {
        let contents = contents.lock().unwrap();
        contents.get(path).or_else(|| contents.get(first)).cloned()
    };
    let inner = path
        .strip_prefix(first)
        .unwrap_or_default()
        .trim_start_matches('/');
    let reply = match content {
        Some(Content::Bytes(bytes)) => reply("200 OK", bytes.len(), &bytes),
        Some(Content::Cut(bytes)) => reply("200 OK", bytes.len() + 1000, &bytes),
        Some(Content::Smart(root)) => backend(&root, method, inner, query, &headers, &body),
        Some(Content::Dumb(root)) => match fs::read(root.join(inner)) {
            Ok(bytes) => reply("200 OK", bytes.len(), &bytes),
            Err(_) => reply("404 Not Found", 0, b""),
        },
        None => reply("404 Not Found", 0, b""),
    };
    (&stream).write_all(&reply)
}

fn body(
    reader: &mut BufReader<TcpStream>,
    headers: &BTreeMap<String, String>,
) -> std::io::Result<Vec<u8>> {
    let mut body = vec![];
    if headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
            reader.by_ref().take(size).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    reader
        .by_ref()
        .take(length.unwrap_or(0))
        .read_to_end(&mut body)?;
    Ok(body)
}

fn reply(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Source of the interface: `git help http-backend`, and RFC 3875 for the variables.
fn backend(
    root: &Path,
    method: &str,
    path: &str,
    query: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Vec<u8> {
    let mut command = git(root, &["http-backend"]);
    command
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        command.envs(headers.get(header).map(|value| (variable, value)));
    }
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(body);
    let output = child.wait_with_output().unwrap().stdout;
    let end = output
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .map_or(0, |at| at + 4);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{}",
        output.len() - end,
        head.lines()
            .filter(|line| !line.starts_with("Status:"))
            .fold(String::new(), |all, line| all + line + "\r\n"),
    );
    [head.as_bytes(), &output[end..]].concat()
}

/// `git`, with nothing of the person's own settings, and at a fixed time.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "nobody")
            .env(format!("GIT_{role}_EMAIL"), "nobody@example.invalid")
            .env(format!("GIT_{role}_DATE"), format!("{COMMITTED} +0000"));
    }
    command
}

/// When everything is committed: 2001-09-09T01:46:40Z.
pub(crate) const COMMITTED: i64 = 1_000_000_000;

/// A repository that is worked on in a directory of its own, and published as `NAME.git`.
pub(crate) struct Repo {
    work: PathBuf,
    published: PathBuf,
}

impl Repo {
    /// An empty repository with the branch `main`; nothing where there is no git.
    pub(crate) fn new(test: &str, world: &World, name: &str) -> Option<Self> {
        if !git(&world.dir(), &["http-backend"])
            .output()
            .is_ok_and(|out| !out.stdout.is_empty())
        {
            not_checked(test, "there is no git with http-backend on this machine");
            return None;
        }
        let root = world.home().with_file_name("repositories");
        let repo = Self {
            work: root.join(format!("{name}.work")),
            published: root.join(format!("{name}.git")),
        };
        fs::create_dir_all(&repo.work).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        let bare = [
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            repo.published.to_str().unwrap(),
        ];
        assert!(git(&root, &bare).status().unwrap().success());
        Some(repo)
    }

    /// Where published repositories are.
    pub(crate) fn root(&self) -> &Path {
        self.published.parent().unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Commits all that was written and publishes it; the commit.
    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "change"]);
        self.publish();
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Publishes branches and tags.
    pub(crate) fn publish(&self) {
        let to = self.published.to_str().unwrap();
        self.git(&["push", "--quiet", "--force", to, "refs/*:refs/*"]);
        assert!(
            git(&self.published, &["update-server-info"])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Runs git in the working directory; what it says.
    #[track_caller]
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = git(&self.work, arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Builds `context` as the image `it`; what kiln says.
#[track_caller]
pub(crate) fn build(world: &World, context: &str, args: &[&str]) -> String {
    let all: Vec<&str> = ["build", "--progress=plain", "-t", "it", context]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    world.kiln(all).ok()
}

/// Expects that `context` cannot be built, and all of `expected` in the reason.
#[track_caller]
pub(crate) fn refused(world: &World, context: &str, args: &[&str], expected: &[&str]) {
    let all: Vec<&str> = ["build", context]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let error = world.kiln(all).fails(1);
    for part in expected {
        assert!(
            error.contains(part),
            "{part:?} in the answer to {context}:\n{error}"
        );
    }
    assert!(!error.contains("panicked"), "{error}");
}
