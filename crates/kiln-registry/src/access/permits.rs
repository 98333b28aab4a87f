//! Whether somebody may do something.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Access;
use super::action::Action;
use super::audit::Outcome;
use super::caller::{Caller, Identity, Proof};
use super::directory::ProjectRecord;
use super::error::{AccessError, Thing};
use super::robot_scope::RobotScope;
use super::role::Role;
use super::{robots, unknown, users};
use crate::name::RepositoryName;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// He may.
    Allowed,
    /// He may not, and logging in again would not help.
    Denied {
        /// He may not even know whether it exists: answer as if it did not.
        hide: bool,
    },
    /// Nobody may know before he logs in, or brings a token that was granted this: answer 401 with a challenge.
    NeedsLogin {
        /// A token came, but was not granted this (`insufficient_scope`).
        insufficient: bool,
    },
}

/// What of the registry a caller sees.
#[derive(Debug, Clone)]
pub struct Visible(Seen);

#[derive(Debug, Clone)]
enum Seen {
    Everything,
    Of(Caller, Arc<HashSet<String>>),
}

impl Visible {
    /// Whether the caller sees everything: then no list needs to be looked through.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.0, Seen::Everything)
    }

    /// Whether the caller may know of this repository.
    #[must_use]
    pub fn includes(&self, repository: &RepositoryName) -> bool {
        match &self.0 {
            Seen::Everything => true,
            Seen::Of(caller, public) => {
                let name = repository.project();
                let project = ProjectRecord {
                    public: public.contains(name),
                };
                caller.may(name, Some(project), Some(repository), Action::Pull)
            }
        }
    }
}

/// What an account may do in a project, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effective {
    /// The account; empty for who is not logged in.
    pub account: String,
    /// The project.
    pub project: String,
    /// Whether the project is public: then everybody may pull.
    pub public: bool,
    /// Whether the account cannot log in now.
    pub disabled: bool,
    /// Whether it is a system administrator's: then it may do everything.
    pub administrator: bool,
    /// Its role, if it is a member.
    pub role: Option<Role>,
    /// A robot account's scopes that can reach the project.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scopes: Vec<RobotScope>,
    /// What it may do in the whole project. A robot's scopes are beside this.
    pub actions: Vec<String>,
}

impl Access {
    /// Whether `caller` may do `action` to a repository.
    ///
    /// # Errors
    /// When accounts cannot be read now.
    pub async fn permits(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        action: Action,
    ) -> Result<Verdict, AccessError> {
        self.judge(caller, repository.project(), Some(repository), action)
            .await
    }

    /// Whether `caller` may do `action` to a project as a whole.
    ///
    /// # Errors
    /// When accounts cannot be read now.
    pub async fn permits_project(
        &self,
        caller: &Caller,
        project: &str,
        action: Action,
    ) -> Result<Verdict, AccessError> {
        self.judge(caller, project, None, action).await
    }

    async fn judge(
        &self,
        caller: &Caller,
        project: &str,
        repository: Option<&RepositoryName>,
        action: Action,
    ) -> Result<Verdict, AccessError> {
        let Some(accounts) = &self.0.accounts else {
            return Ok(Verdict::Allowed);
        };
        let record = accounts.directory.project(project).await?;
        let may = caller.may(project, record, repository, action);
        if may && caller.was_granted(repository, action) {
            return Ok(Verdict::Allowed);
        }
        if may || caller.is_anonymous() {
            // A token that asks for more will be granted more, or the account's login.
            return Ok(Verdict::NeedsLogin {
                insufficient: caller.grants.is_some(),
            });
        }
        let sees = caller.may(project, record, repository, Action::Pull)
            || caller.may(project, record, repository, Action::ViewProject);
        Ok(Verdict::Denied { hide: !sees })
    }

    /// The same as [`Access::permits`], and takes note in the audit log when the answer is no.
    ///
    /// That nobody was logged in is noted only if he brought a token: every client begins without.
    ///
    /// # Errors
    /// When accounts cannot be read now.
    pub async fn check(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        action: Action,
    ) -> Result<Verdict, AccessError> {
        let verdict = self.permits(caller, repository, action).await?;
        let refused = match verdict {
            Verdict::Allowed => false,
            Verdict::Denied { .. } => true,
            Verdict::NeedsLogin { insufficient } => insufficient && caller.is_anonymous(),
        };
        if refused {
            let project = Some(repository.project());
            self.note(
                caller,
                action.name(),
                Outcome::Denied,
                project,
                repository.as_str(),
            );
        }
        Ok(verdict)
    }

    /// What of the registry `caller` sees: for lists over all projects.
    ///
    /// # Errors
    /// When accounts cannot be read now.
    pub async fn visible(&self, caller: &Caller) -> Result<Visible, AccessError> {
        let everything = match &caller.identity {
            Identity::Everybody => true,
            Identity::User(user) => user.administrator,
            Identity::Anonymous | Identity::Robot(_) => false,
        };
        match &self.0.accounts {
            Some(accounts) if !everything => {
                let public = accounts.directory.public_projects().await?;
                Ok(Visible(Seen::Of(caller.clone(), public)))
            }
            _ => Ok(Visible(Seen::Everything)),
        }
    }

    /// What an account may do in a project; `account` is empty for who is not logged in.
    pub(crate) async fn effective(
        &self,
        project: &str,
        account: &str,
    ) -> Result<Effective, AccessError> {
        let directory = &self.accounts()?.directory;
        let record = directory.project(project).await?;
        let record = record.ok_or_else(|| unknown(Thing::Project, project))?;
        let mut effective = Effective {
            account: account.to_owned(),
            project: project.to_owned(),
            public: record.public,
            disabled: false,
            administrator: false,
            role: None,
            scopes: vec![],
            actions: vec![],
        };
        let nowhere = std::net::Ipv4Addr::UNSPECIFIED.into();
        let caller = if account.is_empty() {
            Caller::anonymous(nowhere)
        } else if let Some(user) = directory.user(account).await? {
            effective.disabled = user.disabled;
            effective.administrator = user.administrator;
            effective.role = user.roles.get(project).copied();
            Caller::new(Identity::User(user), Proof::Nothing, nowhere)
        } else if let Some(robot) = directory.robot(account).await? {
            effective.disabled =
                robot.disabled || robot.expires.is_some_and(|expires| expires <= self.now());
            let (home, name) = (robot.project.clone(), account.to_owned());
            if home.as_deref().is_none_or(|home| home == project) {
                let found = self
                    .read(move |t| robots::find(t, home.as_deref(), &name))
                    .await?;
                effective.scopes = found.scopes;
            }
            Caller::new(Identity::Robot(robot), Proof::Nothing, nowhere)
        } else {
            return Err(unknown(Thing::Account, account));
        };
        if !effective.disabled {
            let may = |action: &Action| caller.may(project, Some(record), None, *action);
            let actions = Action::ALL.into_iter().filter(may);
            effective.actions = actions.map(|action| action.name().to_owned()).collect();
        }
        Ok(effective)
    }

    /// The user himself as the database has him.
    pub(crate) async fn user(&self, name: &str) -> Result<users::User, AccessError> {
        let name = name.to_owned();
        self.read(move |transaction| users::find(transaction, &name))
            .await
    }
}
