//! A small HTTP/1.1 server on the loopback interface that does what a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many requests came before this one.
    pub(crate) number: usize,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte of `Range: bytes=N-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What the server sends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Send only so much of the body, then hang up.
    cut: Option<usize>,
    /// Send only so much of the body, then nothing for a while.
    stall: Option<usize>,
    /// Announce this length instead of the true one.
    length: Option<usize>,
    /// Announce no length: the end of the connection ends the body.
    unframed: bool,
    /// Send these bytes and nothing else.
    raw: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: Some(bytes.into()),
            ..Self::default()
        }
    }

    pub(crate) fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::new(status).header("Location", location)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub(crate) fn stall(mut self, after: usize) -> Self {
        self.stall = Some(after);
        self
    }

    pub(crate) fn length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    pub(crate) fn unframed(mut self) -> Self {
        self.unframed = true;
        self
    }

    /// Sends it; false when the connection is to be closed.
    fn send(&self, out: &mut dyn Write, head_only: bool) -> std::io::Result<bool> {
        if let Some(raw) = &self.raw {
            out.write_all(raw)?;
            out.flush()?;
            return Ok(false);
        }
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.unframed && self.status != 304 {
            let length = self.length.unwrap_or(self.body.len());
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        out.write_all(head.as_bytes())?;
        if head_only || self.status == 304 {
            out.flush()?;
            return Ok(true);
        }
        let stop = self.cut.or(self.stall).unwrap_or(self.body.len());
        out.write_all(&self.body[..stop])?;
        out.flush()?;
        if self.stall.is_some() {
            std::thread::sleep(Duration::from_millis(1_500));
        }
        let whole = self.cut.is_none() && self.stall.is_none();
        Ok(whole && self.length.is_none() && !self.unframed)
    }
}

type Handler = dyn Fn(&Received) -> Reply + Send + Sync;

/// A running server; it stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Received>>>,
    connections: Arc<Mutex<usize>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// A server for plain HTTP.
    pub(crate) fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with("http", Some, handler)
    }

    /// A server whose connections are wrapped by `wrap` first; `None` hangs up.
    pub(crate) fn start_with<S, W>(
        scheme: &'static str,
        wrap: W,
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self
    where
        S: Read + Write,
        W: Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let server = Self {
            address,
            scheme,
            seen: Arc::default(),
            connections: Arc::default(),
            stop: Arc::default(),
        };
        let handler: Arc<Handler> = Arc::new(handler);
        let wrap = Arc::new(wrap);
        let (seen, connections, stop) = (
            server.seen.clone(),
            server.connections.clone(),
            server.stop.clone(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                *connections.lock().expect("no test panics with the lock") += 1;
                let (handler, seen, wrap) = (handler.clone(), seen.clone(), wrap.clone());
                std::thread::spawn(move || {
                    if let Some(stream) = wrap(stream) {
                        // A client that hangs up is part of the tests.
                        let _ = serve(stream, &*handler, &seen);
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Received> {
        self.seen
            .lock()
            .expect("no test panics with the lock")
            .clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self
            .connections
            .lock()
            .expect("no test panics with the lock")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve<S: Read + Write>(
    stream: S,
    handler: &Handler,
    seen: &Mutex<Vec<Received>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read_request(&mut stream)? {
        {
            let mut seen = seen.lock().expect("no test panics with the lock");
            request.number = seen.len();
            seen.push(request.clone());
        }
        let head_only = request.method == "HEAD";
        if !handler(&request).send(stream.get_mut(), head_only)? {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<Received>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Received {
        method,
        target,
        headers,
        body: Vec::new(),
        number: 0,
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok());
    request.body.resize(length.unwrap_or(0), 0);
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
