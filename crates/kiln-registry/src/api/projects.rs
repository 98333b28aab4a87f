//! Projects.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, Paging, Payload};
use crate::access::{
    AccessError, Caller, Effective, Page, Project, ProjectChange, ProjectName, projects,
};

/// A project to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProject {
    /// The first part of its repositories' names.
    #[schema(example = "team", max_length = 100)]
    name: String,
    /// Whether everybody may pull, logged in or not.
    #[serde(default)]
    public: bool,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 256)]
    description: String,
}

/// What of a project is changed; what is absent stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedProject {
    /// Whether everybody may pull, logged in or not.
    public: Option<bool>,
    /// What it is for.
    #[schema(max_length = 256)]
    description: Option<String>,
}

/// Whose rights.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// A user or robot account; empty or absent for who is not logged in.
    #[serde(default)]
    account: String,
}

/// List the projects that the caller may see
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects", operation_id = "list_projects", params(Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<Project>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Project>>, Failure> {
    let (limit, after) = paging.part()?;
    let listed = caller.listed();
    let page = state
        .access
        .read(move |t| projects::list(t, &listed, limit, &after));
    Ok(Json(page.await?))
}

/// Make a project
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", operation_id = "create_project", request_body = NewProject,
    responses((status = 201, description = "The project", body = Project)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(new): Payload<NewProject>,
) -> Result<(StatusCode, Json<Project>), Failure> {
    let name: ProjectName = new.name.parse().map_err(AccessError::from)?;
    let made = state.access.change(caller.actor(), move |t, by| {
        projects::create(t, &name, new.public, &new.description, by)
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Show a project
#[utoipa::path(get, path = "/api/v1/projects/{project}", tag = "projects", operation_id = "show_project",
    params(("project" = String, Path, description = "The project")),
    responses((status = 200, description = "The project", body = Project)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Of(project): Of<String>,
) -> Result<Json<Project>, Failure> {
    let found = state.access.read(move |t| projects::find(t, &project));
    Ok(Json(found.await?))
}

/// Change a project
#[utoipa::path(patch, path = "/api/v1/projects/{project}", tag = "projects", operation_id = "change_project",
    request_body = ChangedProject, params(("project" = String, Path, description = "The project")),
    responses((status = 200, description = "The project as it is now", body = Project)))]
pub(super) async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(project): Of<String>,
    Payload(changed): Payload<ChangedProject>,
) -> Result<Json<Project>, Failure> {
    let change = ProjectChange {
        public: changed.public,
        description: changed.description,
    };
    let changed = state.access.change(caller.actor(), move |t, by| {
        projects::change(t, &project, &change, by)
    });
    Ok(Json(changed.await?))
}

/// Delete a project
///
/// It must have no repositories. Its members and robot accounts go with it.
#[utoipa::path(delete, path = "/api/v1/projects/{project}", tag = "projects", operation_id = "delete_project",
    params(("project" = String, Path, description = "The project")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(project): Of<String>,
) -> Result<StatusCode, Failure> {
    let gone = state.access.change(caller.actor(), move |t, by| {
        projects::delete(t, &project, by)
    });
    gone.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what an account may do in a project, and why
#[utoipa::path(get, path = "/api/v1/projects/{project}/access", tag = "projects", operation_id = "show_access",
    params(("project" = String, Path, description = "The project"), Whose),
    responses((status = 200, description = "What it may do", body = Effective)))]
pub(super) async fn access(
    State(state): State<ApiState>,
    Of(project): Of<String>,
    Asked(whose): Asked<Whose>,
) -> Result<Json<Effective>, Failure> {
    Ok(Json(
        state.access.effective(&project, &whose.account).await?,
    ))
}
