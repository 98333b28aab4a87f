//! Gives out files over HTTP on the loopback interface until it is dropped.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A server of files.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<String>>,
    /// How many answers are still cut off in their middle.
    cuts: Mutex<usize>,
    closed: AtomicBool,
}

impl FileServer {
    /// Gives out `files`, by their paths without a slash in front.
    ///
    /// # Panics
    /// If there is no loopback interface.
    #[must_use]
    pub fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("because loopback is there");
        let address = listener.local_addr().expect("because it is bound");
        let state = Arc::new(State::default());
        let server = Self {
            address,
            state: Arc::clone(&state),
        };
        server.replace(files);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.closed.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&state);
                // A client that hangs up early is its own affair.
                std::thread::spawn(move || answer(stream?, &state));
            }
        });
        server
    }

    /// The address of the directory with all files, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives out other files from now on.
    pub fn replace(&self, files: BTreeMap<String, Vec<u8>>) {
        *self
            .state
            .files
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// Hangs up in the middle of the next `count` answers that have content.
    pub fn cut(&self, count: usize) {
        *self
            .state
            .cuts
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = count;
    }

    /// The paths that were asked for since the last time.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(
            &mut *self
                .state
                .asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// One request, and the connection is closed: ranges are not understood, which a client must bear.
fn answer(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches('/')
        .to_owned();
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
    }
    let content = state
        .files
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&path)
        .cloned();
    state
        .asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(path);
    let Some(content) = content else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    let mut cuts = state.cuts.lock().unwrap_or_else(PoisonError::into_inner);
    let end = match *cuts > 0 {
        true => content.len() / 2,
        false => content.len(),
    };
    *cuts = cuts.saturating_sub(1);
    drop(cuts);
    stream.write_all(&content[..end])
}
