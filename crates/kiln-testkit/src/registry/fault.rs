//! What can be made to go wrong.

use std::sync::{Mutex, PoisonError};

use super::http::{Reply, Request};

/// How a request goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer instead of the right one.
    Answer {
        /// Its status.
        status: u16,
        /// Its header fields beside the length.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Vec<u8>,
    },
    /// The connection ends before any answer; nothing of the body is read.
    HangUp,
    /// The connection ends after so many bytes of the request's body. An upload keeps them.
    HangUpAfter(u64),
    /// The answer's body ends after so many bytes, short of its announced length.
    Cut(usize),
    /// The answer announces no length, and its body ends after so many bytes.
    CutUnframed(usize),
    /// The answer's content has one byte changed.
    WrongByte,
    /// The answer announces this length.
    WrongLength(u64),
    /// The answer goes on with blanks for as long as the client reads.
    Endless,
    /// The answer has a header of that many bytes more.
    LongHeader(usize),
    /// The answer says that its content has another digest.
    WrongDigestHeader,
}

impl Fault {
    /// A status with an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec![],
            body: vec![],
        }
    }

    /// A status with one header field and an empty body.
    #[must_use]
    pub fn with_header(status: u16, name: &str, value: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![(name.to_owned(), value.to_owned())],
            body: vec![],
        }
    }

    pub(super) fn spoil(self, mut reply: Reply) -> Reply {
        match self {
            Self::Answer { .. } | Self::HangUp | Self::HangUpAfter(_) => {}
            Self::Cut(bytes) => reply.cut = Some(bytes),
            Self::CutUnframed(bytes) => {
                reply.cut = Some(bytes);
                reply.unframed = true;
            }
            Self::WrongByte => {
                if let Some(byte) = reply.body.last_mut() {
                    *byte ^= 1;
                }
            }
            Self::WrongLength(length) => reply.length = Some(length),
            Self::Endless => reply.endless = true,
            Self::LongHeader(bytes) => return reply.header("X-Long", "x".repeat(bytes)),
            Self::WrongDigestHeader => {
                reply
                    .headers
                    .retain(|(name, _)| name != "Docker-Content-Digest");
                let digest = kiln_oci::Digest::sha256(b"something else");
                return reply.header("Docker-Content-Digest", digest.to_string());
            }
        }
        reply
    }
}

/// Which requests go wrong, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    method: &'static str,
    part: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// The next request with that method whose target contains `part` goes wrong.
    #[must_use]
    pub fn once(method: &'static str, part: &str, fault: Fault) -> Self {
        Self {
            method,
            part: part.to_owned(),
            skip: 0,
            times: 1,
            fault,
        }
    }

    /// So many requests.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// All requests.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// The first requests that match go well.
    #[must_use]
    pub fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }
}

/// The fault of the first rule that matches.
pub(super) fn take(rules: &Mutex<Vec<Rule>>, request: &Request) -> Option<Fault> {
    let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
    for rule in rules.iter_mut() {
        if rule.times == 0 || rule.method != request.method || !request.target.contains(&rule.part)
        {
            continue;
        }
        if rule.skip > 0 {
            rule.skip -= 1;
            continue;
        }
        rule.times -= 1;
        return Some(rule.fault.clone());
    }
    None
}
