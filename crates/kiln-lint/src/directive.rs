//! The options of docker's checks, `# check=`: `skip=Rule,…|all;error=bool;experimental=Rule,…|all`.

use kiln_dockerfile::suggest;
use std::collections::BTreeSet;

/// Some rules, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Every rule.
    pub all: bool,
    /// These rules, in lower case.
    pub rules: BTreeSet<String>,
}

impl Selection {
    fn parse(text: &str) -> Selection {
        let mut selection = Selection::default();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name.to_ascii_lowercase().as_str() {
                "all" => selection.all = true,
                name => {
                    selection.rules.insert(name.to_string());
                }
            }
        }
        selection
    }

    fn names(&self, rule: &str) -> bool {
        self.rules.contains(&rule.to_ascii_lowercase())
    }

    fn merged(&self, other: &Selection) -> Selection {
        Selection {
            all: self.all || other.all,
            rules: self.rules.union(&other.rules).cloned().collect(),
        }
    }
}

/// Parsed options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Rules to leave out.
    pub skip: Selection,
    /// Whether findings are errors.
    pub error: bool,
    /// Experimental rules to run.
    pub experimental: Selection,
}

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckOptionsError {
    /// No such key.
    #[error("invalid check option {0:?}; use skip=, error= or experimental={1}")]
    Key(String, String),
    /// `error=` takes a boolean.
    #[error("the check option error must be true or false, not {0:?}")]
    Error(String),
}

impl CheckOptions {
    /// Parses the value of a `# check=` directive.
    ///
    /// # Errors
    /// See [`CheckOptionsError`].
    pub fn parse(text: &str) -> Result<CheckOptions, CheckOptionsError> {
        let mut options = CheckOptions::default();
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "skip" => options.skip = Selection::parse(value),
                "experimental" => options.experimental = Selection::parse(value),
                "error" => {
                    options.error = boolean(value)
                        .ok_or_else(|| CheckOptionsError::Error(value.to_string()))?;
                }
                other => {
                    let near = suggest::nearest(other, ["skip", "error", "experimental"]);
                    let hint = near
                        .map(|n| format!("; did you mean {n}?"))
                        .unwrap_or_default();
                    return Err(CheckOptionsError::Key(other.to_string(), hint));
                }
            }
        }
        Ok(options)
    }

    /// Whether a rule may report.
    pub fn allows(&self, rule: &str, experimental: bool) -> bool {
        // An experimental rule that is asked for by name runs even under skip=all.
        if experimental {
            return self.experimental.names(rule)
                || (self.experimental.all && !self.skip.all && !self.skip.names(rule));
        }
        !self.skip.all && !self.skip.names(rule)
    }

    /// These options with those of one instruction added.
    #[must_use]
    pub fn merged(&self, own: &CheckOptions) -> CheckOptions {
        CheckOptions {
            skip: self.skip.merged(&own.skip),
            error: self.error || own.error,
            experimental: self.experimental.merged(&own.experimental),
        }
    }
}

/// A boolean as Go's `strconv.ParseBool` takes it, which is what BuildKit reads options with.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
