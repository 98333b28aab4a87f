//! What instructions put into the image's config: ports, volumes, signals, commands and health checks.

use super::StageScope;
use crate::diagnostic::Diagnostic;
use crate::evaluate::EvaluatedHealthcheck;
use crate::expand;
use crate::ports;
use crate::signal;
use crate::suggest;
use crate::syntax::{CommandLine, Healthcheck, Word};

impl StageScope {
    pub(super) fn expose(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        let mut words: Vec<&Word> = words.iter().collect();
        words.sort_by(|a, b| a.text.cmp(&b.text));
        let mut all = Vec::new();
        for word in words {
            self.expand(word)?;
            let specs = expand::expand_words(&word.text, self.fixed.escape, &self.visible)
                .map_err(|error| Diagnostic::error(word.span, error.to_string()))?;
            for spec in specs {
                all.extend(
                    ports::parse(&spec).map_err(|reason| Diagnostic::error(word.span, reason))?,
                );
            }
        }
        Ok(all)
    }

    pub(super) fn volumes(&mut self, words: &[Word]) -> Result<Vec<String>, Diagnostic> {
        let volumes = self.expand_all(words)?;
        match volumes.iter().position(String::is_empty) {
            Some(at) => Err(Diagnostic::error(
                words[at].span,
                "VOLUME cannot be an empty string",
            )),
            None => Ok(volumes),
        }
    }

    pub(super) fn stopsignal(&mut self, word: &Word) -> Result<String, Diagnostic> {
        let text = self.expand(word)?;
        if signal::parse(&text).is_some() {
            return Ok(text);
        }
        let bare = text.to_ascii_uppercase();
        let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
        let near = suggest::nearest(bare, signal::names()).map(|name| format!("SIG{name}"));
        Err(
            Diagnostic::error(word.span, format!("invalid signal {text:?}"))
                .with_suggestion(near.as_deref()),
        )
    }

    /// A command as the config holds it.
    pub(super) fn with_shell(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(args) => args.clone(),
            CommandLine::Shell(text) => self.in_shell(&text.text),
        }
    }

    pub(super) fn in_shell(&self, text: &str) -> Vec<String> {
        let mut args = match self.shell.is_empty() {
            true => vec!["/bin/sh".to_string(), "-c".to_string()],
            false => self.shell.clone(),
        };
        args.push(text.to_string());
        args
    }
}

/// A health check as the config holds it. Source: Docker image specification v1.2, `Healthcheck`.
pub(super) fn healthcheck(check: &Healthcheck) -> EvaluatedHealthcheck {
    match check {
        Healthcheck::None => EvaluatedHealthcheck {
            test: vec!["NONE".to_string()],
            timing: Default::default(),
        },
        Healthcheck::Test { command, timing } => {
            let test = match command {
                CommandLine::Shell(text) => vec!["CMD-SHELL".to_string(), text.text.clone()],
                CommandLine::Exec(args) => std::iter::once("CMD".to_string())
                    .chain(args.iter().cloned())
                    .collect(),
            };
            EvaluatedHealthcheck {
                test,
                timing: *timing,
            }
        }
    }
}
