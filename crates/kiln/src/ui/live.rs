//! Progress on a terminal: ended steps scroll away, running ones stay at the bottom with their time, a
//! bar for bytes and the tail of what they write.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kiln_build::{Event, Observer, StepId};

use super::log::{Log, fit};
use super::progress::{Display, FailedStep, seconds};
use super::size::Size;

/// Lines of output shown below a running step.
const TAIL: usize = 6;
/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(80);
/// A step that is over sooner than this is not worth a line of its own while it runs.
const SETTLE: Duration = Duration::from_millis(60);

/// Draws on standard error until it is finished.
#[derive(Debug)]
pub(crate) struct Live {
    shared: Arc<Shared>,
    painter: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    screen: Mutex<Screen>,
    stop: Condvar,
}

#[derive(Debug, Default)]
struct Screen {
    steps: Vec<Step>,
    /// Lines that were not yet written above the live part, each with what stands at its end.
    settled: Vec<(String, String)>,
    /// Height of the live part as it stands on the terminal.
    drawn: usize,
    color: bool,
    stopped: bool,
}

#[derive(Debug)]
struct Step {
    id: StepId,
    name: String,
    started: Instant,
    log: Log,
    tail: Vec<String>,
    bytes: Option<(u64, Option<u64>)>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Over,
    Failed,
}

impl Live {
    /// Starts drawing.
    pub(crate) fn start(color: bool) -> Self {
        let screen = Mutex::new(Screen {
            color,
            ..Screen::default()
        });
        let shared = Arc::new(Shared {
            screen,
            stop: Condvar::new(),
        });
        let painter = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.paint()
        });
        Self {
            shared,
            painter: Mutex::new(Some(painter)),
        }
    }
}

impl Shared {
    fn paint(&self) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            screen.draw();
            if screen.stopped {
                return;
            }
            let woken = self.stop.wait_timeout(screen, FRAME);
            screen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Screen {
    fn step(&mut self, id: StepId) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| step.id == id)
    }

    fn end(&mut self, id: StepId, state: State, mark: &str, suffix: &str) {
        let Some(step) = self.step(id) else { return };
        step.state = state;
        let line = format!("{mark} {}", step.name);
        self.settled.push((line, suffix.to_owned()));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn draw(&mut self) {
        let columns = columns();
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn);
        }
        for (line, end) in std::mem::take(&mut self.settled) {
            let _ = writeln!(out, "{}", self.tint(&with_end(&line, &end, columns)));
        }
        let lines = if self.stopped {
            vec![]
        } else {
            self.live_lines(columns)
        };
        for line in &lines {
            let _ = writeln!(out, "{line}");
        }
        self.drawn = lines.len();
        if !out.is_empty() {
            let mut err = std::io::stderr().lock();
            let _ = err.write_all(out.as_bytes()).and_then(|()| err.flush());
        }
    }

    /// Colour only repeats what the mark at the line's start says.
    fn tint(&self, line: &str) -> String {
        match line.chars().next() {
            Some('✗') => self.paint("31", line),
            Some('!') => self.paint("33", line),
            Some('=') => self.paint("36", line),
            _ => line.to_owned(),
        }
    }

    fn live_lines(&self, columns: usize) -> Vec<String> {
        let room = rows().saturating_sub(2).max(1);
        let running = self
            .steps
            .iter()
            .filter(|step| step.state == State::Running && step.started.elapsed() >= SETTLE);
        let mut lines = vec![];
        for step in running {
            let time = seconds(step.started.elapsed());
            let head = with_end(&format!("> {}", step.name), &time, columns);
            lines.push(self.paint("1", &head));
            if let Some((done, total)) = step.bytes {
                lines.push(fit(&format!("  {}", bar(done, total)), columns));
            }
            let tail = step.tail.iter().cloned().chain(step.log.unfinished());
            let tail: Vec<String> = tail.collect();
            for line in &tail[tail.len().saturating_sub(TAIL)..] {
                lines.push(self.paint("2", &fit(&format!("  {line}"), columns)));
            }
        }
        lines.truncate(room);
        lines
    }
}

/// A line that is cut before its end, so that the time or the result is always seen.
fn with_end(line: &str, end: &str, columns: usize) -> String {
    if end.is_empty() {
        return fit(line, columns);
    }
    let room = columns.saturating_sub(end.chars().count() + 1);
    format!("{} {end}", fit(line, room))
}

fn bar(done: u64, total: Option<u64>) -> String {
    const WIDTH: u64 = 24;
    match total {
        Some(total) if total > 0 => {
            let filled = usize::try_from(done.min(total) * WIDTH / total).unwrap_or(0);
            let rest = usize::try_from(WIDTH).unwrap_or(0) - filled;
            let (full, empty) = ("#".repeat(filled), "-".repeat(rest));
            format!("[{full}{empty}] {} of {}", Size(done), Size(total))
        }
        _ => Size(done).to_string(),
    }
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(80, |size| usize::from(size.ws_col))
        .max(20)
}

fn rows() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(24, |size| usize::from(size.ws_row))
        .max(4)
}

impl Observer for Live {
    fn event(&self, event: &Event<'_>) {
        let mut screen = self
            .shared
            .screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match *event {
            Event::Started { step, name } => screen.steps.push(Step {
                id: step,
                name: name.to_owned(),
                started: Instant::now(),
                log: Log::default(),
                tail: vec![],
                bytes: None,
                state: State::Running,
            }),
            Event::Cached { step } => screen.end(step, State::Over, "=", "cached"),
            Event::Output { step, bytes } => {
                if let Some(step) = screen.step(step) {
                    step.tail.extend(step.log.push(bytes));
                    let extra = step.tail.len().saturating_sub(TAIL);
                    step.tail.drain(..extra);
                }
            }
            Event::Progress { step, done, total } => {
                if let Some(step) = screen.step(step) {
                    step.bytes = Some((done, total));
                }
            }
            Event::Finished { step, elapsed } => {
                screen.end(step, State::Over, "+", &seconds(elapsed));
                // The log of a step that went well is not needed again.
                if let Some(step) = screen.step(step) {
                    step.log = Log::default();
                }
            }
            Event::Failed { step, elapsed } => {
                screen.end(step, State::Failed, "✗", &seconds(elapsed));
            }
            Event::Warning { message } => {
                screen.settled.push((format!("! {message}"), String::new()));
            }
        }
    }
}

impl Display for Live {
    fn finish(&self) -> Vec<FailedStep> {
        self.shared
            .screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stopped = true;
        self.shared.stop.notify_all();
        let painter = self
            .painter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(painter) = painter {
            let _ = painter.join();
        }
        let screen = self
            .shared
            .screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let failed = screen
            .steps
            .iter()
            .filter(|step| step.state == State::Failed);
        failed
            .map(|step| FailedStep {
                name: step.name.clone(),
                log: step.log.text(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_leaves_room_for_its_time() {
        assert_eq!(with_end("> a long name", "1.0s", 12), "> a lo… 1.0s");
        assert_eq!(with_end("> short", "1.0s", 40), "> short 1.0s");
        assert_eq!(with_end("! warning", "", 5), "! wa…");
    }

    #[test]
    fn bars_fill_and_never_overflow() {
        assert_eq!(bar(0, Some(10)), "[------------------------] 0 B of 10 B");
        assert_eq!(bar(20, Some(10)), "[########################] 20 B of 10 B");
        assert_eq!(bar(5, None), "5 B");
    }
}
