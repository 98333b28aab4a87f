//! Robot accounts, of a project and of the whole registry.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, Paging, Payload, nullable};
use crate::access::{
    AccessError, Caller, NewRobot, Page, ProjectName, Robot, RobotChange, RobotScope, Secret,
    robots,
};

/// A robot account to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRobot {
    /// Its name; a project's robot gets the project's name and a dot before it.
    #[schema(example = "ci", max_length = 128)]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 256)]
    description: String,
    /// What it may do.
    #[schema(min_items = 1, max_items = 16)]
    scopes: Vec<RobotScope>,
    /// When it ends, in milliseconds since 1970; absent for never.
    expires: Option<i64>,
}

/// What of a robot account is changed; what is absent stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedRobot {
    /// What it is for.
    #[schema(max_length = 256)]
    description: Option<String>,
    /// What it may do.
    scopes: Option<Vec<RobotScope>>,
    /// Whether it cannot log in.
    disabled: Option<bool>,
    /// When it ends, in milliseconds since 1970; `null` for never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    expires: Option<Option<i64>>,
}

/// A robot account with its token, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct MadeRobot {
    /// The robot account.
    robot: Robot,
    /// What to log in with, by the robot's name.
    #[schema(example = "kiln_robot_…")]
    secret: String,
}

type Made = Result<(StatusCode, Json<MadeRobot>), Failure>;

fn made(status: StatusCode, (robot, secret): (Robot, Secret)) -> (StatusCode, Json<MadeRobot>) {
    let secret = secret.reveal().to_owned();
    (status, Json(MadeRobot { robot, secret }))
}

/// List a project's robot accounts
#[utoipa::path(get, path = "/api/v1/projects/{project}/robots", tag = "robots", operation_id = "list_robots",
    params(("project" = String, Path, description = "The project"), Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<Robot>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Of(project): Of<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Robot>>, Failure> {
    listed(&state, Some(project), paging).await
}

/// List the robot accounts of the whole registry
#[utoipa::path(get, path = "/api/v1/robots", tag = "robots", operation_id = "list_system_robots", params(Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<Robot>)))]
pub(super) async fn list_all(
    State(state): State<ApiState>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Robot>>, Failure> {
    listed(&state, None, paging).await
}

async fn listed(
    state: &ApiState,
    project: Option<String>,
    paging: Paging,
) -> Result<Json<Page<Robot>>, Failure> {
    let (limit, after) = paging.part()?;
    let page = state
        .access
        .read(move |t| robots::list(t, project.as_deref(), limit, &after));
    Ok(Json(page.await?))
}

/// Make a robot account of a project
#[utoipa::path(post, path = "/api/v1/projects/{project}/robots", tag = "robots", operation_id = "create_robot",
    request_body = WantedRobot, params(("project" = String, Path, description = "The project")),
    responses((status = 201, description = "The account and its token", body = MadeRobot)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(project): Of<String>,
    Payload(wanted): Payload<WantedRobot>,
) -> Made {
    let project: ProjectName = project.parse().map_err(AccessError::from)?;
    new_robot(&state, &caller, Some(project), wanted).await
}

/// Make a robot account of the whole registry
#[utoipa::path(post, path = "/api/v1/robots", tag = "robots", operation_id = "create_system_robot", request_body = WantedRobot,
    responses((status = 201, description = "The account and its token", body = MadeRobot)))]
pub(super) async fn create_for_all(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(wanted): Payload<WantedRobot>,
) -> Made {
    new_robot(&state, &caller, None, wanted).await
}

async fn new_robot(
    state: &ApiState,
    caller: &Caller,
    project: Option<ProjectName>,
    wanted: WantedRobot,
) -> Made {
    let name = match &project {
        Some(project) => format!("{project}.{}", wanted.name),
        None => wanted.name,
    };
    let new = NewRobot {
        name: name.parse().map_err(AccessError::from)?,
        project,
        description: wanted.description,
        scopes: wanted.scopes,
        expires: wanted.expires,
    };
    let robot = state
        .access
        .change(caller.actor(), move |t, by| robots::create(t, &new, by));
    Ok(made(StatusCode::CREATED, robot.await?))
}

/// Show a project's robot account
#[utoipa::path(get, path = "/api/v1/projects/{project}/robots/{robot}", tag = "robots", operation_id = "show_robot",
    params(("project" = String, Path, description = "The project"), ("robot" = String, Path, description = "Its whole name")),
    responses((status = 200, description = "The account", body = Robot)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Of((project, robot)): Of<(String, String)>,
) -> Result<Json<Robot>, Failure> {
    shown(&state, Some(project), robot).await
}

/// Show a robot account of the whole registry
#[utoipa::path(get, path = "/api/v1/robots/{robot}", tag = "robots", operation_id = "show_system_robot",
    params(("robot" = String, Path, description = "Its name")),
    responses((status = 200, description = "The account", body = Robot)))]
pub(super) async fn show_of_all(
    State(state): State<ApiState>,
    Of(robot): Of<String>,
) -> Result<Json<Robot>, Failure> {
    shown(&state, None, robot).await
}

async fn shown(
    state: &ApiState,
    project: Option<String>,
    robot: String,
) -> Result<Json<Robot>, Failure> {
    let found = state
        .access
        .read(move |t| robots::find(t, project.as_deref(), &robot));
    Ok(Json(found.await?))
}

/// Change a project's robot account
#[utoipa::path(patch, path = "/api/v1/projects/{project}/robots/{robot}", tag = "robots", operation_id = "change_robot",
    request_body = ChangedRobot,
    params(("project" = String, Path, description = "The project"), ("robot" = String, Path, description = "Its whole name")),
    responses((status = 200, description = "The account as it is now", body = Robot)))]
pub(super) async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, robot)): Of<(String, String)>,
    Payload(changed): Payload<ChangedRobot>,
) -> Result<Json<Robot>, Failure> {
    changed_robot(&state, &caller, Some(project), robot, changed).await
}

/// Change a robot account of the whole registry
#[utoipa::path(patch, path = "/api/v1/robots/{robot}", tag = "robots", operation_id = "change_system_robot",
    request_body = ChangedRobot, params(("robot" = String, Path, description = "Its name")),
    responses((status = 200, description = "The account as it is now", body = Robot)))]
pub(super) async fn change_of_all(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(robot): Of<String>,
    Payload(changed): Payload<ChangedRobot>,
) -> Result<Json<Robot>, Failure> {
    changed_robot(&state, &caller, None, robot, changed).await
}

async fn changed_robot(
    state: &ApiState,
    caller: &Caller,
    project: Option<String>,
    robot: String,
    changed: ChangedRobot,
) -> Result<Json<Robot>, Failure> {
    let change = RobotChange {
        description: changed.description,
        scopes: changed.scopes,
        disabled: changed.disabled,
        expires: changed.expires,
    };
    let robot = state.access.change(caller.actor(), move |t, by| {
        robots::change(t, project.as_deref(), &robot, &change, by)
    });
    Ok(Json(robot.await?))
}

/// Delete a project's robot account
#[utoipa::path(delete, path = "/api/v1/projects/{project}/robots/{robot}", tag = "robots", operation_id = "delete_robot",
    params(("project" = String, Path, description = "The project"), ("robot" = String, Path, description = "Its whole name")),
    responses((status = 204, description = "It is gone, and its token is void")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, robot)): Of<(String, String)>,
) -> Result<StatusCode, Failure> {
    deleted(&state, &caller, Some(project), robot).await
}

/// Delete a robot account of the whole registry
#[utoipa::path(delete, path = "/api/v1/robots/{robot}", tag = "robots", operation_id = "delete_system_robot",
    params(("robot" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is gone, and its token is void")))]
pub(super) async fn delete_of_all(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(robot): Of<String>,
) -> Result<StatusCode, Failure> {
    deleted(&state, &caller, None, robot).await
}

async fn deleted(
    state: &ApiState,
    caller: &Caller,
    project: Option<String>,
    robot: String,
) -> Result<StatusCode, Failure> {
    let gone = state.access.change(caller.actor(), move |t, by| {
        robots::delete(t, project.as_deref(), &robot, by)
    });
    gone.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a project's robot account another token
#[utoipa::path(post, path = "/api/v1/projects/{project}/robots/{robot}/secret", tag = "robots", operation_id = "renew_robot",
    params(("project" = String, Path, description = "The project"), ("robot" = String, Path, description = "Its whole name")),
    responses((status = 200, description = "The new token; the one before is void", body = MadeRobot)))]
pub(super) async fn renew(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, robot)): Of<(String, String)>,
) -> Made {
    renewed(&state, &caller, Some(project), robot).await
}

/// Give a robot account of the whole registry another token
#[utoipa::path(post, path = "/api/v1/robots/{robot}/secret", tag = "robots", operation_id = "renew_system_robot",
    params(("robot" = String, Path, description = "Its name")),
    responses((status = 200, description = "The new token; the one before is void", body = MadeRobot)))]
pub(super) async fn renew_of_all(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(robot): Of<String>,
) -> Made {
    renewed(&state, &caller, None, robot).await
}

async fn renewed(
    state: &ApiState,
    caller: &Caller,
    project: Option<String>,
    robot: String,
) -> Made {
    let renewed = state.access.change(caller.actor(), move |t, by| {
        robots::renew(t, project.as_deref(), &robot, by)
    });
    Ok(made(StatusCode::OK, renewed.await?))
}
