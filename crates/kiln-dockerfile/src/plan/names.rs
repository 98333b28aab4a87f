//! Names of stages, contexts and images, and which of them a `--from` means.

use super::Origin;
use crate::diagnostic::Diagnostic;
use crate::syntax::{Dockerfile, Word};
use std::collections::{BTreeMap, BTreeSet};

/// What the names in `--from` mean.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(super) stages: BTreeMap<String, usize>,
    count: usize,
    contexts: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new(file: &Dockerfile, contexts: &BTreeSet<String>) -> Names {
        let mut names = Names {
            count: file.stages.len(),
            ..Names::default()
        };
        for stage in &file.stages {
            if let Some(name) = stage.lower_name() {
                // Of two stages with one name the last one counts.
                names.stages.insert(name, stage.index);
            }
        }
        for context in contexts {
            names.contexts.insert(familiar(context), context.clone());
        }
        names
    }

    /// What `COPY --from=name` of stage `user` means: the number or name of an earlier stage, else a
    /// named context, else an image.
    ///
    /// # Errors
    /// A number without a stage, or a stage that is not defined yet.
    pub fn copy_source(&self, word: &Word, user: usize) -> Result<Origin, Diagnostic> {
        match word.text.parse::<i64>() {
            Ok(number) => match usize::try_from(number)
                .ok()
                .filter(|index| *index < self.count)
            {
                Some(index) => self.earlier(word, index, user),
                None => {
                    let message = format!("invalid stage index {number}");
                    Err(Diagnostic::error(word.span, message).with_help(format!(
                        "stages are numbered from 0 to {}",
                        self.count.saturating_sub(1)
                    )))
                }
            },
            Err(_) => self.mount_source(word, user),
        }
    }

    /// What `from=name` of a mount in stage `user` means: as [`Names::copy_source`], without numbers.
    ///
    /// # Errors
    /// A stage that is not defined yet.
    pub fn mount_source(&self, word: &Word, user: usize) -> Result<Origin, Diagnostic> {
        match self.stages.get(&word.text.to_ascii_lowercase()) {
            Some(index) => self.earlier(word, *index, user),
            None => Ok(self.image(&word.text)),
        }
    }

    fn earlier(&self, word: &Word, index: usize, user: usize) -> Result<Origin, Diagnostic> {
        if index < user {
            return Ok(Origin::Stage(index));
        }
        let message = match index == user {
            true => format!("stage {:?} copies from itself", word.text),
            false => format!("stage {:?} is defined only after this one", word.text),
        };
        Err(Diagnostic::error(word.span, message)
            .with_help("a stage can use only the stages above it"))
    }

    /// A name that is no stage: `scratch`, a named context or an image.
    pub fn image(&self, name: &str) -> Origin {
        if name == "scratch" {
            return Origin::Scratch;
        }
        match self.context(name) {
            Some(context) => Origin::Context(context.to_string()),
            None => Origin::Image(name.to_string()),
        }
    }

    /// The named context that overrides this name of a stage or image.
    pub fn context(&self, name: &str) -> Option<&str> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case("context") {
            return None;
        }
        self.contexts.get(&familiar(name)).map(String::as_str)
    }
}

/// An image's name without what may be left out: `docker.io/library/alpine:latest` is `alpine`.
fn familiar(name: &str) -> String {
    let name = name.strip_prefix("index.docker.io/").unwrap_or(name);
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    name.strip_suffix(":latest")
        .unwrap_or(name)
        .to_ascii_lowercase()
}
