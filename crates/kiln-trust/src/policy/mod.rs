//! `trust.toml`: whose signatures and statements an image needs.
//!
//! A policy names keys, groups them into roles, and says for repositories what is required of whom. It fails closed: a repository that
//! no rule covers is refused, and a word that kiln does not know is an error.
//!
//! ```toml
//! version = 1
//!
//! [[key]]
//! name = "platform-2026"
//! file = "platform.pub"
//!
//! [[role]]
//! name = "platform"
//! keys = ["platform-2026"]
//!
//! [[image]]
//! repositories = ["registry.example.org/base/**"]
//! require = [
//!   { role = "platform" },
//!   { role = "platform", predicate = "vuln", max-age = "7d", where = [{ path = "/scanner/result/critical", at-most = 0 }] },
//! ]
//! ```

mod condition;
mod file;
mod pattern;

pub use condition::{Condition, ConditionError};
pub use file::PolicyError;
pub use pattern::Pattern;

use std::collections::BTreeMap;

use kiln_oci::Reference;

use crate::clock::Time;
use crate::key::{KeyId, PublicKey};
use crate::x509::Authority;

/// A key that is trusted for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What people call it.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// Signatures before are not believed.
    pub not_before: Option<Time>,
    /// Signatures after are not believed.
    pub not_after: Option<Time>,
}

/// A group that speaks for something: its members' keys, and authorities that certify members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Indexes into [`Policy::keys`].
    pub keys: Vec<usize>,
    /// Indexes into [`Policy::authorities`].
    pub authorities: Vec<usize>,
}

/// What a policy demands of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Who must have spoken: a key of [`Policy::roles`].
    pub role: String,
    /// How many different members must.
    pub threshold: usize,
    /// What they must have said.
    pub subject: Demand,
    /// The greatest age in seconds, if any is accepted no longer.
    pub max_age: Option<i64>,
    /// Where in the predicate its time stands, for statements that do not say themselves when they were signed.
    pub time_at: Option<String>,
}

/// What must have been said.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// That the image is signed, with these annotations.
    Signature {
        /// Claims that must be there.
        annotations: BTreeMap<String, String>,
    },
    /// A statement of one of these types, whose content meets the conditions.
    Predicate {
        /// URIs.
        types: Vec<String>,
        /// All of them must hold.
        conditions: Vec<Condition>,
    },
}

/// What the name that was signed must have to do with the name that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Nothing: a signature binds content, not names.
    Ignore,
    /// If a repository is named, it is the same one.
    #[default]
    IfNamed,
    /// The same repository is named.
    Repository,
    /// The same repository and tag are named.
    Exact,
}

/// Which manifests of an image for several platforms must meet the rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platforms {
    /// The one that the name stands for. An index's signature covers what it lists, by digest.
    #[default]
    Index,
    /// The index and each image in it.
    Each,
}

/// The rule of some repositories.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which repositories.
    pub repositories: Vec<Pattern>,
    /// All must be met.
    pub require: Vec<Requirement>,
    /// What names must agree.
    pub identity: Identity,
    /// Where else an image may lie than where it was signed: `mirror.example.org/hub/` stands for `docker.io/`.
    pub named_as: BTreeMap<String, String>,
    /// Which manifests.
    pub platforms: Platforms,
}

/// Whom one believes what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Keys, by index.
    pub keys: Vec<TrustedKey>,
    /// Authorities that certify signers, by index.
    pub authorities: Vec<Authority>,
    /// Authorities whose time stamps count.
    pub timestamps: Vec<Authority>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Rules of images.
    pub rules: Vec<Rule>,
    /// Who may revoke, if there is a list.
    pub revocation: Option<Revocation>,
}

/// How keys, certificates and images are called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The file of the list, beside the policy.
    pub file: String,
    /// The role that signs it.
    pub role: String,
    /// How many members must sign it.
    pub threshold: usize,
}

impl Policy {
    /// A policy that wants a signature of any one of `keys` for every image, as `--key` does.
    #[must_use]
    pub fn of_keys(keys: Vec<TrustedKey>, requirement: Demand) -> Self {
        let role = Role {
            keys: (0..keys.len()).collect(),
            authorities: vec![],
        };
        let rule = Rule {
            repositories: vec![Pattern::any()],
            require: vec![Requirement {
                role: "key".to_owned(),
                threshold: 1,
                subject: requirement,
                max_age: None,
                time_at: None,
            }],
            identity: Identity::Ignore,
            named_as: BTreeMap::new(),
            platforms: Platforms::Index,
        };
        Self {
            keys,
            roles: BTreeMap::from([("key".to_owned(), role)]),
            rules: vec![rule],
            ..Self::default()
        }
    }

    /// Reads `trust.toml`. `load` gives the content of files that it names.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn parse(
        text: &str,
        load: &dyn Fn(&str) -> std::io::Result<Vec<u8>>,
    ) -> Result<Self, PolicyError> {
        file::parse(text, load)
    }

    /// The rule of the repository that `reference` lies in: the most specific one.
    #[must_use]
    pub fn rule(&self, reference: &Reference) -> Option<&Rule> {
        let name = format!("{}/{}", reference.registry(), reference.repository());
        let matching = self.rules.iter().filter_map(|rule| {
            let fitting = rule
                .repositories
                .iter()
                .filter(|pattern| pattern.matches(&name));
            fitting
                .map(Pattern::weight)
                .max()
                .map(|weight| (weight, rule))
        });
        // Of equal ones the first counts, as people read.
        matching
            .rev()
            .max_by_key(|(weight, _)| *weight)
            .map(|(_, rule)| rule)
    }

    /// The trusted key with this id.
    #[must_use]
    pub fn key(&self, id: &KeyId) -> Option<&TrustedKey> {
        self.keys.iter().find(|trusted| trusted.key.id() == *id)
    }
}

impl Requirement {
    /// Whether a statement of this type is asked for.
    #[must_use]
    pub fn wants(&self, predicate_type: &str) -> bool {
        matches!(&self.subject, Demand::Predicate { types, .. } if types.iter().any(|one| is_type(one, predicate_type)))
    }

    /// For a person: "a signature by `platform`".
    #[must_use]
    pub fn describe(&self) -> String {
        let what = match &self.subject {
            Demand::Signature { .. } => "a signature".to_owned(),
            Demand::Predicate { types, .. } => format!("a statement {}", types.join(" or ")),
        };
        match self.threshold {
            1 => format!("{what} by `{}`", self.role),
            many => format!("{what} by {many} of `{}`", self.role),
        }
    }
}

/// Types are compared exactly. OpenVEX alone is written with and without its version, for one and the same thing.
fn is_type(wanted: &str, found: &str) -> bool {
    const OPENVEX: &str = "https://openvex.dev/ns";
    wanted == found
        || wanted == OPENVEX
            && found
                .strip_prefix(OPENVEX)
                .is_some_and(|rest| rest.starts_with("/v0.2."))
}
