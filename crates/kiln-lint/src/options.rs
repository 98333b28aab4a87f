//! What a configuration can say, and the two files that it is read from.
//!
//! `.hadolint.yaml` is read with hadolint's keys, so that a project which has one keeps its rules.
//! `kiln-lint.toml` has the same settings and kiln's own:
//!
//! ```toml
//! families = ["docker", "hadolint", "shell", "kiln"]
//! ignored = ["DL3008", "KL1011"]
//! fail-on = "warning"
//! max-layers = 10
//! trusted-registries = ["docker.io", "*.example.com"]
//! strict-labels = false
//!
//! [severity]
//! DL3006 = "error"
//!
//! [label-schema]
//! "org.opencontainers.image.version" = "semver"
//! ```

use crate::rule::{Family, Rule, Severity};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// What a label must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelType {
    /// Anything that is not empty.
    Text,
    /// A time, RFC 3339.
    Rfc3339,
    /// A version, Semantic Versioning 2.0.0.
    Semver,
    /// A git commit.
    #[serde(alias = "gitHash", alias = "git-hash")]
    Hash,
    /// A licence, by its identifier in the SPDX list.
    Spdx,
    /// An address.
    Url,
    /// A mail address, RFC 5322.
    Email,
}

impl LabelType {
    /// By the name that configurations use.
    pub fn from_name(name: &str) -> Option<LabelType> {
        Some(match name {
            "text" => LabelType::Text,
            "rfc3339" => LabelType::Rfc3339,
            "semver" => LabelType::Semver,
            "hash" => LabelType::Hash,
            "spdx" => LabelType::Spdx,
            "url" => LabelType::Url,
            "email" => LabelType::Email,
            _ => return None,
        })
    }
}

/// What a finding must be for the command to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailOn {
    /// As severe as this, or more.
    Severity(Severity),
    /// Nothing makes it fail.
    Never,
}

/// How to lint.
#[derive(Clone, Debug)]
pub struct Options {
    /// The families of rules that run.
    pub families: BTreeSet<Family>,
    /// Rules that do not run, by code.
    pub ignored: BTreeSet<String>,
    /// Severities other than the rules' own, by code.
    pub severities: BTreeMap<String, Severity>,
    /// Registries that bases may come from; all if it is empty. `*` at either end stands for anything.
    pub trusted_registries: Vec<String>,
    /// Labels that an image must have.
    pub label_schema: BTreeMap<String, LabelType>,
    /// Whether it may have no others.
    pub strict_labels: bool,
    /// Whether pragmas that ignore rules are themselves ignored.
    pub disable_ignore_pragma: bool,
    /// How many layers an image may have before KL1001 speaks.
    pub max_layers: usize,
    /// What makes the command fail, if the configuration says.
    pub fail_on: Option<FailOn>,
    /// The output format, if the configuration says.
    pub format: Option<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            families: Family::ALL.into_iter().collect(),
            ignored: BTreeSet::new(),
            severities: BTreeMap::new(),
            trusted_registries: Vec::new(),
            label_schema: BTreeMap::new(),
            strict_labels: false,
            disable_ignore_pragma: false,
            max_layers: 10,
            fail_on: None,
            format: None,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Not YAML, or not of the shape that hadolint's configuration has.
    #[error("this is no hadolint configuration")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not TOML, or a key that kiln does not know.
    #[error("this is no lint configuration")]
    Toml(#[source] toml::de::Error),
    /// A word that stands for nothing.
    #[error("{0}")]
    Word(String),
}

/// `.hadolint.yaml`. Keys that hadolint has beside these (of its outputs) mean nothing here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Hadolint {
    ignored: Vec<String>,
    #[serde(rename = "override")]
    overrides: BTreeMap<String, Vec<String>>,
    failure_threshold: Option<String>,
    format: Option<String>,
    label_schema: BTreeMap<String, LabelType>,
    no_fail: bool,
    strict_labels: bool,
    #[serde(rename = "trustedRegistries", alias = "trusted-registries")]
    trusted_registries: Vec<String>,
    disable_ignore_pragma: bool,
}

/// `kiln-lint.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Own {
    families: Option<Vec<String>>,
    ignored: Vec<String>,
    severity: BTreeMap<String, String>,
    fail_on: Option<String>,
    format: Option<String>,
    label_schema: BTreeMap<String, LabelType>,
    strict_labels: bool,
    trusted_registries: Vec<String>,
    disable_ignore_pragma: bool,
    max_layers: Option<usize>,
}

impl std::str::FromStr for FailOn {
    type Err = crate::rule::NotASeverity;

    fn from_str(text: &str) -> Result<FailOn, Self::Err> {
        match text {
            "none" | "never" => Ok(FailOn::Never),
            other => other.parse().map(FailOn::Severity),
        }
    }
}

impl Options {
    /// Adds what a `.hadolint.yaml` says.
    ///
    /// # Errors
    /// See [`OptionsError`].
    pub fn add_hadolint(&mut self, text: &str) -> Result<(), OptionsError> {
        // An empty document, or one of comments only, says nothing.
        let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(empty) {
            return Ok(());
        }
        let read: Hadolint =
            serde_saphyr::from_str(text).map_err(|error| OptionsError::Yaml(error.into()))?;
        self.ignored.extend(read.ignored);
        for (severity, codes) in &read.overrides {
            let severity: Severity = word(severity)?;
            for code in codes {
                self.severities.insert(code.clone(), severity);
            }
        }
        if let Some(threshold) = &read.failure_threshold {
            self.fail_on = Some(word(threshold)?);
        }
        if read.no_fail {
            self.fail_on = Some(FailOn::Never);
        }
        self.format = read.format.or(self.format.take());
        self.label_schema.extend(read.label_schema);
        self.strict_labels |= read.strict_labels;
        self.trusted_registries.extend(read.trusted_registries);
        self.disable_ignore_pragma |= read.disable_ignore_pragma;
        Ok(())
    }

    /// Adds what a `kiln-lint.toml` says.
    ///
    /// # Errors
    /// See [`OptionsError`].
    pub fn add_toml(&mut self, text: &str) -> Result<(), OptionsError> {
        let read: Own = toml::from_str(text).map_err(OptionsError::Toml)?;
        if let Some(families) = &read.families {
            self.families = families
                .iter()
                .map(|name| word(name))
                .collect::<Result<_, _>>()?;
        }
        self.ignored.extend(read.ignored);
        for (code, severity) in read.severity {
            self.severities.insert(code, word(&severity)?);
        }
        if let Some(threshold) = &read.fail_on {
            self.fail_on = Some(word(threshold)?);
        }
        self.format = read.format.or(self.format.take());
        self.label_schema.extend(read.label_schema);
        self.strict_labels |= read.strict_labels;
        self.trusted_registries.extend(read.trusted_registries);
        self.disable_ignore_pragma |= read.disable_ignore_pragma;
        self.max_layers = read.max_layers.unwrap_or(self.max_layers);
        Ok(())
    }

    /// The severity of a rule's findings; [`Severity::Ignore`] if it does not run.
    pub fn severity(&self, rule: &Rule) -> Severity {
        if self.ignored.contains(rule.code) || !self.families.contains(&rule.family()) {
            return Severity::Ignore;
        }
        self.severities
            .get(rule.code)
            .copied()
            .unwrap_or(rule.severity)
    }
}

fn word<T: std::str::FromStr>(text: &str) -> Result<T, OptionsError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| OptionsError::Word(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hadolint_configuration() {
        let mut options = Options::default();
        options
            .add_hadolint(
                "ignored: [DL3000]\noverride:\n  error: [DL3008]\n  style:\n    - SC2086\nfailure-threshold: warning\n\
                 trustedRegistries:\n  - docker.io\nlabel-schema:\n  author: text\n  version: semver\nstrict-labels: true\n\
                 format: json\ndisable-ignore-pragma: false\n",
            )
            .unwrap();
        assert!(options.ignored.contains("DL3000"));
        assert_eq!(options.severities["DL3008"], Severity::Error);
        assert_eq!(options.severities["SC2086"], Severity::Style);
        assert_eq!(options.fail_on, Some(FailOn::Severity(Severity::Warning)));
        assert_eq!(options.label_schema["version"], LabelType::Semver);
        assert!(options.strict_labels && options.trusted_registries == ["docker.io"]);
        options.add_hadolint("# nothing\n\n").unwrap();
        options.add_hadolint("no-fail: true\n").unwrap();
        assert_eq!(options.fail_on, Some(FailOn::Never));
        assert!(options.add_hadolint("override: {loud: [DL1]}\n").is_err());
        assert!(options.add_hadolint("ignored: [").is_err());
    }

    #[test]
    fn own_configuration() {
        let mut options = Options::default();
        options
            .add_toml("families = [\"kiln\"]\nmax-layers = 3\n[severity]\nKL1001 = \"error\"\n")
            .unwrap();
        assert_eq!(options.max_layers, 3);
        assert_eq!(options.families.len(), 1);
        assert!(options.add_toml("max-layer = 3\n").is_err());
        assert!(options.add_toml("families = [\"all\"]\n").is_err());
    }
}
