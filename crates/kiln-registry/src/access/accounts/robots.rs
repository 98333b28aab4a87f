//! Robot accounts: for programs, with one token each, patterns of repositories, and an end.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::caller::RobotRecord;
use super::super::error::{AccessError, Thing, check_description};
use super::super::names::{AccountName, ProjectName};
use super::super::robot_scope::{RobotScope, RobotScopes};
use super::super::secret::{Secret, SecretKind, random_number};
use super::{By, Page, must_be, name_is_free, one_more, projects, unknown};
use crate::database::{Row, Transaction, Value};

/// A robot account without its token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Robot {
    /// The login name; a project's robots begin with the project's name and a dot.
    #[schema(example = "team.ci")]
    pub name: String,
    /// The project that it belongs to; absent for one of the whole registry.
    pub project: Option<String>,
    /// What it is for.
    pub description: String,
    /// What it may do.
    pub scopes: Vec<RobotScope>,
    /// Whether it cannot log in now.
    pub disabled: bool,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends, if it does by itself.
    pub expires: Option<i64>,
    /// When it was last used, to the minute; absent if never.
    pub used: Option<i64>,
}

/// A robot that shall be made.
#[derive(Debug, Clone)]
pub(crate) struct NewRobot {
    pub(crate) name: AccountName,
    pub(crate) project: Option<ProjectName>,
    pub(crate) description: String,
    pub(crate) scopes: Vec<RobotScope>,
    pub(crate) expires: Option<i64>,
}

/// What of a robot is changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct RobotChange {
    pub(crate) description: Option<String>,
    pub(crate) scopes: Option<Vec<RobotScope>>,
    pub(crate) disabled: Option<bool>,
    pub(crate) expires: Option<Option<i64>>,
}

const COLUMNS: &str =
    "name, project, description, scopes, disabled, created, created_by, expires, used";

fn robot(row: &Row) -> Result<Robot, AccessError> {
    Ok(Robot {
        name: row.get(0)?,
        project: row.get(1)?,
        description: row.get(2)?,
        // A row that another kiln wrote in another way gives no right.
        scopes: serde_json::from_str(&row.get::<String>(3)?).unwrap_or_default(),
        disabled: row.get(4)?,
        created: row.get(5)?,
        created_by: row.get(6)?,
        expires: row.get(7)?,
        used: row.get(8)?,
    })
}

pub(crate) fn record(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<Option<RobotRecord>, AccessError> {
    let Some(row) = transaction.first(
        "SELECT project, scopes, disabled, epoch, expires FROM account_robot WHERE name = $1",
        &[name.into()],
    )?
    else {
        return Ok(None);
    };
    let project: Option<String> = row.get(0)?;
    let scopes: Vec<RobotScope> = serde_json::from_str(&row.get::<String>(1)?).unwrap_or_default();
    let home = project.as_deref().map(str::parse).transpose()?;
    Ok(Some(RobotRecord {
        name: name.to_owned(),
        project,
        scopes: RobotScopes::new(&scopes, home.as_ref())?,
        disabled: row.get(2)?,
        epoch: row.get(3)?,
        expires: row.get(4)?,
    }))
}

/// The name of the robot with this secret.
pub(crate) fn by_secret(
    transaction: &mut dyn Transaction,
    fingerprint: &str,
) -> Result<Option<String>, AccessError> {
    let row = transaction.first(
        "SELECT name FROM account_robot WHERE secret = $1",
        &[fingerprint.into()],
    )?;
    Ok(row.map(|row| row.get(0)).transpose()?)
}

/// The robots of a project, or those of the whole registry.
pub(crate) fn list(
    transaction: &mut dyn Transaction,
    project: Option<&str>,
    limit: usize,
    after: &str,
) -> Result<Page<Robot>, AccessError> {
    let mut parameters: Vec<Value> = vec![after.into(), one_more(limit).into()];
    let whose = match project {
        Some(project) => {
            parameters.push(project.into());
            "project = $3"
        }
        None => "project IS NULL",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM account_robot WHERE {whose} AND name > $1 ORDER BY name LIMIT $2"
    );
    Page::of(
        &transaction.query(&sql, &parameters)?,
        limit,
        robot,
        |robot| &robot.name,
    )
}

/// A robot of that project, or of the whole registry.
pub(crate) fn find(
    transaction: &mut dyn Transaction,
    project: Option<&str>,
    name: &str,
) -> Result<Robot, AccessError> {
    let row = transaction.first(
        &format!("SELECT {COLUMNS} FROM account_robot WHERE name = $1"),
        &[name.into()],
    )?;
    let found = row.map(|row| robot(&row)).transpose()?;
    found
        .filter(|robot| robot.project.as_deref() == project)
        .ok_or_else(|| unknown(Thing::Robot, name))
}

/// Makes a robot; the secret is to be shown once.
pub(crate) fn create(
    transaction: &mut dyn Transaction,
    new: &NewRobot,
    by: &By,
) -> Result<(Robot, Secret), AccessError> {
    let name = new.name.as_str();
    let project = new.project.as_ref().map(ProjectName::as_str);
    check(&new.description, new.expires, by)?;
    RobotScopes::new(&new.scopes, new.project.as_ref())?;
    if let Some(project) = project {
        projects::find(transaction, project)?;
    }
    name_is_free(transaction, name)?;
    let secret = Secret::generate(SecretKind::Robot)?;
    transaction.execute(
        "INSERT INTO account_robot (name, project, description, secret, scopes, disabled, epoch, created, \
         created_by, expires) VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9)",
        &[
            name.into(),
            project.into(),
            (&new.description).into(),
            secret.fingerprint().into(),
            as_json(&new.scopes).into(),
            random_number()?.into(),
            by.now.into(),
            (&by.actor.name).into(),
            new.expires.into(),
        ],
    )?;
    let detail = [
        ("scopes", json!(new.scopes)),
        ("expires", json!(new.expires)),
    ];
    by.did(transaction, "create-robot", project, name, &detail)?;
    Ok((find(transaction, project, name)?, secret))
}

pub(crate) fn change(
    transaction: &mut dyn Transaction,
    project: Option<&str>,
    name: &str,
    change: &RobotChange,
    by: &By,
) -> Result<Robot, AccessError> {
    let before = find(transaction, project, name)?;
    let description = change.description.as_ref().unwrap_or(&before.description);
    let scopes = change.scopes.as_ref().unwrap_or(&before.scopes);
    let expires = change.expires.unwrap_or(before.expires);
    check(description, change.expires.flatten(), by)?;
    let home = project.map(str::parse).transpose()?;
    RobotScopes::new(scopes, home.as_ref())?;
    transaction.execute(
        "UPDATE account_robot SET description = $2, scopes = $3, disabled = $4, expires = $5 WHERE name = $1",
        &[
            name.into(),
            description.into(),
            as_json(scopes).into(),
            change.disabled.unwrap_or(before.disabled).into(),
            expires.into(),
        ],
    )?;
    let after = find(transaction, project, name)?;
    let detail = [
        ("scopes", json!(after.scopes)),
        ("disabled", json!(after.disabled)),
        ("expires", json!(after.expires)),
    ];
    by.did(transaction, "change-robot", project, name, &detail)?;
    Ok(after)
}

/// Gives the robot another token; the one before is void at once.
pub(crate) fn renew(
    transaction: &mut dyn Transaction,
    project: Option<&str>,
    name: &str,
    by: &By,
) -> Result<(Robot, Secret), AccessError> {
    let robot = find(transaction, project, name)?;
    let secret = Secret::generate(SecretKind::Robot)?;
    transaction.execute(
        "UPDATE account_robot SET secret = $2, epoch = $3 WHERE name = $1",
        &[
            name.into(),
            secret.fingerprint().into(),
            random_number()?.into(),
        ],
    )?;
    by.did(transaction, "renew-robot", project, name, &[])?;
    Ok((robot, secret))
}

pub(crate) fn delete(
    transaction: &mut dyn Transaction,
    project: Option<&str>,
    name: &str,
    by: &By,
) -> Result<(), AccessError> {
    find(transaction, project, name)?;
    let gone = transaction.execute("DELETE FROM account_robot WHERE name = $1", &[name.into()])?;
    must_be(gone, Thing::Robot, name)?;
    by.did(transaction, "delete-robot", project, name, &[])
}

fn check(description: &str, expires: Option<i64>, by: &By) -> Result<(), AccessError> {
    check_description(description)?;
    match expires.is_some_and(|expires| expires <= by.now) {
        true => Err(AccessError::ExpiryInThePast),
        false => Ok(()),
    }
}

fn as_json(scopes: &[RobotScope]) -> String {
    json!(scopes).to_string()
}
