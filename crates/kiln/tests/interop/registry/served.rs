//! `kiln serve` as a process, open or with accounts and one project.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server. Dropping it ends it.
pub(crate) struct Served {
    child: Child,
    address: String,
    /// The administrator's password, if there are accounts.
    password: Option<String>,
}

impl Served {
    /// Starts one with its state in `folder`, and makes the project `team` if it has accounts.
    pub(crate) fn start(folder: &Path, with_login: bool) -> Result<Self, String> {
        let wrong = |error: std::io::Error| format!("kiln serve: {error}");
        let log = File::create(folder.join("serve.log")).map_err(wrong)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.join("data"));
        if !with_login {
            command.arg("--open");
        }
        command.stdin(Stdio::null()).stdout(log);
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(wrong)?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let mut served = Self {
            child,
            address: String::new(),
            password: None,
        };
        let last = if with_login {
            "password: "
        } else {
            "no accounts"
        };
        let mut said = String::new();
        for line in BufReader::new(stderr).lines() {
            let line = line.map_err(wrong)?;
            if let Some((_, address)) = line.split_once("://") {
                address.clone_into(&mut served.address);
            }
            if let Some((_, password)) = line.split_once("password: ") {
                served.password = Some(password.to_owned());
            }
            said.push_str(&line);
            if line.contains(last) {
                served.make_project()?;
                return Ok(served);
            }
        }
        Err(format!("kiln serve ended: {said}"))
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Name and password, if one has to log in.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        self.password.as_deref().map(|password| ("admin", password))
    }

    fn make_project(&self) -> Result<(), String> {
        let Some((name, password)) = self.login() else {
            return Ok(());
        };
        let exchange = || {
            let mut stream = TcpStream::connect(&self.address)?;
            let body = "{\"name\":\"team\"}";
            let credentials = base64(format!("{name}:{password}").as_bytes());
            let head = format!(
                "POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 Authorization: Basic {credentials}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(|error: std::io::Error| error.to_string())?;
        if answer.starts_with("HTTP/1.1 201 ") {
            return Ok(());
        }
        Err(format!("the project cannot be made: {answer}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Its folder goes with the peers' work.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let value = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let digit = DIGITS[(value >> (18 - 6 * position)) as usize & 63];
            let is_padding = position > chunk.len();
            text.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    text
}
