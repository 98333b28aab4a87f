//! What a person sees: progress, tables, reports of failure. The only place that prints.

pub(crate) mod json;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod plain;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod report;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod transfer;

use std::io::{self, Write};

/// Writes `text` to standard output. A closed pipe (`kiln images | head -1`) is the reader's way to
/// say "enough", not a failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes `text` and a line end to standard error. There is nobody left to tell if that fails.
pub(crate) fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Writes `text` over the line of a terminal that standard error is at, without ending it.
pub(crate) fn redraw(text: &str) {
    let mut err = io::stderr().lock();
    let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
}
