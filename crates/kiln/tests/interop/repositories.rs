//! The contexts of cases as git repositories, served to all builders by git's own daemon.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::peers;

/// How long the daemon may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time of the commits, in seconds since 1970.
const COMMIT_TIME: u64 = 1_600_000_000;

/// Commits all of `folder` and calls that `v1`, on a branch `main`.
pub(crate) fn commit(folder: &Path) -> Result<(), String> {
    let script = "git init -q -b main . && git add -A && git commit -q -m all && git tag v1";
    let mut shell = Command::new("sh");
    shell.args(["-euc", script]).current_dir(folder);
    shell.env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        shell.env(format!("GIT_{who}_NAME"), "kiln");
        shell.env(format!("GIT_{who}_EMAIL"), "kiln@localhost");
        shell.env(format!("GIT_{who}_DATE"), format!("@{COMMIT_TIME} +0000"));
    }
    peers::output(shell.stdin(Stdio::null())).map(drop)
}

/// git's daemon; it ends when this is dropped.
pub(crate) struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    /// Serves every repository below `folder`, and waits until it does.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        let said = peers::output(Command::new("git").arg("--exec-path"))?;
        let programs = PathBuf::from(String::from_utf8_lossy(&said).trim());
        let port = free_port().map_err(|error| error.to_string())?;
        let log = fs::File::create(folder.join("git-daemon.log"));
        let log = log.map_err(|error| format!("{}: {error}", folder.display()))?;
        // The program itself: `git daemon` would be its parent, and end without it.
        let mut command = Command::new(programs.join("git-daemon"));
        command.args(["--export-all", "--listen=127.0.0.1"]);
        command.arg(format!("--port={port}"));
        command.arg(format!("--base-path={}", folder.display()));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command
            .spawn()
            .map_err(|error| format!("git-daemon: {error}"))?;
        let mut daemon = Self {
            child,
            url: format!("git://127.0.0.1:{port}"),
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = matches!(daemon.child.try_wait(), Ok(Some(_)));
            if ended || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(folder.join("git-daemon.log")).unwrap_or_default();
                return Err(format!("git-daemon does not answer:\n{log}"));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(daemon)
    }

    /// Where `path`, relative to the folder, is found.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// git's daemon says nowhere which port it took, so one is chosen for it.
fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
