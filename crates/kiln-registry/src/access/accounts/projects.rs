//! Projects and their members.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::error::{AccessError, Thing, check_description};
use super::super::names::ProjectName;
use super::super::role::Role;
use super::{By, Page, must_be, one_more, unknown, users};
use crate::database::{Row, Transaction, Value};

/// A project: the first part of its repositories' names, and who may do what to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its name.
    #[schema(example = "team")]
    pub name: String,
    /// Whether everybody may pull, logged in or not.
    pub public: bool,
    /// What it is for.
    pub description: String,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// By whom.
    pub created_by: String,
}

/// A user's part in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The user.
    pub user: String,
    /// What he may do.
    pub role: Role,
    /// Since when, in milliseconds since 1970.
    pub added: i64,
    /// By whom.
    pub added_by: String,
}

/// What of a project is changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProjectChange {
    pub(crate) public: Option<bool>,
    pub(crate) description: Option<String>,
}

/// Which projects a list shall have.
#[derive(Debug, Clone)]
pub(crate) enum Listed {
    /// All.
    All,
    /// The public ones, and those that this user is a member of.
    Of(String),
    /// The public ones, and this one.
    And(String),
}

const COLUMNS: &str = "name, public, description, created, created_by";

fn project(row: &Row) -> Result<Project, AccessError> {
    Ok(Project {
        name: row.get(0)?,
        public: row.get(1)?,
        description: row.get(2)?,
        created: row.get(3)?,
        created_by: row.get(4)?,
    })
}

pub(crate) fn find(transaction: &mut dyn Transaction, name: &str) -> Result<Project, AccessError> {
    let row = transaction.first(
        &format!("SELECT {COLUMNS} FROM project WHERE name = $1"),
        &[name.into()],
    )?;
    project(&row.ok_or_else(|| unknown(Thing::Project, name))?)
}

pub(crate) fn list(
    transaction: &mut dyn Transaction,
    listed: &Listed,
    limit: usize,
    after: &str,
) -> Result<Page<Project>, AccessError> {
    let mut parameters: Vec<Value> = vec![after.into(), one_more(limit).into()];
    let which = match listed {
        Listed::All => "",
        Listed::Of(user) => {
            parameters.push(user.into());
            "AND (public = 1 OR name IN (SELECT project FROM project_member WHERE member = $3))"
        }
        Listed::And(name) => {
            parameters.push(name.into());
            "AND (public = 1 OR name = $3)"
        }
    };
    let sql =
        format!("SELECT {COLUMNS} FROM project WHERE name > $1 {which} ORDER BY name LIMIT $2");
    Page::of(
        &transaction.query(&sql, &parameters)?,
        limit,
        project,
        |project| &project.name,
    )
}

pub(crate) fn create(
    transaction: &mut dyn Transaction,
    name: &ProjectName,
    public: bool,
    description: &str,
    by: &By,
) -> Result<Project, AccessError> {
    check_description(description)?;
    let name = name.as_str();
    let there = transaction.first("SELECT name FROM project WHERE name = $1", &[name.into()])?;
    if there.is_some() {
        return Err(AccessError::Taken {
            thing: Thing::Project,
            name: name.to_owned(),
        });
    }
    transaction.execute(
        "INSERT INTO project (name, public, description, created, created_by) VALUES ($1, $2, $3, $4, $5)",
        &[
            name.into(),
            public.into(),
            description.into(),
            by.now.into(),
            (&by.actor.name).into(),
        ],
    )?;
    by.did(
        transaction,
        "create-project",
        Some(name),
        name,
        &[("public", json!(public))],
    )?;
    find(transaction, name)
}

pub(crate) fn change(
    transaction: &mut dyn Transaction,
    name: &str,
    change: &ProjectChange,
    by: &By,
) -> Result<Project, AccessError> {
    let before = find(transaction, name)?;
    let description = change.description.as_ref().unwrap_or(&before.description);
    check_description(description)?;
    let public = change.public.unwrap_or(before.public);
    transaction.execute(
        "UPDATE project SET public = $2, description = $3 WHERE name = $1",
        &[name.into(), public.into(), description.into()],
    )?;
    by.did(
        transaction,
        "change-project",
        Some(name),
        name,
        &[("public", json!(public))],
    )?;
    find(transaction, name)
}

/// Deletes a project that has no images, with its members, robots and rules.
pub(crate) fn delete(
    transaction: &mut dyn Transaction,
    name: &str,
    by: &By,
) -> Result<(), AccessError> {
    find(transaction, name)?;
    let row = transaction.first(
        "SELECT r.name FROM repository r JOIN manifest m ON m.repository = r.id WHERE r.project = $1 LIMIT 1",
        &[name.into()],
    )?;
    if let Some(row) = row {
        return Err(AccessError::NotEmpty {
            project: name.to_owned(),
            repository: row.get(0)?,
        });
    }
    transaction.execute(
        "DELETE FROM project_member WHERE project = $1",
        &[name.into()],
    )?;
    transaction.execute(
        "DELETE FROM account_robot WHERE project = $1",
        &[name.into()],
    )?;
    transaction.execute("DELETE FROM tag_rule WHERE project = $1", &[name.into()])?;
    let gone = transaction.execute("DELETE FROM project WHERE name = $1", &[name.into()])?;
    must_be(gone, Thing::Project, name)?;
    by.did(transaction, "delete-project", Some(name), name, &[])
}

fn member(row: &Row) -> Result<Member, AccessError> {
    Ok(Member {
        user: row.get(0)?,
        // A word that this kiln does not know is shown as the least.
        role: row.get::<String>(1)?.parse().unwrap_or(Role::Guest),
        added: row.get(2)?,
        added_by: row.get(3)?,
    })
}

pub(crate) fn members(
    transaction: &mut dyn Transaction,
    project: &str,
    limit: usize,
    after: &str,
) -> Result<Page<Member>, AccessError> {
    let rows = transaction.query(
        "SELECT member, role, added, added_by FROM project_member WHERE project = $1 AND member > $2 \
         ORDER BY member LIMIT $3",
        &[project.into(), after.into(), one_more(limit).into()],
    )?;
    Page::of(&rows, limit, member, |member| &member.user)
}

/// Makes a user a member, or changes his role.
pub(crate) fn set_member(
    transaction: &mut dyn Transaction,
    project: &str,
    user: &str,
    role: Role,
    by: &By,
) -> Result<Member, AccessError> {
    find(transaction, project)?;
    users::find(transaction, user)?;
    transaction.execute(
        "INSERT INTO project_member (project, member, role, added, added_by) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (project, member) DO UPDATE SET role = excluded.role",
        &[
            project.into(),
            user.into(),
            role.name().into(),
            by.now.into(),
            (&by.actor.name).into(),
        ],
    )?;
    by.did(
        transaction,
        "set-member",
        Some(project),
        user,
        &[("role", json!(role))],
    )?;
    let row = transaction.first(
        "SELECT member, role, added, added_by FROM project_member WHERE project = $1 AND member = $2",
        &[project.into(), user.into()],
    )?;
    member(&row.ok_or_else(|| unknown(Thing::Member, user))?)
}

pub(crate) fn remove_member(
    transaction: &mut dyn Transaction,
    project: &str,
    user: &str,
    by: &By,
) -> Result<(), AccessError> {
    let gone = transaction.execute(
        "DELETE FROM project_member WHERE project = $1 AND member = $2",
        &[project.into(), user.into()],
    )?;
    must_be(gone, Thing::Member, user)?;
    by.did(transaction, "remove-member", Some(project), user, &[])
}
