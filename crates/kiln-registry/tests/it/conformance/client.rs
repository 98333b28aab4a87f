//! A small blocking HTTP/1.1 client that sends exactly what it is told and shows exactly what came:
//! no redirects, no retries, no cleverness that could hide what a registry does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Longer than any registry takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a registry is, and who asks.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    /// Name and password.
    login: Option<(String, String)>,
    /// Whether they are sent before anybody asks.
    eager: bool,
}

/// What is sent.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// What was asked, for messages.
    asked: String,
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, decoded if it was chunked.
    pub body: Vec<u8>,
    /// Whether the body came in chunks, without a length.
    pub chunked: bool,
}

impl Target {
    /// From `http://HOST[:PORT]` or `https://…`. `authority` is a PEM file of certificates to trust.
    pub fn new(
        url: &str,
        login: Option<(String, String)>,
        authority: Option<&std::path::Path>,
    ) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("a URL has a scheme")?;
        let rest = rest.trim_end_matches('/');
        let default = if scheme == "https" { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (
                host,
                port.parse().map_err(|_| format!("`{port}` is no port"))?,
            ),
            _ => (rest, default),
        };
        let tls = match scheme {
            "http" => None,
            "https" => Some(trusting(authority)?),
            other => return Err(format!("`{other}` is neither http nor https")),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            login,
            eager: false,
        })
    }

    /// With name and password in each request, as Basic: nothing is sent twice, and no token narrows
    /// what the account may do.
    pub fn eager(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Sends a request and reads the answer; logs in when it is asked to and can.
    pub fn send(&self, request: &Request) -> Result<Response, String> {
        if let (true, Some((name, password))) = (self.eager, &self.login) {
            let basic = format!("Basic {}", base64(format!("{name}:{password}").as_bytes()));
            return self.send_once(request, Some(&basic));
        }
        let response = self.send_once(request, None)?;
        let (401, Some(login)) = (response.status, &self.login) else {
            return Ok(response);
        };
        let authorization = self.authorization(&response, login)?;
        self.send_once(request, Some(&authorization))
    }

    /// What the challenge asks for.
    fn authorization(
        &self,
        response: &Response,
        (name, password): &(String, String),
    ) -> Result<String, String> {
        let challenge = response.header("www-authenticate")?;
        let basic = format!("Basic {}", base64(format!("{name}:{password}").as_bytes()));
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            return Ok(basic);
        };
        let parameter = |key: &str| {
            let (_, rest) = parameters.split_once(&format!("{key}=\""))?;
            rest.split('"').next()
        };
        let realm = parameter("realm").ok_or("a Bearer challenge has a realm")?;
        let path = realm.splitn(4, '/').nth(3).unwrap_or("");
        let service = parameter("service").unwrap_or("");
        let scope = parameter("scope").map(|scope| format!("&scope={scope}"));
        let target = format!("/{path}?service={service}{}", scope.unwrap_or_default());
        let token = self.send_once(&Request::new("GET", target), Some(&basic))?;
        let json = token.expect(200)?.json()?;
        let token = json.get("token").or_else(|| json.get("access_token"));
        let token = token.and_then(serde_json::Value::as_str);
        Ok(format!("Bearer {}", token.ok_or("no token in the answer")?))
    }

    fn send_once(
        &self,
        request: &Request,
        authorization: Option<&str>,
    ) -> Result<Response, String> {
        let asked = format!("{} {}", request.method, request.target);
        let exchange = || -> Result<Response, std::io::Error> {
            let mut stream = self.connect()?;
            stream.write_all(&self.bytes(request, authorization))?;
            stream.flush()?;
            let mut stream = BufReader::new(stream);
            loop {
                let response = read(&mut stream, &request.method, &asked)?;
                // 100 Continue comes before the answer.
                if response.status >= 200 {
                    return Ok(response);
                }
            }
        };
        exchange().map_err(|error| format!("{asked}: {error}"))
    }

    /// A raw connection, for what is no proper request.
    pub fn connect(&self) -> Result<Box<dyn ReadWrite>, std::io::Error> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        let connection = ClientConnection::new(tls.clone(), name).map_err(std::io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }

    fn bytes(&self, request: &Request, authorization: Option<&str>) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n",
            request.method, request.target, self.host, self.port
        );
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(value) = authorization {
            head.push_str(&format!("Authorization: {value}\r\n"));
        }
        let mut body = request.body.clone().unwrap_or_default();
        if request.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
            let size = format!("{:x}\r\n", body.len());
            // A chunk of no bytes would be the last.
            body = match body.is_empty() {
                true => b"0\r\n\r\n".to_vec(),
                false => [size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat(),
            };
        } else if request.body.is_some() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &body].concat()
    }
}

/// A connection.
pub trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn trusting(authority: Option<&std::path::Path>) -> Result<Arc<ClientConfig>, String> {
    let path = authority.ok_or("for https name the certificates to trust")?;
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read(stream: &mut impl BufRead, method: &str, asked: &str) -> Result<Response, std::io::Error> {
    let invalid = |what: &str| std::io::Error::other(format!("no HTTP answer: {what}"));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status: u16 = status.ok_or_else(|| invalid(&line))?;
    let mut headers = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        asked: asked.to_owned(),
        status,
        headers,
        body: vec![],
        chunked: false,
    };
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Ok(response);
    }
    if response.find("transfer-encoding") == Some("chunked") {
        response.chunked = true;
        response.body = dechunked(stream)?;
    } else if let Some(length) = response.find("content-length") {
        let length: usize = length.parse().map_err(|_| invalid("Content-Length"))?;
        response.body = vec![0; length];
        stream.read_exact(&mut response.body)?;
    } else {
        stream.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

fn dechunked(stream: &mut impl BufRead) -> Result<Vec<u8>, std::io::Error> {
    let mut body = vec![];
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        let start = body.len();
        body.resize(start + size + 2, 0);
        stream.read_exact(&mut body[start..])?;
        body.truncate(start + size);
        if size == 0 {
            return Ok(body);
        }
    }
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: vec![],
            body: None,
            chunked: false,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body and its length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With a body of unknown length.
    #[must_use]
    pub fn stream(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.chunked = true;
        self.body(body)
    }
}

impl Response {
    /// The first header of a name.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every header of a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// A header that must be there.
    pub fn header(&self, name: &str) -> Result<&str, String> {
        self.find(name)
            .ok_or_else(|| format!("{}: {} without {name}", self.asked, self.status))
    }

    /// Demands a status.
    pub fn expect(self, status: u16) -> Result<Self, String> {
        self.expect_any(&[status])
    }

    /// Demands one of several.
    pub fn expect_any(self, allowed: &[u16]) -> Result<Self, String> {
        if allowed.contains(&self.status) {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(300).collect();
        Err(format!(
            "{}: {} instead of {allowed:?}: {body}",
            self.asked, self.status
        ))
    }

    /// Demands a header with a value.
    pub fn expect_header(self, name: &str, value: &str) -> Result<Self, String> {
        match self.find(name) {
            Some(found) if found == value => Ok(self),
            found => Err(format!(
                "{}: {name} is {found:?} instead of {value:?}",
                self.asked
            )),
        }
    }

    /// Demands a body with its length in the head.
    pub fn expect_body(self, body: &[u8]) -> Result<Self, String> {
        if self.body != body {
            return Err(format!(
                "{}: a body of {} bytes instead of {}, or other bytes",
                self.asked,
                self.body.len(),
                body.len()
            ));
        }
        let length = body.len().to_string();
        self.expect_header("content-length", &length)
    }

    /// Demands an error of the specification's form with one of its codes.
    pub fn expect_error(self, status: u16, code: &str) -> Result<Self, String> {
        let response = self.expect(status)?;
        let json = response.json()?;
        let error = json.get("errors").and_then(|errors| errors.get(0));
        let error = error.ok_or_else(|| format!("{}: no list of errors", response.asked))?;
        let found = error.get("code").and_then(serde_json::Value::as_str);
        let message = error.get("message").and_then(serde_json::Value::as_str);
        if found != Some(code) || message.is_none_or(str::is_empty) {
            return Err(format!("{}: {error} instead of {code}", response.asked));
        }
        let kind = response.header("content-type")?;
        if !kind.starts_with("application/json") {
            return Err(format!("{}: an error of type {kind}", response.asked));
        }
        Ok(response)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let body = String::from_utf8_lossy(&self.body);
            format!("{}: {error}: {body}", self.asked)
        })
    }

    /// Path and query of `Location`, absolute or relative.
    pub fn location(&self) -> Result<String, String> {
        let location = self.header("location")?;
        match location.split_once("://") {
            Some((_, rest)) => Ok(format!(
                "/{}",
                rest.split_once('/').map_or("", |parts| parts.1)
            )),
            None if location.starts_with('/') => Ok(location.to_owned()),
            None => Err(format!("{}: Location is `{location}`", self.asked)),
        }
    }
}

/// RFC 4648 section 4.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| char::from(DIGITS[value as usize & 63]);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let value = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(digit(value >> 18));
        text.push(digit(value >> 12));
        text.push(if chunk.len() > 1 {
            digit(value >> 6)
        } else {
            '='
        });
        text.push(if chunk.len() > 2 { digit(value) } else { '=' });
    }
    text
}
