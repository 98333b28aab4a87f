//! Progress of files that are fetched: one line that is drawn over on a terminal, a line for each file
//! otherwise.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kiln_assemble::Event;

use super::note;
use super::size::Size;

/// Often enough to look alive.
const REDRAW: Duration = Duration::from_millis(100);

/// What is shown of files on their way.
#[derive(Debug)]
pub(crate) struct Transfer {
    quiet: bool,
    live: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files on their way, and how much of them is here.
    under_way: BTreeMap<String, u64>,
    files: usize,
    bytes: u64,
    drawn: Option<Instant>,
}

impl Transfer {
    /// Shows nothing if `quiet`.
    pub(crate) fn start(quiet: bool) -> Self {
        Self {
            quiet,
            live: io::stderr().is_terminal(),
            state: Mutex::default(),
        }
    }

    /// Shows an event.
    pub(crate) fn event(&self, event: &Event<'_>) {
        if self.quiet {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *event {
            Event::Begin { name, .. } => {
                state.under_way.insert(name.to_owned(), 0);
            }
            Event::More { name, bytes } => {
                state.under_way.insert(name.to_owned(), bytes);
            }
            Event::End { name, bytes } => {
                state.under_way.remove(name);
                state.files += 1;
                state.bytes += bytes;
                if !self.live {
                    note(&format!("fetched {name} ({})", Size(bytes)));
                }
            }
        }
        if self.live {
            state.draw();
        }
    }

    /// Leaves the screen tidy.
    pub(crate) fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.drawn.is_some() {
            erase();
            note(&format!(
                "fetched {} files, {}",
                state.files,
                Size(state.bytes)
            ));
        }
    }
}

impl State {
    fn draw(&mut self) {
        if self.drawn.is_some_and(|last| last.elapsed() < REDRAW) {
            return;
        }
        self.drawn = Some(Instant::now());
        let bytes = self.bytes + self.under_way.values().sum::<u64>();
        let name = self.under_way.keys().next().map_or("", String::as_str);
        let name: String = name.chars().take(40).collect();
        erase();
        let mut err = io::stderr().lock();
        let _ = write!(
            err,
            "fetching: {} files, {} {name}",
            self.files,
            Size(bytes)
        );
        let _ = err.flush();
    }
}

/// Clears the line that the cursor is in (ECMA-48, "EL").
fn erase() {
    let mut err = io::stderr().lock();
    let _ = write!(err, "\r\x1b[2K");
    let _ = err.flush();
}
