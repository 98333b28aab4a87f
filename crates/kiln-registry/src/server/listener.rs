//! Accepting connections, and how many at once.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::log::Level;
use super::service::State;
use super::tls::Tls;
use super::{BREATH, connection};

/// One listening socket.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) state: Arc<State>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) graceful: Arc<GracefulShutdown>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) addresses: PerAddress,
}

/// Connections by address, shared by all listeners of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct PerAddress(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among all, given back when it is dropped.
pub(crate) struct Place {
    state: Arc<State>,
    address: Option<(PerAddress, IpAddr)>,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// Accepts until told to stop.
    pub(crate) async fn run(mut self) {
        while let Some((stream, peer, permit)) = self.next().await {
            let Some(place) = self.place(peer, permit) else {
                self.state.metrics.refused();
                continue;
            };
            // Answers are written whole; waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            let serving = connection::serve(
                stream,
                peer,
                self.state.clone(),
                self.tls.as_ref().map(|tls| tls.current()),
                self.graceful.watcher(),
                place,
            );
            tokio::spawn(serving);
        }
    }

    /// The next connection once there is a place for it; none when the server ends.
    async fn next(&mut self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        loop {
            let accepting = async {
                // While there is no place, connections wait in the kernel's queue.
                let permit = self.permits.clone().acquire_owned().await;
                (self.socket.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                accepted = accepting => accepted,
            };
            match accepted {
                Ok((stream, peer)) => return Some((stream, peer, permit.ok()?)),
                Err(error) => self.not_accepted(&error).await,
            }
        }
    }

    async fn not_accepted(&self, error: &std::io::Error) {
        // The client gave up between its SYN and now.
        if matches!(
            error.kind(),
            ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
        ) {
            return;
        }
        let text = error.to_string();
        let log = &self.state.log;
        log.event(Level::Error, "cannot accept", &[("error", &text)]);
        // Out of file descriptors, most likely: some are given back when requests end.
        tokio::time::sleep(BREATH).await;
    }

    fn place(&self, peer: SocketAddr, permit: OwnedSemaphorePermit) -> Option<Place> {
        let config = &self.state.config;
        let limit = config.limits.connections_per_address;
        let ip = peer.ip().to_canonical();
        let is_exempt = limit == 0 || config.trusted_proxies.iter().any(|net| net.contains(ip));
        let address = match is_exempt {
            true => None,
            false => Some((self.addresses.take(ip, limit)?, ip)),
        };
        self.state.metrics.connected();
        Some(Place {
            state: self.state.clone(),
            address,
            _permit: permit,
        })
    }
}

impl PerAddress {
    /// Counts one more, unless there are `limit`.
    fn take(&self, address: IpAddr, limit: usize) -> Option<Self> {
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(self.clone())
    }

    fn give_back(&self, address: IpAddr) {
        let mut counts = self.lock();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A count is never left half changed.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.metrics.disconnected();
        if let Some((addresses, address)) = &self.address {
            addresses.give_back(*address);
        }
    }
}
