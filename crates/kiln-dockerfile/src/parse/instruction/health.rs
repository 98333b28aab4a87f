//! HEALTHCHECK.

use super::Parts;
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::parse::flags::{Known, Takes};
use crate::parse::words::{trim, word};
use crate::suggest;
use crate::syntax::{CommandLine, HealthTiming, Healthcheck};
use std::time::Duration;

pub(super) const FLAGS: &[Known] = &[
    ("interval", Takes::Text),
    ("timeout", Takes::Text),
    ("start-period", Takes::Text),
    ("start-interval", Takes::Text),
    ("retries", Takes::Text),
];

impl Parts<'_> {
    pub(super) fn healthcheck(&self) -> Result<Healthcheck, Diagnostic> {
        let text = &self.line.text[self.args.clone()];
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        let kind = word(self.line, self.args.start..self.args.start + length);
        let rest = trim(self.line, self.args.start + length..self.args.end);
        match kind.text.to_ascii_uppercase().as_str() {
            "" => self
                .at_least_one(Vec::<()>::new())
                .map(|_| Healthcheck::None),
            "NONE" if rest.is_empty() => Ok(Healthcheck::None),
            "NONE" => {
                let span = self.line.place(rest);
                Err(Diagnostic::error(
                    span,
                    "HEALTHCHECK NONE takes no arguments",
                ))
            }
            "CMD" => {
                let command = match self.json_form(rest.clone())? {
                    Some(strings) => CommandLine::Exec(strings),
                    None => CommandLine::Shell(word(self.line, rest.clone())),
                };
                if rest.is_empty() || command == CommandLine::Exec(Vec::new()) {
                    return Err(Diagnostic::error(
                        kind.span,
                        "missing command after HEALTHCHECK CMD",
                    ));
                }
                Ok(Healthcheck::Test {
                    command,
                    timing: self.timing()?,
                })
            }
            other => {
                let message = format!("unknown type {other:?} in HEALTHCHECK");
                let near = suggest::nearest(other, ["CMD", "NONE"]).unwrap_or("CMD");
                Err(Diagnostic::error(kind.span, message).with_suggestion(Some(near)))
            }
        }
    }

    fn timing(&self) -> Result<HealthTiming, Diagnostic> {
        let retries = match self.flags.text("retries") {
            None => None,
            Some(word) => Some(
                word.text
                    .parse::<i32>()
                    .ok()
                    .and_then(|n| u32::try_from(n).ok())
                    .ok_or_else(|| {
                        let message =
                            format!("--retries must be a number from 0, not {:?}", word.text);
                        Diagnostic::error(word.span, message)
                    })?,
            ),
        };
        Ok(HealthTiming {
            interval: self.interval("interval")?,
            timeout: self.interval("timeout")?,
            start_period: self.interval("start-period")?,
            start_interval: self.interval("start-interval")?,
            retries,
        })
    }

    fn interval(&self, flag: &str) -> Result<Option<Duration>, Diagnostic> {
        let Some(word) = self.flags.text(flag) else {
            return Ok(None);
        };
        let parsed = duration::parse(&word.text)
            .map_err(|error| Diagnostic::error(word.span, format!("--{flag}: {error}")))?;
        if !parsed.is_zero() && parsed < Duration::from_millis(1) {
            let message = format!("--{flag} cannot be less than 1ms");
            return Err(Diagnostic::error(word.span, message));
        }
        Ok(Some(parsed).filter(|parsed| !parsed.is_zero()))
    }
}
