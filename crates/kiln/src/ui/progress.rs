//! Which progress display to use, and what all of them share.

use std::io::IsTerminal as _;
use std::time::Duration;

use kiln_build::Observer;

use super::{json::Json, live::Live, plain::Plain};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Progress {
    /// Live on a terminal, plain otherwise.
    #[default]
    Auto,
    /// Live, drawn over.
    Tty,
    /// One line after another.
    Plain,
    /// One JSON object a line, on standard error.
    Json,
    /// Nothing until the end.
    Quiet,
}

/// A display that can also show what a failed step wrote.
pub(crate) trait Display: Observer {
    /// Stops drawing and leaves the screen tidy. What the failed steps wrote comes back if it was not
    /// shown in full already.
    fn finish(&self) -> Vec<FailedStep>;
}

/// The log of a step that failed.
#[derive(Debug)]
pub(crate) struct FailedStep {
    /// The step as it was announced.
    pub(crate) name: String,
    /// All it wrote.
    pub(crate) log: String,
}

/// Makes the display for `progress`.
pub(crate) fn display(progress: Progress, color: bool) -> Box<dyn Display> {
    match progress {
        Progress::Auto if std::io::stderr().is_terminal() => Box::new(Live::start(color)),
        Progress::Tty => Box::new(Live::start(color)),
        Progress::Auto | Progress::Plain => Box::new(Plain::default()),
        Progress::Json => Box::new(Json::default()),
        Progress::Quiet => Box::new(Plain::quiet()),
    }
}

/// `0.3s`, `12.0s`, `3m07s`.
pub(crate) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        all => format!("{}m{:02}s", all / 60, all % 60),
    }
}
