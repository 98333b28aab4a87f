//! Helper programs that keep credentials: `docker-credential-NAME get`, `store`, `erase`, JSON on standard input and
//! output.
//!
//! Source: the docker-credential-helpers project, "Development": a server's URL goes in, `{"ServerURL", "Username",
//! "Secret"}` comes out; on failure the message is on standard output.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::CredentialsError;
use crate::answer::clean;

/// The most that a helper's output is read, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

/// How often a helper that has closed its output is looked at.
const LOOK_UP: Duration = Duration::from_millis(5);

/// What a helper knows of a server.
#[derive(Deserialize, Serialize)]
pub(super) struct Login {
    #[serde(rename = "ServerURL", default)]
    pub(super) server: String,
    #[serde(rename = "Username")]
    pub(super) username: String,
    #[serde(rename = "Secret")]
    pub(super) secret: String,
}

/// A program that keeps credentials.
pub(super) struct Helper {
    /// `docker-credential-NAME`.
    pub(super) program: String,
    path: PathBuf,
    timeout: Duration,
}

impl Helper {
    /// The helper of that name, looked for in `folders` before the process's own search path.
    pub(super) fn new(
        name: &str,
        folders: &[PathBuf],
        timeout: Duration,
    ) -> Result<Self, CredentialsError> {
        // A name with a slash would be a path: files are not to choose any program on the disk.
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        {
            return Err(CredentialsError::HelperName { name: clean(name) });
        }
        let program = format!("docker-credential-{name}");
        let own = folders
            .iter()
            .map(|folder| folder.join(&program))
            .find(|path| path.is_file());
        Ok(Self {
            path: own.unwrap_or_else(|| PathBuf::from(&program)),
            program,
            timeout,
        })
    }

    /// What it knows of a server; `None` if nothing.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>, CredentialsError> {
        let (success, output) = self.run("get", server.as_bytes())?;
        if !success {
            let message = String::from_utf8_lossy(&output);
            // The one message that all helpers share.
            return if message.contains("credentials not found") {
                Ok(None)
            } else {
                Err(self.failed(&message))
            };
        }
        let login: Login =
            serde_json::from_slice(&output).map_err(|_| self.failed("its answer is no JSON"))?;
        Ok((!login.secret.is_empty()).then_some(login))
    }

    /// Gives it a login to keep.
    pub(super) fn store(&self, login: &Login) -> Result<(), CredentialsError> {
        let input = serde_json::to_vec(login).expect("because strings have a JSON form");
        self.expect_success("store", &input)
    }

    /// Makes it forget a server.
    pub(super) fn erase(&self, server: &str) -> Result<(), CredentialsError> {
        match self.run("erase", server.as_bytes())? {
            (true, _) => Ok(()),
            (false, output) => {
                let message = String::from_utf8_lossy(&output);
                if message.contains("not found") {
                    Ok(())
                } else {
                    Err(self.failed(&message))
                }
            }
        }
    }

    fn expect_success(&self, action: &str, input: &[u8]) -> Result<(), CredentialsError> {
        match self.run(action, input)? {
            (true, _) => Ok(()),
            (false, output) => Err(self.failed(&String::from_utf8_lossy(&output))),
        }
    }

    fn failed(&self, message: &str) -> CredentialsError {
        CredentialsError::Helper {
            program: self.program.clone(),
            message: clean(message),
        }
    }

    /// Runs it: whether it succeeded, and its output.
    fn run(&self, action: &str, input: &[u8]) -> Result<(bool, Vec<u8>), CredentialsError> {
        let start = |source| CredentialsError::HelperStart {
            program: self.program.clone(),
            source,
        };
        let deadline = Instant::now() + self.timeout;
        let mut child = Command::new(&self.path)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(start)?;
        let result = self.converse(&mut child, input, deadline);
        if result.is_err() {
            // It must not outlive the question. It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        result
    }

    fn converse(
        &self,
        child: &mut Child,
        input: &[u8],
        deadline: Instant,
    ) -> Result<(bool, Vec<u8>), CredentialsError> {
        let late = || CredentialsError::HelperTimeout {
            program: self.program.clone(),
            after: self.timeout,
        };
        let start = |source| CredentialsError::HelperStart {
            program: self.program.clone(),
            source,
        };
        let (mut stdin, stdout) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .expect("because both were piped");
        let input = input.to_vec();
        // A helper that does not read is as bad as one that does not write: neither may hold us up.
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || {
            let written = stdin.write_all(&input);
            drop(stdin);
            let mut output = Vec::new();
            let read = stdout.take(MAX_OUTPUT).read_to_end(&mut output);
            let result = match (written, read) {
                // One that knows the answer without being asked is fine.
                (Err(error), _) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                (_, Err(error)) => Err(error),
                _ => Ok(output),
            };
            // Nobody may wait any more.
            let _ = sender.send(result);
        });
        let left = deadline.saturating_duration_since(Instant::now());
        let output = receiver
            .recv_timeout(left)
            .map_err(|_| late())?
            .map_err(start)?;
        loop {
            if let Some(status) = child.try_wait().map_err(start)? {
                return Ok((status.success(), output));
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            thread::sleep(LOOK_UP);
        }
    }
}
