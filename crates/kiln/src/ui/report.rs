//! How a command fails: one report with what went wrong, why, and what to do. It decides the exit code.

use std::error::Error;
use std::process::ExitCode;

use super::note;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The person asked for something that cannot be: exit code 1.
    Failure,
    /// The command line itself is wrong: exit code 2.
    Usage,
    /// Interrupted by a signal: exit code 130, as shells expect.
    Interrupted,
    /// All was said already; pass this exit code on.
    Exit(u8),
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Report {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    code: Option<u8>,
}

impl Report {
    /// A failure in one sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Failure,
            message: message.into(),
            causes: vec![],
            hints: vec![],
            code: None,
        }
    }

    /// A wrong command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            ..Self::new(message)
        }
    }

    /// Ended by a signal.
    pub(crate) fn interrupted() -> Self {
        Self {
            kind: Kind::Interrupted,
            ..Self::new("interrupted")
        }
    }

    /// Ends with `code` and no words.
    pub(crate) fn exit(code: u8) -> Self {
        Self {
            kind: Kind::Exit(code),
            ..Self::new("")
        }
    }

    /// Ends with `code` after the words.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds advice, shown after the message and its causes.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says first what it is about.
    pub(crate) fn prefix(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// What went wrong, with its causes, in one line.
    pub(crate) fn message(&self) -> String {
        let parts: Vec<&str> = [&self.message]
            .into_iter()
            .chain(&self.causes)
            .map(String::as_str)
            .collect();
        parts.join(": ")
    }

    /// Whether a signal ended the command, so that nothing more should be begun.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.kind == Kind::Interrupted
    }

    /// The advice of a report that is among the causes of `error`.
    fn hints_in(error: &(dyn Error + 'static)) -> Vec<String> {
        let mut hints = vec![];
        let mut next = Some(error);
        while let Some(cause) = next {
            if let Some(Reported(report)) = cause.downcast_ref() {
                hints.extend(report.hints.iter().cloned());
            }
            next = cause.source();
        }
        hints
    }

    /// Shows the report on standard error and gives the exit code.
    pub(crate) fn show(&self) -> ExitCode {
        if !matches!(self.kind, Kind::Exit(_)) {
            note(&self.render());
        }
        match self.kind {
            Kind::Failure => ExitCode::from(self.code.unwrap_or(1)),
            Kind::Usage => ExitCode::from(2),
            Kind::Interrupted => ExitCode::from(130),
            Kind::Exit(code) => ExitCode::from(code),
        }
    }

    fn render(&self) -> String {
        let mut text = format!("error: {}", self.message);
        for cause in &self.causes {
            text.push_str(&format!("\n  because: {}", cause.replace('\n', "\n  ")));
        }
        for hint in &self.hints {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }
}

impl Report {
    /// A report of an error that is still needed.
    pub(crate) fn from_ref(error: &dyn Error) -> Self {
        let mut report = Self::new(error.to_string());
        let mut next = error.source();
        while let Some(cause) = next {
            report.causes.push(cause.to_string());
            next = cause.source();
        }
        report
    }
}

/// A report on its way through a library, as the source of one of its errors.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message())]
pub(crate) struct Reported(pub(crate) Report);

/// Every library error becomes a failure with its chain of causes.
impl<E: Error + 'static> From<E> for Report {
    fn from(error: E) -> Self {
        let mut report = Self::new(error.to_string());
        let advice = Self::hints_in(&error);
        let mut next = error.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // Transparent wrappers repeat themselves; once is enough.
            if !report.message.contains(&text) && report.causes.last() != Some(&text) {
                report.causes.push(text);
            }
            next = cause.source();
        }
        report.hints = hints(&report);
        report.hints.extend(advice);
        report
    }
}

/// Advice that many causes share, found by what the system calls them.
fn hints(report: &Report) -> Vec<String> {
    let all = report.causes.iter().chain([&report.message]);
    let mut hints = vec![];
    for text in all {
        if text.contains("No space left on device") {
            hints.push(
                "free some room (`kiln prune`), or set KILN_HOME to a larger disk".to_owned(),
            );
        } else if text.contains("Read-only file system") {
            hints.push("set KILN_HOME to a directory that can be written".to_owned());
        }
    }
    hints.dedup();
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write `x`")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_report_shows_causes_and_advice() {
        let cause = std::io::Error::other("No space left on device (os error 28)");
        let text = Report::from(Outer(cause)).hint("more").render();
        assert_eq!(
            text,
            "error: cannot write `x`\n  because: No space left on device (os error 28)\n\
             hint: free some room (`kiln prune`), or set KILN_HOME to a larger disk\nhint: more"
        );
    }
}
