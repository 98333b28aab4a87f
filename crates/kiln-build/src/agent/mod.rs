//! The ssh agents that RUN steps may ask: the person's own, or one that kiln itself is, with keys from files.
//!
//! A step gets a socket of its own ([`crate::stage`]). What comes in there is answered one request after the
//! other: requests for keys and for signatures are, everything else is refused, so that a step can use a key but
//! neither take one out of the person's agent nor put one in. Source: `draft-ietf-sshm-ssh-agent`, sections 3 to 5;
//! BuildKit's agents are read-only in the same way.
//!
//! Keys are read here and signed with by ring, which TLS has brought into the tree anyway. Weighed against
//! RustCrypto's `ssh-key`: 0.6 brings a second generation of hashes and the `rsa` crate with its open advisory
//! (RUSTSEC-2023-0071), 0.7 is a pre-release; either is some thirty crates for four file formats.

mod key;
mod pem;
mod rsa;
mod wire;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use key::{KeyError, SshKey};

use wire::{Reader, string};

/// The longest message that is taken. Source: OpenSSH, `AGENT_MAX_LEN`.
const LONGEST: u32 = 256 << 10;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION: u8 = 27;
const EXTENSION_FAILURE: u8 = 28;

/// Who signs.
#[derive(Debug, Clone)]
pub enum SshAgent {
    /// An agent that listens at this socket.
    Socket(PathBuf),
    /// Keys that kiln holds itself.
    Keys(Arc<[SshKey]>),
}

impl SshAgent {
    /// Whether somebody answers.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self {
            Self::Socket(path) => UnixStream::connect(path).map(drop),
            Self::Keys(_) => Ok(()),
        }
    }

    /// The agent's name, for messages.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Keys(_) => "in kiln".to_owned(),
        }
    }

    /// Answers what comes from `client` until it hangs up.
    ///
    /// # Errors
    /// If either side breaks off, or the client says something that is no message.
    pub(crate) fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let mut upstream = None;
        while let Some(request) = receive(&mut client)? {
            let answer = match (request.first(), self) {
                (Some(&(REQUEST_IDENTITIES | SIGN_REQUEST | EXTENSION)), Self::Socket(path)) => {
                    forward(&mut upstream, path, &request)?
                }
                (_, Self::Keys(keys)) => answer(keys, &request),
                (_, Self::Socket(_)) => vec![FAILURE],
            };
            send(&mut client, &answer)?;
        }
        Ok(())
    }
}

/// Asks the agent at `path`, over one connection for each client: an agent binds a session to its connection.
fn forward(upstream: &mut Option<UnixStream>, path: &Path, request: &[u8]) -> io::Result<Vec<u8>> {
    let stream = match upstream {
        Some(stream) => stream,
        None => upstream.insert(UnixStream::connect(path)?),
    };
    send(stream, request)?;
    receive(stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The next message; `None` at the end of the connection.
fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length);
    if length == 0 || length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes"),
        ));
    }
    let mut message = vec![];
    stream.take(u64::from(length)).read_to_end(&mut message)?;
    match message.len() == length as usize {
        true => Ok(Some(message)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let mut framed = vec![];
    string(&mut framed, message);
    stream.write_all(&framed)
}

/// What an agent with `keys` says to `request`.
fn answer(keys: &[SshKey], request: &[u8]) -> Vec<u8> {
    match request.split_first() {
        Some((&REQUEST_IDENTITIES, _)) => {
            let mut answer = vec![IDENTITIES_ANSWER];
            let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            answer.extend(count.to_be_bytes());
            for key in keys {
                string(&mut answer, key.public());
                string(&mut answer, key.comment().as_bytes());
            }
            answer
        }
        Some((&SIGN_REQUEST, body)) => match sign(keys, body) {
            Some(signature) => {
                let mut answer = vec![SIGN_RESPONSE];
                string(&mut answer, &signature);
                answer
            }
            None => vec![FAILURE],
        },
        Some((&EXTENSION, _)) => vec![EXTENSION_FAILURE],
        _ => vec![FAILURE],
    }
}

/// The signature that a request asks for: the public key, the data, and flags about hashes.
fn sign(keys: &[SshKey], body: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(body);
    let (public, data, flags) = (reader.string()?, reader.string()?, reader.number()?);
    let key = keys.iter().find(|key| key.public() == public)?;
    key.sign(data, flags)
}

#[cfg(test)]
mod tests;
