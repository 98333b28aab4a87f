//! What a rule is: a static with its texts and one function.
//!
//! Rules are data. A rule's texts are its page in `docs/reference/lint`, what `kiln lint --explain` prints
//! and what the tests run: the bad example must be found, the good one must not.

use crate::facts::Facts;
use crate::finding::Report;
use crate::subject::Subject;
use std::fmt;
use std::str::FromStr;

/// How much a finding matters. `Ignore` is a rule that is off unless a configuration raises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not reported.
    Ignore,
    /// A matter of taste and habit.
    Style,
    /// Worth knowing.
    Info,
    /// Likely to hurt.
    Warning,
    /// Wrong.
    Error,
}

impl Severity {
    /// The name in lower case, as configurations and outputs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ignore => "ignore",
            Severity::Style => "style",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no severity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no severity; use error, warning, info, style or ignore")]
pub struct NotASeverity(pub String);

impl FromStr for Severity {
    type Err = NotASeverity;

    fn from_str(text: &str) -> Result<Severity, NotASeverity> {
        let all = [
            Severity::Ignore,
            Severity::Style,
            Severity::Info,
            Severity::Warning,
            Severity::Error,
        ];
        all.into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| NotASeverity(text.to_string()))
    }
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `docker build --check`.
    Docker,
    /// hadolint's own rules, `DL…`.
    Hadolint,
    /// The shell's rules that hadolint passes on, `SC…`.
    Shell,
    /// kiln's own, `KL…`.
    Kiln,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 4] = [
        Family::Docker,
        Family::Hadolint,
        Family::Shell,
        Family::Kiln,
    ];

    /// The name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Family::Docker => "docker",
            Family::Hadolint => "hadolint",
            Family::Shell => "shell",
            Family::Kiln => "kiln",
        }
    }
}

impl FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Family, String> {
        Family::ALL
            .into_iter()
            .find(|family| family.name() == text)
            .ok_or_else(|| {
                format!("{text:?} is no family of rules; use docker, hadolint, shell or kiln")
            })
    }
}

/// A rule: its texts and its function.
#[derive(Clone, Copy)]
pub struct Rule {
    /// What pragmas, configurations and outputs call it: `DL3000`, `SC2086`, `KL1001`, or docker's name.
    pub code: &'static str,
    /// A few words in lower case with dashes.
    pub name: &'static str,
    /// How much its findings matter by default.
    pub severity: Severity,
    /// What it wants, as one sentence without a full stop.
    pub summary: &'static str,
    /// Why, in a few sentences.
    pub why: &'static str,
    /// A Dockerfile in which it finds something.
    pub bad: &'static str,
    /// The same put right.
    pub good: &'static str,
    /// A `.hadolint.yaml` that the examples need.
    pub example_config: &'static str,
    /// What else the examples need to be known.
    pub example_facts: fn() -> Facts,
    /// Whether `# check=experimental=` must ask for it.
    pub experimental: bool,
    /// Codes of other rules that say the same of the same instruction. People are told once.
    pub same: &'static [&'static str],
    /// Looks at a file.
    pub check: fn(&Subject<'_>, &mut Report),
}

impl Rule {
    /// A rule with nothing in it, to build others on.
    pub const BLANK: Rule = Rule {
        code: "",
        name: "",
        severity: Severity::Warning,
        summary: "",
        why: "",
        bad: "",
        good: "",
        example_config: "",
        example_facts: Facts::default,
        experimental: false,
        same: &[],
        check: |_, _| {},
    };

    /// Where it comes from, told by its code.
    pub fn family(&self) -> Family {
        let numbered = |prefix: &str| {
            self.code
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match () {
            () if numbered("DL") => Family::Hadolint,
            () if numbered("SC") => Family::Shell,
            () if numbered("KL") => Family::Kiln,
            () => Family::Docker,
        }
    }

    /// Its page, from the root of the project.
    pub fn page(&self) -> String {
        format!("docs/reference/lint/{}.md", self.code)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

/// What the parser refuses. It has no function: the engine reports under it.
pub static PARSE_ERROR: Rule = Rule {
    code: "DL1000",
    name: "parse-error",
    severity: Severity::Error,
    summary: "The file must be a Dockerfile",
    why: "A build stops at what it cannot read. Everything else that lint says of the file is said of the part \
          that could be read.",
    bad: "FROM debian:12\nRUM echo hello\n",
    good: "FROM debian:12\nRUN echo hello\n",
    ..Rule::BLANK
};

/// All rules, family by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    std::iter::once(&PARSE_ERROR)
        .chain(crate::docker::RULES.iter().copied())
        .chain(crate::hadolint::RULES.iter().copied())
        .chain(crate::shellcheck::RULES.iter().copied())
        .chain(crate::kiln::RULES.iter().copied())
}

/// The rule of that code, or of that name; letter case is not counted.
pub fn find(name: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code.eq_ignore_ascii_case(name) || rule.name.eq_ignore_ascii_case(name))
}
