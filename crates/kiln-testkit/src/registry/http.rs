//! As much of HTTP/1.1 as a registry needs (RFC 9112).

use std::io::{self, BufRead, Read, Write};

/// A request as it arrives.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The values of a parameter of the query, decoded.
    pub(super) fn parameters(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        parameters(query, name)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).into_iter().next()
    }
}

/// The values of a parameter in a query or a form.
pub(super) fn parameters(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| decode(value))
        .collect()
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (byte, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                rest = &after[2..];
            }
            (b'+', _) => {
                out.push(b' ');
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The request line and the header fields; `None` when the connection ends.
pub(super) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    // A client that tries TLS sends no lines, and would wait for an answer for ever.
    if !stream
        .fill_buf()?
        .first()
        .is_some_and(u8::is_ascii_uppercase)
    {
        return Ok(None);
    }
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(Some(request));
        };
        request
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Reads the body. False when it is longer than allowed; then it was not read.
pub(super) fn read_body(
    stream: &mut impl BufRead,
    request: &mut Request,
    limit: Option<u64>,
) -> io::Result<bool> {
    if request
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            let mut chunk = stream.take(length + 2);
            chunk.read_to_end(&mut request.body)?;
            request.body.truncate(request.body.len().saturating_sub(2));
            if length == 0 {
                return Ok(true);
            }
        }
    }
    let length = content_length(request);
    if limit.is_some_and(|limit| length > limit) {
        return Ok(false);
    }
    read_some(stream, request, length)?;
    if (request.body.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(true)
}

/// Reads up to `most` bytes of the body.
pub(super) fn read_some(
    stream: &mut impl BufRead,
    request: &mut Request,
    most: u64,
) -> io::Result<()> {
    let length = content_length(request).min(most);
    stream.take(length).read_to_end(&mut request.body)?;
    Ok(())
}

fn content_length(request: &Request) -> u64 {
    request
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0)
}

/// What goes back.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Send only so much of the body, then hang up.
    pub(super) cut: Option<usize>,
    /// Announce this length instead of the true one.
    pub(super) length: Option<u64>,
    /// Announce no length: the end of the connection ends the body.
    pub(super) unframed: bool,
    /// Send the body again and again until the client hangs up.
    pub(super) endless: bool,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(super) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status)
            .header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// A refusal in the specified form.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            &serde_json::json!({"errors": [{"code": code, "message": message}]}),
        )
    }

    /// Sends it; false when the connection is of no more use.
    pub(super) fn send(&self, out: &mut dyn Write, head_only: bool) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.unframed && !self.endless && self.status != 204 {
            let length = self.length.unwrap_or(self.body.len() as u64);
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        out.write_all(head.as_bytes())?;
        if head_only {
            return Ok(true);
        }
        let end = self.cut.unwrap_or(self.body.len()).min(self.body.len());
        out.write_all(&self.body[..end])?;
        if self.endless {
            // Ends when the client hangs up.
            loop {
                out.write_all(&[b' '; 64 * 1024])?;
            }
        }
        out.flush()?;
        Ok(self.cut.is_none() && self.length.is_none() && !self.unframed)
    }
}
