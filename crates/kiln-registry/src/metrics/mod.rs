//! Counts of what the server does, written as Prometheus' text.
//!
//! Everything is an atomic in a fixed table, so that counting a request costs a few additions and
//! takes no lock, and the number of series has a bound.

mod histogram;
mod operation;
mod process;
mod text;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use histogram::Histogram;
pub(crate) use operation::{Operation, Pull};
pub(crate) use text::Text;

const OPERATIONS: usize = Operation::ALL.len();

/// The statuses that the server gives; the last stands for all others.
const STATUSES: [u16; 25] = [
    200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 416, 422,
    429, 431, 500, 503, 507, 0,
];

/// The counts of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: [[AtomicU64; STATUSES.len()]; OPERATIONS],
    durations: [Histogram; OPERATIONS],
    pulls: [AtomicU64; Pull::ALL.len()],
    in_flight: AtomicI64,
    received: AtomicU64,
    sent: AtomicU64,
    connections: AtomicI64,
    accepted: AtomicU64,
    refused: AtomicU64,
    failed_handshakes: AtomicU64,
    started: SystemTime,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            durations: std::array::from_fn(|_| Histogram::default()),
            pulls: std::array::from_fn(|_| AtomicU64::new(0)),
            in_flight: AtomicI64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed_handshakes: AtomicU64::new(0),
            started: SystemTime::now(),
        }
    }

    /// A request came.
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer is out, or the client is gone; a status of 0 stands for no answer.
    pub(crate) fn end(
        &self,
        operation: Operation,
        status: u16,
        took: Duration,
        received: u64,
        sent: u64,
        pull: Option<Pull>,
    ) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let position = STATUSES.iter().position(|known| *known == status);
        let status = position.unwrap_or(STATUSES.len() - 1);
        self.requests[operation as usize][status].fetch_add(1, Ordering::Relaxed);
        self.durations[operation as usize].observe(took);
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        if let Some(pull) = pull {
            self.pulls[pull as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection was accepted.
    pub(crate) fn connected(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection was closed because its address has too many.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A TLS handshake failed.
    pub(crate) fn handshake_failed(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// The page for Prometheus.
    pub(crate) fn render(&self, more: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::default();
        self.write_requests(&mut text);
        self.write_pulls(&mut text);
        self.write_connections(&mut text);
        more(&mut text);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        text.family("kiln_build_info", "gauge", "The version that runs.");
        text.series("kiln_build_info", &version, 1.0);
        let since = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        text.single(
            "process_start_time_seconds",
            "gauge",
            "When the server started.",
            since.as_secs_f64(),
        );
        process::write(&mut text);
        text.finish()
    }

    fn write_requests(&self, text: &mut Text) {
        let name = "kiln_registry_requests_total";
        text.family(name, "counter", "Requests by what they do and the answer.");
        for (operation, counts) in Operation::ALL.into_iter().zip(&self.requests) {
            for (status, count) in STATUSES.into_iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count == 0 {
                    continue;
                }
                let status = match status {
                    0 => "other".to_owned(),
                    status => status.to_string(),
                };
                let labels = [("operation", operation.name()), ("status", &status)];
                text.series(name, &labels, count as f64);
            }
        }
        let name = "kiln_registry_request_duration_seconds";
        text.family(
            name,
            "histogram",
            "From the head to the answer's last byte.",
        );
        for (operation, histogram) in Operation::ALL.into_iter().zip(&self.durations) {
            histogram.write(text, name, ("operation", operation.name()));
        }
        text.single(
            "kiln_registry_requests_in_flight",
            "gauge",
            "Requests under way.",
            self.in_flight.load(Ordering::Relaxed) as f64,
        );
        text.single(
            "kiln_registry_received_bytes_total",
            "counter",
            "Bytes of request bodies.",
            self.received.load(Ordering::Relaxed) as f64,
        );
        text.single(
            "kiln_registry_sent_bytes_total",
            "counter",
            "Bytes of answer bodies.",
            self.sent.load(Ordering::Relaxed) as f64,
        );
    }

    fn write_pulls(&self, text: &mut Text) {
        let name = "kiln_registry_pulls_total";
        text.family(
            name,
            "counter",
            "GET and HEAD of manifests and blobs by how they ended.",
        );
        for (pull, count) in Pull::ALL.into_iter().zip(&self.pulls) {
            let count = count.load(Ordering::Relaxed) as f64;
            text.series(name, &[("result", pull.name())], count);
        }
    }

    fn write_connections(&self, text: &mut Text) {
        text.single(
            "kiln_registry_connections",
            "gauge",
            "Open connections.",
            self.connections.load(Ordering::Relaxed) as f64,
        );
        text.single(
            "kiln_registry_connections_total",
            "counter",
            "Accepted connections.",
            self.accepted.load(Ordering::Relaxed) as f64,
        );
        text.single(
            "kiln_registry_connections_refused_total",
            "counter",
            "Connections closed because their address had too many.",
            self.refused.load(Ordering::Relaxed) as f64,
        );
        text.single(
            "kiln_registry_tls_handshakes_failed_total",
            "counter",
            "TLS handshakes that failed or took too long.",
            self.failed_handshakes.load(Ordering::Relaxed) as f64,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_was_counted() {
        let metrics = Metrics::new();
        metrics.begin();
        metrics.begin();
        metrics.end(
            Operation::BlobGet,
            200,
            Duration::from_millis(3),
            0,
            1000,
            Some(Pull::Ok),
        );
        metrics.connected();
        let page = metrics.render(|text| text.single("more", "gauge", "More.", 1.0));
        for line in [
            "# TYPE kiln_registry_requests_total counter",
            "kiln_registry_requests_total{operation=\"blob_get\",status=\"200\"} 1",
            "kiln_registry_request_duration_seconds_bucket{operation=\"blob_get\",le=\"0.005\"} 1",
            "kiln_registry_requests_in_flight 1",
            "kiln_registry_sent_bytes_total 1000",
            "kiln_registry_pulls_total{result=\"ok\"} 1",
            "kiln_registry_pulls_total{result=\"truncated\"} 0",
            "kiln_registry_connections 1",
            "more 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    /// Prometheus refuses a page in which a family comes twice or a series before its type.
    #[test]
    fn the_page_is_well_formed() {
        let metrics = Metrics::new();
        for operation in Operation::ALL {
            metrics.begin();
            metrics.end(operation, 418, Duration::ZERO, 1, 1, None);
        }
        let page = metrics.render(|_| {});
        let mut families = vec![];
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap();
                assert!(!families.contains(&name), "{name} twice");
                families.push(name);
            } else if !line.starts_with('#') {
                let family = families.last().unwrap();
                assert!(line.starts_with(family), "{line} below {family}");
                let value = line.rsplit(' ').next().unwrap();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(page.contains("operation=\"tags\",status=\"other\""));
    }
}
