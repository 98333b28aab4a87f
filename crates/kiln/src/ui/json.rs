//! Progress as JSON lines on standard error, for programs.
//!
//! Schema 1: every line is an object with `event` and, but for warnings, `step`. `started` has `name`;
//! `output` has `text`; `progress` has `done` and perhaps `total` in bytes; `finished` and `failed` have
//! `seconds`; `warning` has `message`; `cached` has nothing more.

use kiln_build::{Event, Observer};
use serde_json::json;

use super::note;
use super::progress::{Display, FailedStep};

/// Writes one object for each event.
#[derive(Debug, Default)]
pub(crate) struct Json {}

impl Observer for Json {
    fn event(&self, event: &Event<'_>) {
        let line = match *event {
            Event::Started { step, name } => {
                json!({"event": "started", "step": step, "name": name})
            }
            Event::Cached { step } => json!({"event": "cached", "step": step}),
            Event::Output { step, bytes } => {
                json!({"event": "output", "step": step, "text": String::from_utf8_lossy(bytes)})
            }
            Event::Progress { step, done, total } => {
                json!({"event": "progress", "step": step, "done": done, "total": total})
            }
            Event::Finished { step, elapsed } => {
                json!({"event": "finished", "step": step, "seconds": elapsed.as_secs_f64()})
            }
            Event::Failed { step, elapsed } => {
                json!({"event": "failed", "step": step, "seconds": elapsed.as_secs_f64()})
            }
            Event::Warning { message } => json!({"event": "warning", "message": message}),
        };
        note(&line.to_string());
    }
}

impl Display for Json {
    fn finish(&self) -> Vec<FailedStep> {
        vec![]
    }
}
