//! Who makes a request, and what he may do.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Listed;
use super::action::Action;
use super::audit::{Actor, ActorKind};
use super::directory::ProjectRecord;
use super::password::StoredPassword;
use super::robot_scope::RobotScopes;
use super::role::Role;
use super::scope::Scope;
use super::secret::SecretKind;
use crate::name::RepositoryName;

/// A user as requests need him.
#[derive(Debug)]
pub(crate) struct UserRecord {
    pub(crate) name: String,
    pub(crate) password: StoredPassword,
    pub(crate) administrator: bool,
    pub(crate) disabled: bool,
    pub(crate) epoch: i64,
    pub(crate) roles: HashMap<String, Role>,
}

/// A robot account as requests need it.
#[derive(Debug)]
pub(crate) struct RobotRecord {
    pub(crate) name: String,
    pub(crate) project: Option<String>,
    pub(crate) scopes: RobotScopes,
    pub(crate) disabled: bool,
    pub(crate) epoch: i64,
    pub(crate) expires: Option<i64>,
}

/// A user's token as requests need it.
#[derive(Debug)]
pub(crate) struct TokenRecord {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) kind: SecretKind,
    pub(crate) ceiling: Ceiling,
    pub(crate) expires: Option<i64>,
}

/// The most that a personal token may do of what its user may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Ceiling {
    /// Look and pull.
    Read,
    /// Also push.
    Write,
    /// All that the user may do.
    #[default]
    Full,
}

impl Ceiling {
    pub(crate) fn allows(self, action: Action) -> bool {
        match self {
            Self::Read => action.only_reads(),
            Self::Write => action.only_reads() || action == Action::Push,
            Self::Full => true,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Full => "full",
        }
    }

    /// The word in the database; what is none of the words gives the least.
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "full" => Self::Full,
            "write" => Self::Write,
            _ => Self::Read,
        }
    }
}

/// Which account makes the request.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// The server has no accounts; everybody may everything.
    Everybody,
    Anonymous,
    User(Arc<UserRecord>),
    Robot(Arc<RobotRecord>),
}

/// By what the account proved itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Nothing,
    Password,
    /// A personal or refresh token with this id.
    Token(SecretKind, String),
    /// A robot's token.
    Robot,
}

/// Who makes a request: nobody, a user, or a robot account, by whatever proof.
#[derive(Clone)]
pub struct Caller {
    pub(crate) identity: Identity,
    pub(crate) proof: Proof,
    pub(crate) ceiling: Ceiling,
    /// What a bearer token of the token service was granted; `None` when the request came without one.
    pub(crate) grants: Option<Arc<[Scope]>>,
    pub(crate) address: IpAddr,
}

/// Secrets stay out of logs: names only.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Caller {
    pub(crate) fn new(identity: Identity, proof: Proof, address: IpAddr) -> Self {
        Self {
            identity,
            proof,
            ceiling: Ceiling::Full,
            grants: None,
            address,
        }
    }

    pub(crate) fn anonymous(address: IpAddr) -> Self {
        Self::new(Identity::Anonymous, Proof::Nothing, address)
    }

    /// The account's name; empty for nobody.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.identity {
            Identity::Everybody | Identity::Anonymous => "",
            Identity::User(user) => &user.name,
            Identity::Robot(robot) => &robot.name,
        }
    }

    /// When the account ends, in milliseconds since 1970, if it is one that does: robots may.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        match &self.identity {
            Identity::Robot(robot) => robot.expires,
            Identity::Everybody | Identity::Anonymous | Identity::User(_) => None,
        }
    }

    /// Whether nobody logged in. On an open server everybody is anonymous and may everything.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Everybody | Identity::Anonymous)
    }

    /// What kind of account this is.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        match &self.identity {
            Identity::Everybody | Identity::Anonymous => ActorKind::Anonymous,
            Identity::User(_) => ActorKind::User,
            Identity::Robot(_) => ActorKind::Robot,
        }
    }

    /// Where the request comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// For the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name().to_owned(),
            kind: self.kind(),
            address: Some(self.address),
        }
    }

    /// Whether this is a system administrator with nothing that holds him back: no token with a ceiling, no
    /// bearer token of the token service.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        match &self.identity {
            Identity::Everybody => true,
            Identity::User(user) => {
                user.administrator && self.ceiling == Ceiling::Full && self.grants.is_none()
            }
            Identity::Anonymous | Identity::Robot(_) => false,
        }
    }

    /// The user's roles by project; none for others.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&str, Role)> {
        let roles = match &self.identity {
            Identity::User(user) => Some(&user.roles),
            _ => None,
        };
        let pairs = roles.into_iter().flatten();
        pairs.map(|(project, role)| (project.as_str(), *role))
    }

    /// Which projects a list shall show to this caller.
    pub(crate) fn listed(&self) -> Listed {
        match &self.identity {
            Identity::Everybody => Listed::All,
            Identity::User(user) if user.administrator => Listed::All,
            Identity::User(user) => Listed::Of(user.name.clone()),
            Identity::Robot(robot) => Listed::And(robot.project.clone().unwrap_or_default()),
            Identity::Anonymous => Listed::And(String::new()),
        }
    }

    /// Whether this is a token of a system administrator, of whatever ceiling.
    pub(crate) fn is_administrators_token(&self) -> bool {
        let token = matches!(self.proof, Proof::Token(..)) && self.grants.is_none();
        token && matches!(&self.identity, Identity::User(user) if user.administrator)
    }

    /// Whether the account, as it is now, may do `action` in a project, to a repository if that is what it is
    /// done to. What a bearer token was granted is not looked at.
    pub(crate) fn may(
        &self,
        name: &str,
        project: Option<ProjectRecord>,
        repository: Option<&RepositoryName>,
        action: Action,
    ) -> bool {
        if matches!(self.identity, Identity::Everybody) {
            return true;
        }
        let Some(project) = project else {
            return false;
        };
        if !self.ceiling.allows(action) {
            return false;
        }
        if project.public && action.is_open_in_public() {
            return true;
        }
        match &self.identity {
            Identity::Everybody => true,
            Identity::Anonymous => false,
            Identity::User(user) => {
                user.administrator || user.roles.get(name).is_some_and(|role| role.allows(action))
            }
            Identity::Robot(robot) => {
                let at_home = robot.project.as_deref().is_none_or(|home| home == name);
                let sees_home =
                    action == Action::ViewProject && robot.project.as_deref() == Some(name);
                sees_home
                    || at_home
                        && repository
                            .is_some_and(|repository| robot.scopes.allow(repository, action))
            }
        }
    }

    /// Whether the bearer token, if there is one, was granted this.
    pub(crate) fn was_granted(&self, repository: Option<&RepositoryName>, action: Action) -> bool {
        let Some(grants) = &self.grants else {
            return true;
        };
        repository.is_some_and(|repository| {
            grants.iter().any(|scope| {
                scope.kind == "repository" && scope.name == repository.as_str() && scope.has(action)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings() {
        for action in Action::ALL {
            assert!(Ceiling::Full.allows(action));
            assert_eq!(Ceiling::Read.allows(action), action.only_reads());
            assert_eq!(
                Ceiling::Write.allows(action),
                action.only_reads() || action == Action::Push
            );
        }
        for ceiling in [Ceiling::Read, Ceiling::Write, Ceiling::Full] {
            assert_eq!(Ceiling::parse(ceiling.name()), ceiling);
        }
        assert_eq!(Ceiling::parse("what"), Ceiling::Read);
    }
}
