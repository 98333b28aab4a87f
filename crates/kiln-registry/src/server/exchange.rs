//! One request and its answer, from the first header to the last byte: what is counted and logged
//! when it is over, however it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, StatusCode};

use super::incoming::Progress;
use super::log::{Level, Log, Request};
use crate::metrics::{Metrics, Operation, Pull};

/// An exchange under way. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) metrics: Arc<Metrics>,
    /// None when this exchange is not to be logged.
    pub(crate) log: Option<Log>,
    pub(crate) start: Instant,
    pub(crate) id: Arc<str>,
    pub(crate) peer: IpAddr,
    pub(crate) method: Method,
    /// As it came, without the query: tokens stand in queries.
    pub(crate) path: String,
    pub(crate) agent: Option<String>,
    pub(crate) operation: Operation,
    /// Who asked, once that is known.
    pub(crate) caller: Option<String>,
    /// None until there is an answer: the client may go before.
    pub(crate) status: Option<StatusCode>,
    /// Length of the answer's body; none if it is not known beforehand.
    pub(crate) length: Option<u64>,
    /// The request's body, while someone reads it.
    pub(crate) incoming: Option<Arc<Progress>>,
    /// Why the answer is a failure, for the log.
    pub(crate) cause: Option<String>,
    sent: u64,
    broken: Option<String>,
}

impl Exchange {
    /// Begins with what is known from the request's head.
    pub(crate) fn begin(
        metrics: &Arc<Metrics>,
        id: Arc<str>,
        peer: IpAddr,
        method: &Method,
        path: &str,
    ) -> Self {
        metrics.begin();
        Self {
            metrics: metrics.clone(),
            log: None,
            start: Instant::now(),
            id,
            peer,
            method: method.clone(),
            path: path.to_owned(),
            agent: None,
            operation: Operation::Other,
            caller: None,
            status: None,
            length: None,
            incoming: None,
            cause: None,
            sent: 0,
            broken: None,
        }
    }

    /// Notes that bytes of the body went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Notes that the body could not be read to its end.
    pub(crate) fn broke(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.broken = Some(crate::distribution::chain(error));
    }

    /// The client went away before the end.
    fn is_abandoned(&self) -> bool {
        let all = self.length.is_none_or(|length| self.sent >= length);
        self.status.is_none() || !all && self.broken.is_none()
    }

    fn pull(&self) -> Option<Pull> {
        if !self.operation.is_pull() {
            return None;
        }
        let status = self.status.map_or(0, |status| status.as_u16());
        Some(match (&self.broken, status) {
            (Some(_), _) => Pull::Truncated,
            (None, 0 | 200..=399) if self.is_abandoned() => Pull::ClientGone,
            (None, 200..=399) => Pull::Ok,
            (None, 401 | 403) => Pull::Denied,
            (None, 404) => Pull::NotFound,
            (None, 429) => Pull::Limited,
            (None, 400..=499) => Pull::BadRequest,
            (None, _) => Pull::ServerError,
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let took = self.start.elapsed();
        let status = self.status.map_or(0, |status| status.as_u16());
        let received = self.incoming.as_ref().map_or(0, |body| body.received());
        self.metrics.end(
            self.operation,
            status,
            took,
            received,
            self.sent,
            self.pull(),
        );
        let Some(log) = &self.log else {
            return;
        };
        let error = self.cause.as_deref().or(self.broken.as_deref());
        let level = match status >= 500 || self.broken.is_some() {
            true => Level::Error,
            false => Level::Info,
        };
        log.request(
            level,
            &Request {
                id: &self.id,
                peer: self.peer,
                caller: self.caller.as_deref(),
                method: self.method.as_str(),
                path: &self.path,
                operation: self.operation.name(),
                status,
                received,
                sent: self.sent,
                milliseconds: took.as_secs_f64() * 1e3,
                abandoned: self.is_abandoned(),
                agent: self.agent.as_deref(),
                error,
            },
        );
    }
}
