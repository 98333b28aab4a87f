//! Progress as plain lines, for pipes and logs.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kiln_build::{Event, Observer, StepId};

use super::log::Log;
use super::note;
use super::progress::{Display, FailedStep, seconds};

/// Prints a line when a step starts, for each line that it writes, and when it ends.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    quiet: bool,
    steps: Mutex<Vec<Step>>,
}

#[derive(Debug)]
struct Step {
    id: StepId,
    name: String,
    log: Log,
    failed: bool,
    started: Instant,
}

impl Plain {
    /// Prints nothing, and gives the logs of failed steps back at the end.
    pub(crate) fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::default()
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            note(line);
        }
    }

    fn with<T>(&self, id: StepId, act: impl FnOnce(&mut Step) -> T) -> Option<T> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.iter_mut().find(|step| step.id == id).map(act)
    }

    fn flush(&self, id: StepId) {
        let rest = self.with(id, |step| step.log.unfinished()).flatten();
        if let Some(line) = rest {
            self.say(&format!("#{id} {line}"));
        }
    }
}

impl Observer for Plain {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::Started { step, name } => {
                self.say(&format!("#{step} {name}"));
                self.steps
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Step {
                        id: step,
                        name: name.to_owned(),
                        log: Log::default(),
                        failed: false,
                        started: Instant::now(),
                    });
            }
            Event::Cached { step } => self.say(&format!("#{step} CACHED")),
            Event::Output { step, bytes } => {
                let lines = self.with(step, |s| (s.started.elapsed(), s.log.push(bytes)));
                let (elapsed, lines) = lines.unwrap_or_default();
                for line in lines {
                    self.say(&format!("#{step} {:.3} {line}", elapsed.as_secs_f64()));
                }
            }
            Event::Progress { .. } => {}
            Event::Finished { step, elapsed } => {
                self.flush(step);
                self.say(&format!("#{step} DONE {}", seconds(elapsed)));
            }
            Event::Failed { step, elapsed } => {
                self.flush(step);
                self.with(step, |step| step.failed = true);
                self.say(&format!("#{step} FAILED {}", seconds(elapsed)));
            }
            Event::Warning { message } => self.say(&format!("warning: {message}")),
        }
    }
}

impl Display for Plain {
    fn finish(&self) -> Vec<FailedStep> {
        if !self.quiet {
            return vec![];
        }
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = steps.iter().filter(|step| step.failed);
        failed
            .map(|step| FailedStep {
                name: step.name.clone(),
                log: step.log.text(),
            })
            .collect()
    }
}
