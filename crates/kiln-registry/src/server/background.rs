//! What goes on beside requests: collection, and the indexes of layers that arrived.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::log::Level;
use super::service::State;
use crate::collect::Collected;
use crate::distribution::chain;

/// Starts it. Dropping what is returned ends it, at any point: everything there is made to be
/// interrupted.
pub(crate) fn start(state: &Arc<State>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let every = state.config.content.collect_every.0;
    tasks.spawn(collect(state.clone(), every));
    tasks.spawn(index(state.clone()));
    tasks
}

async fn collect(state: Arc<State>, every: Duration) {
    let log = state.log.clone();
    let report = |outcome: Result<Collected, _>| match outcome {
        Ok(collected) if collected == Collected::default() => {}
        Ok(collected) => {
            let text = |number: u64| number.to_string();
            log.event(
                Level::Info,
                "collected",
                &[
                    ("manifests", &text(collected.manifests)),
                    ("blobs", &text(collected.blobs)),
                    ("bytes", &text(collected.bytes)),
                    ("uploads", &text(collected.uploads)),
                    ("repositories", &text(collected.repositories)),
                ],
            );
        }
        Err(error) => log.event(
            Level::Error,
            "collection failed",
            &[("error", &chain(&error))],
        ),
    };
    state.content.collect_forever(every, report).await;
}

async fn index(state: Arc<State>) {
    let log = state.log.clone();
    let report = |error| {
        log.event(
            Level::Error,
            "layers cannot be indexed",
            &[("error", &chain(&error))],
        );
    };
    state.content.index_forever(report).await;
}
