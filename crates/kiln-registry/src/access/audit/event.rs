//! One line of the audit log.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What kind of account did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// Nobody who logged in.
    Anonymous,
    /// A user.
    User,
    /// A robot account.
    Robot,
    /// The server itself: retention, first start.
    System,
}

impl ActorKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::Robot => "robot",
            Self::System => "system",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "user" => Self::User,
            "robot" => Self::Robot,
            "system" => Self::System,
            _ => Self::Anonymous,
        }
    }
}

/// Who did it, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The account's name; empty for nobody.
    pub name: String,
    /// Its kind.
    pub kind: ActorKind,
    /// The other end of the connection, if there was one.
    pub address: Option<IpAddr>,
}

impl Actor {
    /// The server itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            name: "kiln".into(),
            kind: ActorKind::System,
            address: None,
        }
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused for want of rights, or of the right password.
    Denied,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "done" => Self::Done,
            _ => Self::Denied,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Who.
    pub actor: Actor,
    /// What was done or asked for: `push`, `create-user`, `login`.
    pub action: String,
    /// How it went.
    pub outcome: Outcome,
    /// The project that it belongs to, if it does.
    pub project: Option<String>,
    /// To what: a repository with its tag or digest, an account, a project.
    pub subject: String,
    /// More, by name.
    pub detail: Map<String, Value>,
}

/// Longest subject; the rest is cut off, because it may be what a stranger sent.
const SUBJECT_MOST: usize = 600;

impl Event {
    /// An event without details.
    #[must_use]
    pub fn new(
        at: i64,
        actor: Actor,
        action: impl Into<String>,
        outcome: Outcome,
        project: Option<&str>,
        subject: impl Into<String>,
    ) -> Self {
        let subject: String = subject.into();
        Self {
            at,
            actor,
            action: action.into(),
            outcome,
            project: project.map(str::to_owned),
            subject: match subject.char_indices().nth(SUBJECT_MOST) {
                Some((cut, _)) => format!("{}…", &subject[..cut]),
                None => subject,
            },
            detail: Map::new(),
        }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_subjects_end() {
        for kind in [
            ActorKind::Anonymous,
            ActorKind::User,
            ActorKind::Robot,
            ActorKind::System,
        ] {
            assert_eq!(ActorKind::parse(kind.name()), kind);
        }
        for outcome in [Outcome::Done, Outcome::Denied] {
            assert_eq!(Outcome::parse(outcome.name()), outcome);
        }
        let long = "ä".repeat(100_000);
        let event = Event::new(1, Actor::system(), "x", Outcome::Done, None, long).with("n", 1);
        assert_eq!(event.subject.chars().count(), SUBJECT_MOST + 1);
        assert_eq!(event.detail["n"], 1);
    }
}
