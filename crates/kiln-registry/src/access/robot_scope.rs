//! What a robot account may do: patterns of repository names, and actions.

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::action::Action;
use super::names::ProjectName;
use crate::name::RepositoryName;

/// What a robot may do to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RobotAction {
    /// Read.
    Pull,
    /// Read and push: a client that pushes asks first what is there, which is reading.
    Push,
    /// Delete manifests, tags and blobs.
    Delete,
}

/// Some repositories and what may be done to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RobotScope {
    /// Whole repository names as a glob: `*` is anything but `/`, `**` anything. A project's robot has
    /// patterns that begin with the project's name: `team/**`.
    #[schema(example = "team/**", max_length = 255)]
    pub repositories: String,
    /// What may be done to them.
    #[schema(max_items = 3)]
    pub actions: Vec<RobotAction>,
}

/// Why a robot cannot have a scope.
#[derive(Debug, thiserror::Error)]
pub enum RobotScopeError {
    /// There must be one to sixteen.
    #[error("a robot has 1 to {SCOPES_MOST} scopes, not {count}")]
    Count {
        /// How many there were.
        count: usize,
    },
    /// Nothing to do.
    #[error("the scope of `{repositories}` has no action: pull, push or delete")]
    NoAction {
        /// The pattern.
        repositories: String,
    },
    /// Not a pattern.
    #[error("`{repositories}` is not a pattern of repository names: {reason}")]
    Pattern {
        /// The pattern, shortened.
        repositories: String,
        /// What is wrong.
        reason: String,
    },
    /// A project's robot reaches beyond the project.
    #[error(
        "`{repositories}` reaches beyond the project: a pattern for it begins with `{project}/`"
    )]
    OtherProject {
        /// The pattern.
        repositories: String,
        /// The robot's project.
        project: String,
    },
}

const SCOPES_MOST: usize = 16;

/// Scopes ready for use.
#[derive(Debug, Clone)]
pub(crate) struct RobotScopes {
    scopes: Vec<(GlobMatcher, Vec<RobotAction>)>,
}

impl RobotScopes {
    /// Compiles scopes, holding them to `project` if the robot belongs to one.
    pub(crate) fn new(
        scopes: &[RobotScope],
        project: Option<&ProjectName>,
    ) -> Result<Self, RobotScopeError> {
        if scopes.is_empty() || scopes.len() > SCOPES_MOST {
            return Err(RobotScopeError::Count {
                count: scopes.len(),
            });
        }
        let compiled = scopes.iter().map(|scope| compile(scope, project));
        Ok(Self {
            scopes: compiled.collect::<Result<_, _>>()?,
        })
    }

    /// Whether one of the scopes allows it.
    pub(crate) fn allow(&self, repository: &RepositoryName, action: Action) -> bool {
        let name = repository.to_string();
        self.scopes.iter().any(|(glob, actions)| {
            let allowed = match action {
                Action::Pull => {
                    actions.contains(&RobotAction::Pull) || actions.contains(&RobotAction::Push)
                }
                Action::Push => actions.contains(&RobotAction::Push),
                Action::Delete => actions.contains(&RobotAction::Delete),
                _ => false,
            };
            allowed && glob.is_match(&name)
        })
    }
}

fn compile(
    scope: &RobotScope,
    project: Option<&ProjectName>,
) -> Result<(GlobMatcher, Vec<RobotAction>), RobotScopeError> {
    let pattern = &scope.repositories;
    let bad = |reason: &str| RobotScopeError::Pattern {
        repositories: pattern
            .chars()
            .take(80)
            .filter(|c| !c.is_control())
            .collect(),
        reason: reason.to_owned(),
    };
    if pattern.is_empty() || pattern.len() > 255 {
        return Err(bad("1 to 255 bytes"));
    }
    // Braces would let a pattern that begins with the project's name leave it: `team/{a,../b}` cannot, but
    // `{team/a,other/b}` could; a robot with two scopes says the same.
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*?".contains(&byte);
    if !pattern.bytes().all(allowed) {
        return Err(bad("a-z, 0-9, `.`, `_`, `-`, `/`, `*` and `?`"));
    }
    if scope.actions.is_empty() {
        return Err(RobotScopeError::NoAction {
            repositories: pattern.clone(),
        });
    }
    if let Some(project) = project {
        let inside = pattern
            .strip_prefix(project.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !inside {
            return Err(RobotScopeError::OtherProject {
                repositories: pattern.clone(),
                project: project.to_string(),
            });
        }
    }
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| bad(&error.kind().to_string()))?;
    let mut actions = scope.actions.clone();
    actions.sort_unstable();
    actions.dedup();
    Ok((glob.compile_matcher(), actions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RobotAction::{Delete, Pull, Push};

    fn scopes(
        list: &[(&str, &[RobotAction])],
        project: Option<&str>,
    ) -> Result<RobotScopes, RobotScopeError> {
        let list: Vec<_> = list
            .iter()
            .map(|(repositories, actions)| RobotScope {
                repositories: (*repositories).to_owned(),
                actions: actions.to_vec(),
            })
            .collect();
        RobotScopes::new(&list, project.map(|name| name.parse().unwrap()).as_ref())
    }

    #[test]
    fn patterns_and_actions() {
        let robot = scopes(
            &[("team/*", &[Push]), ("team/deep/**", &[Pull, Delete])],
            Some("team"),
        )
        .unwrap();
        let may = |name: &str, action| robot.allow(&name.parse().unwrap(), action);
        assert!(may("team/app", Action::Push) && may("team/app", Action::Pull));
        assert!(!may("team/app", Action::Delete));
        assert!(!may("team/a/b", Action::Pull), "a star stops at a slash");
        assert!(may("team/deep/a/b", Action::Delete) && !may("team/deep/a/b", Action::Push));
        assert!(!may("team2/app", Action::Pull) && !may("team", Action::Pull));
        for action in Action::ALL {
            if !matches!(action, Action::Pull | Action::Push | Action::Delete) {
                assert!(!may("team/app", action), "{action} is not for robots");
            }
        }
    }

    #[test]
    fn a_project_s_robot_stays_inside() {
        for pattern in [
            "**",
            "*/app",
            "team2/**",
            "tea*/**",
            "other/app",
            "?eam/x",
            "team*",
        ] {
            assert!(
                matches!(
                    scopes(&[(pattern, &[Pull])], Some("team")),
                    Err(RobotScopeError::OtherProject { .. })
                ),
                "{pattern}"
            );
        }
        assert!(scopes(&[("**", &[Pull])], None).is_ok());
    }

    #[test]
    fn what_is_no_scope() {
        let long = format!("team/{}", "a".repeat(251));
        for pattern in [
            "",
            "Team/**",
            "{team/a,other/b}",
            "team/[a-z]",
            "team/\\",
            "team/a\n",
            &long,
            "team/!x",
        ] {
            assert!(
                scopes(&[(pattern, &[Pull])], Some("team")).is_err(),
                "{pattern:?}"
            );
        }
        assert!(scopes(&[("team/a", &[])], None).is_err());
        assert!(scopes(&[], None).is_err());
        assert!(scopes(&[("team/a", &[Pull][..]); 17], None).is_err());
    }
}
