//! `kiln serve` and `kiln serve check-config`. The protocol is tested in kiln-registry.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::World;

/// A running server.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: String,
    /// What it said until it listened, and for a moment after.
    pub(crate) said: String,
    pub(crate) stderr: BufReader<std::process::ChildStderr>,
}

impl Served {
    pub(crate) fn start(world: &World, args: &[&str]) -> Self {
        let all = ["serve", "--listen", "127.0.0.1:0"];
        let mut child = world
            .command(all.iter().chain(args))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {said}");
            said.push_str(&line);
            if let Some((_, address)) = line.trim_end().split_once("://") {
                break address.to_owned();
            }
        };
        Self {
            child,
            address,
            said,
            stderr,
        }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Ends it with a signal; its standard output and all of its standard error.
    pub(crate) fn end(mut self, signal: Signal) -> (String, String) {
        self.signal(signal);
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.said);
        (stdout, std::mem::take(&mut self.said))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Only a failed test leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_open_server_answers_logs_and_ends() {
    let world = World::new();
    let served = Served::start(&world, &["--open"]);
    assert!(served.get("/v2/").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(served.get("/healthz").ends_with("\r\n\r\nok\n"));
    assert!(served.get("/readyz").ends_with("\r\n\r\nok\n"));
    let metrics = served.get("/metrics");
    assert!(
        metrics.contains("kiln_registry_requests_total{operation=\"base\",status=\"200\"} 1\n"),
        "{metrics}"
    );
    let (stdout, stderr) = served.end(Signal::TERM);
    assert!(stderr.contains("there are no accounts"), "{stderr}");
    let lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    // Probes are not logged.
    assert_eq!(events, ["listening", "request", "stopped"]);
    assert_eq!(lines[1]["path"], "/v2/");
    assert_eq!(lines[1]["status"], 200);
}

#[test]
fn the_first_start_shows_a_password_once() {
    let world = World::new();
    let first = Served::start(&world, &[]);
    let answer = first.get("/v2/");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let challenge = "www-authenticate: Bearer realm=\"http://x/token\"";
    assert!(
        answer.to_lowercase().contains(&challenge.to_lowercase()),
        "{answer}"
    );
    let (stdout, stderr) = first.end(Signal::INT);
    assert!(stderr.contains("password: "), "{stderr}");
    assert!(!stdout.contains("password"), "{stdout}");
    let (_, stderr) = Served::start(&world, &[]).end(Signal::TERM);
    assert!(!stderr.contains("password"), "{stderr}");
}

#[test]
fn a_certificate_is_made_for_trying_out() {
    let world = World::new();
    let served = Served::start(&world, &["--open", "--self-signed"]);
    served.signal(Signal::HUP);
    assert!(served.said.contains("https://"), "{}", served.said);
    let (stdout, stderr) = served.end(Signal::TERM);
    assert!(stderr.contains("registry/tls/certificate.pem"), "{stderr}");
    assert!(world.home().join("registry/tls/key.pem").exists());
    assert!(stdout.contains("certificate read again"), "{stdout}");
}

#[test]
fn two_servers_do_not_share_their_state() {
    let world = World::new();
    let served = Served::start(&world, &["--open"]);
    let stderr = world
        .kiln(["serve", "--open", "--listen", "127.0.0.1:0"])
        .fails(1);
    assert!(stderr.contains("registry.db"), "{stderr}");
    let taken = [
        "serve",
        "--open",
        "--data",
        "other",
        "--listen",
        &served.address,
    ];
    let stderr = world.kiln(taken).fails(1);
    assert!(
        stderr.contains(&format!("cannot listen on {}", served.address)),
        "{stderr}"
    );
    served.end(Signal::TERM);
}

#[test]
fn an_open_server_stays_on_this_machine() {
    let world = World::new();
    let stderr = world
        .kiln(["serve", "--open", "--listen", "0.0.0.0:0"])
        .fails(1);
    assert!(stderr.contains("loopback"), "{stderr}");
}

#[test]
fn a_configuration_is_checked() {
    let world = World::new();
    let defaults = world.kiln(["serve", "check-config", "--defaults"]).ok();
    world.write("kiln-server.toml", &defaults);
    let check = ["serve", "check-config", "kiln-server.toml"];
    assert_eq!(world.kiln(check).ok(), "kiln-server.toml is right\n");

    world.write("kiln-server.toml", "[limits]\nuplaods = 3\n");
    let stderr = world.kiln(check).fails(1);
    assert!(
        stderr.contains("unknown field `uplaods`") && stderr.contains("line 2"),
        "{stderr}"
    );

    world.write(
        "kiln-server.toml",
        "open = true\nlisten = ['0.0.0.0:1']\n[limits]\npage = 0\n",
    );
    let stderr = world.kiln(check).fails(1);
    for part in ["open: ", "limits.page: "] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let stderr = world
        .kiln(["serve", "--config", "kiln-server.toml"])
        .fails(1);
    assert!(stderr.contains("open: "), "{stderr}");

    world.write(
        "kiln-server.toml",
        "[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'\n",
    );
    let stderr = world.kiln(check).fails(1);
    assert!(stderr.contains("c.pem"), "{stderr}");

    let settings = "[database]\npostgres = 'postgresql://kiln@db/kiln'\npassword_file = 'secret'\n";
    world.write("kiln-server.toml", settings);
    let stderr = world.kiln(check).fails(1);
    assert!(
        stderr.contains("secret") && stderr.contains("database.password_file"),
        "{stderr}"
    );
    world.write("secret", "two\nlines\n");
    let stderr = world.kiln(check).fails(1);
    assert!(stderr.contains("one line"), "{stderr}");
    world.write("secret", "one line\n");
    // Nothing is connected to.
    assert_eq!(world.kiln(check).ok(), "kiln-server.toml is right\n");

    world.write(
        "kiln-server.toml",
        "[s3]\nbucket = 'blobs'\npart = '1 MiB'\n",
    );
    let stderr = world.kiln(check).fails(1);
    for part in ["s3.endpoint: ", "s3.access_key: ", "s3.part: from 5 MiB"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert!(
        !world.home().join("registry").exists(),
        "checking makes nothing"
    );
}

#[test]
fn a_lost_password_is_replaced() {
    let world = World::new();
    let stderr = world.kiln(["serve", "reset-admin"]).fails(1);
    assert!(stderr.contains("there is no registry"), "{stderr}");
    let served = Served::start(&world, &[]);
    served.end(Signal::TERM);
    let password = world.kiln(["serve", "reset-admin"]).ok();
    let served = Served::start(&world, &[]);
    assert!(!served.said.contains("password"), "{}", served.said);
    let login = |password: &str| {
        world
            .command([
                "login",
                "--username",
                "admin",
                "--password-stdin",
                &served.address,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(|mut child| {
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(password.as_bytes()).unwrap();
                drop(stdin);
                child.wait().unwrap().success()
            })
            .unwrap()
    };
    assert!(login(password.trim_end()));
    assert!(!login("another password"));
    served.end(Signal::TERM);
}
