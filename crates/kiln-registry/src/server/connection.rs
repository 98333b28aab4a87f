//! One connection: TLS if there is any, then HTTP until one side ends it.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guard::Guard;
use super::listener::Place;
use super::service::{Line, State, answer};

/// What is read from a connection at once. Bodies of uploads come in pieces of at most this size,
/// and it is the most that a connection that sends nothing useful can make the server hold.
const READ_BUFFER: usize = 256 << 10;

/// More headers than any client sends.
const MAX_HEADERS: usize = 100;

/// Windows of HTTP/2 in bytes: how much of an upload may be on its way. The protocol's default of
/// 64 KiB makes a fast network slow.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of an answer that HTTP/2 may hold for a stream.
const SEND_BUFFER: usize = 1 << 20;

/// Serves a connection to its end. `_place` is given back then.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    state: Arc<State>,
    tls: Option<Arc<ServerConfig>>,
    watcher: Watcher,
    _place: Place,
) {
    let stall = state.config.timeouts.stall.0;
    let guarded = Guard::new(stream, stall);
    let line = Line {
        peer,
        tls: tls.is_some(),
    };
    let Some(tls) = tls else {
        return http1(guarded, line, state, watcher).await;
    };
    let patience = state.config.timeouts.handshake.0;
    let handshake = TlsAcceptor::from(tls).accept(guarded);
    let Ok(Ok(stream)) = timeout(patience, handshake).await else {
        state.metrics.handshake_failed();
        return;
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => http2(stream, line, state, watcher).await,
        _ => http1(stream, line, state, watcher).await,
    }
}

async fn http1<S>(stream: S, line: Line, state: Arc<State>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = usize::try_from(state.config.limits.head.0).unwrap_or(usize::MAX);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.timeouts.head.0)
        .max_buf_size(READ_BUFFER.max(head))
        .max_header_size(head)
        .max_headers(MAX_HEADERS)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(state.clone(), line, request)),
        );
    // Whatever ends a connection early is the client's doing, or was logged with its request.
    let _ = watcher.watch(connection).await;
}

async fn http2<S>(stream: S, line: Line, state: Arc<State>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = u32::try_from(state.config.limits.head.0).unwrap_or(u32::MAX);
    let idle = state.config.timeouts.head.0;
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(idle / 2)
        .keep_alive_timeout(idle / 2)
        .max_header_list_size(head)
        .max_concurrent_streams(state.config.limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(state.clone(), line, request)),
        );
    let _ = watcher.watch(connection).await;
}
