//! Tags that may not change: rules by glob or by version.

use globset::{GlobBuilder, GlobMatcher};
use semver::{Version, VersionReq};

use super::{Content, ContentError};
use crate::database::{DatabaseError, Row, Transaction};
use crate::name::{RepositoryName, Tag};

/// How a rule's pattern is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `*`, `?`, `[ab]` and `{a,b}` over the tag's text.
    Glob,
    /// A range of versions (`>=1.0.0`, `1.2`, `*`) as Cargo writes them, over tags that are versions:
    /// `1.2.3`, `v1.2.3`, `1.2.3-rc.1`. A release candidate is in a range only if the range names one
    /// of the same version.
    Semver,
}

impl RuleKind {
    /// Its name in the database and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Glob => "glob",
            Self::Semver => "semver",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "glob" => Some(Self::Glob),
            "semver" => Some(Self::Semver),
            _ => None,
        }
    }
}

/// A rule to be made.
#[derive(Clone, Debug)]
pub struct NewTagRule {
    /// The project whose repositories it holds for.
    pub project: String,
    /// Which of them: a glob over whole names, where `*` stops at a slash and `**` does not.
    pub repositories: String,
    /// How `pattern` is meant.
    pub kind: RuleKind,
    /// Which tags.
    pub pattern: String,
    /// Who makes it.
    pub who: String,
}

/// A rule that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// Its number.
    pub id: i64,
    /// The project whose repositories it holds for.
    pub project: String,
    /// Which of them, as in [`NewTagRule`].
    pub repositories: String,
    /// How `pattern` is meant.
    pub kind: RuleKind,
    /// Which tags.
    pub pattern: String,
    /// When it was made, milliseconds since 1970.
    pub created: i64,
    /// Who made it.
    pub created_by: String,
}

/// Why a rule was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRule {
    /// A glob that is none.
    #[error("`{pattern}` is not a pattern")]
    Glob {
        /// What was given.
        pattern: String,
        /// Why not.
        #[source]
        source: globset::Error,
    },
    /// A range of versions that is none.
    #[error("`{pattern}` is not a range of versions")]
    Versions {
        /// What was given.
        pattern: String,
        /// Why not.
        #[source]
        source: semver::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] ContentError),
}

impl From<DatabaseError> for InvalidRule {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error.into())
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, InvalidRule> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|source| InvalidRule::Glob {
        pattern: pattern.to_owned(),
        source,
    })?;
    Ok(glob.compile_matcher())
}

fn versions(pattern: &str) -> Result<VersionReq, InvalidRule> {
    pattern.parse().map_err(|source| InvalidRule::Versions {
        pattern: pattern.to_owned(),
        source,
    })
}

impl NewTagRule {
    /// Whether its patterns can be read.
    pub(crate) fn check(&self) -> Result<(), InvalidRule> {
        glob(&self.repositories)?;
        match self.kind {
            RuleKind::Glob => drop(glob(&self.pattern)?),
            RuleKind::Semver => drop(versions(&self.pattern)?),
        }
        Ok(())
    }
}

impl TagRule {
    const COLUMNS: &str = "id, project, repositories, kind, pattern, created, created_by";

    fn of(row: &Row) -> Result<Self, DatabaseError> {
        let kind = RuleKind::named(&row.get::<String>(3)?);
        Ok(Self {
            id: row.get(0)?,
            project: row.get(1)?,
            repositories: row.get(2)?,
            kind: kind.ok_or(DatabaseError::Unexpected {
                column: 3,
                expected: "`glob` or `semver`",
                found: "another text",
            })?,
            pattern: row.get(4)?,
            created: row.get(5)?,
            created_by: row.get(6)?,
        })
    }

    /// Whether it holds for a tag of a repository. A rule that cannot be read holds: it was made to
    /// keep something.
    #[must_use]
    pub fn holds_for(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let here = glob(&self.repositories).map(|glob| glob.is_match(repository.as_str()));
        if !here.unwrap_or(true) {
            return false;
        }
        match self.kind {
            RuleKind::Glob => glob(&self.pattern).map_or(true, |glob| glob.is_match(tag.as_str())),
            RuleKind::Semver => {
                let Ok(range) = versions(&self.pattern) else {
                    return true;
                };
                let text = tag.as_str().strip_prefix('v').unwrap_or(tag.as_str());
                Version::parse(text).is_ok_and(|version| range.matches(&version))
            }
        }
    }
}

impl std::fmt::Display for TagRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            repositories,
            pattern,
            ..
        } = self;
        write!(f, "{repositories}: {} {pattern}", self.kind.name())
    }
}

/// The first rule that keeps a tag as it is.
pub(super) fn keeping(
    transaction: &mut dyn Transaction,
    repository: &RepositoryName,
    tag: &Tag,
) -> Result<Option<TagRule>, DatabaseError> {
    let rules = of_project(transaction, repository.project())?;
    let mut rules = rules.into_iter();
    Ok(rules.find(|rule| rule.holds_for(repository, tag)))
}

fn of_project(
    transaction: &mut dyn Transaction,
    project: &str,
) -> Result<Vec<TagRule>, DatabaseError> {
    let columns = TagRule::COLUMNS;
    let sql = format!("SELECT {columns} FROM tag_rule WHERE project = $1 ORDER BY id");
    let rows = transaction.query(&sql, &[project.into()])?;
    rows.iter().map(TagRule::of).collect()
}

impl Content {
    /// The rules of a project, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tag_rules(&self, project: &str) -> Result<Vec<TagRule>, ContentError> {
        let project = project.to_owned();
        let rules = self
            .database()
            .read(move |transaction| of_project(transaction, &project));
        rules.await.map_err(|error: DatabaseError| error.into())
    }

    /// Makes a rule.
    ///
    /// # Errors
    /// See [`InvalidRule`].
    pub async fn add_tag_rule(&self, rule: NewTagRule) -> Result<TagRule, InvalidRule> {
        rule.check()?;
        let now = self.clock().now();
        let added = self.database().write(move |transaction| {
            let columns = TagRule::COLUMNS;
            let sql = format!(
                "INSERT INTO tag_rule (project, repositories, kind, pattern, created, created_by) \
                 VALUES ($1, $2, $3, $4, $5, $6) RETURNING {columns}"
            );
            let parameters = [
                rule.project.into(),
                rule.repositories.into(),
                rule.kind.name().into(),
                rule.pattern.into(),
                now.into(),
                rule.who.into(),
            ];
            let row = transaction.first(&sql, &parameters)?;
            TagRule::of(&row.expect("because RETURNING gives the row that was inserted"))
        });
        added.await.map_err(|error: DatabaseError| error.into())
    }

    /// Takes a rule of a project away. False if there is no such rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_tag_rule(&self, project: &str, id: i64) -> Result<bool, ContentError> {
        let project = project.to_owned();
        let removed = self.database().write(move |transaction| {
            let sql = "DELETE FROM tag_rule WHERE project = $1 AND id = $2";
            transaction.execute(sql, &[project.into(), id.into()])
        });
        let removed = removed.await.map_err(|error: DatabaseError| error)?;
        Ok(removed > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(repositories: &str, kind: RuleKind, pattern: &str) -> TagRule {
        TagRule {
            id: 1,
            project: "team".to_owned(),
            repositories: repositories.to_owned(),
            kind,
            pattern: pattern.to_owned(),
            created: 0,
            created_by: "test".to_owned(),
        }
    }

    fn holds(rule: &TagRule, repository: &str, tag: &str) -> bool {
        rule.holds_for(&repository.parse().unwrap(), &tag.parse().unwrap())
    }

    #[test]
    fn globs_stop_at_slashes_unless_they_are_doubled() {
        let one = rule("team/*", RuleKind::Glob, "v*");
        assert!(holds(&one, "team/app", "v1"));
        assert!(!holds(&one, "team/app/part", "v1"));
        assert!(!holds(&one, "team/app", "latest"));
        assert!(holds(
            &rule("team/**", RuleKind::Glob, "{v*,stable}"),
            "team/app/part",
            "stable"
        ));
    }

    #[test]
    fn versions_are_compared_as_versions() {
        let rule = rule("**", RuleKind::Semver, ">=1.2.0, <2.0.0");
        for tag in ["1.2.0", "v1.10.3", "1.99.0"] {
            assert!(holds(&rule, "team/app", tag), "{tag}");
        }
        for tag in ["1.1.9", "2.0.0", "latest", "1.2", "v1", "1.3.0-rc.1"] {
            assert!(!holds(&rule, "team/app", tag), "{tag}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_read_keeps() {
        assert!(holds(&rule("[", RuleKind::Glob, "["), "team/app", "x"));
        assert!(holds(&rule("**", RuleKind::Semver, "???"), "team/app", "x"));
    }
}
