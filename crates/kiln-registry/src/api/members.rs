//! Who takes part in a project.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, Paging, Payload};
use crate::access::{Caller, Member, Page, Role, projects};

/// The role that a member shall have.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRole {
    /// The role.
    role: Role,
}

/// List a project's members
#[utoipa::path(get, path = "/api/v1/projects/{project}/members", tag = "members", operation_id = "list_members",
    params(("project" = String, Path, description = "The project"), Paging),
    responses((status = 200, description = "A part of the list, by user", body = Page<Member>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Of(project): Of<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Member>>, Failure> {
    let (limit, after) = paging.part()?;
    let page = state
        .access
        .read(move |t| projects::members(t, &project, limit, &after));
    Ok(Json(page.await?))
}

/// Make a user a member, or change his role
#[utoipa::path(put, path = "/api/v1/projects/{project}/members/{user}", tag = "members", operation_id = "set_member",
    request_body = WantedRole,
    params(("project" = String, Path, description = "The project"), ("user" = String, Path, description = "The user")),
    responses((status = 200, description = "The member", body = Member)))]
pub(super) async fn set(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, user)): Of<(String, String)>,
    Payload(wanted): Payload<WantedRole>,
) -> Result<Json<Member>, Failure> {
    let set = state.access.change(caller.actor(), move |t, by| {
        projects::set_member(t, &project, &user, wanted.role, by)
    });
    Ok(Json(set.await?))
}

/// End a user's membership
#[utoipa::path(delete, path = "/api/v1/projects/{project}/members/{user}", tag = "members", operation_id = "remove_member",
    params(("project" = String, Path, description = "The project"), ("user" = String, Path, description = "The user")),
    responses((status = 204, description = "He is no member any more")))]
pub(super) async fn remove(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, user)): Of<(String, String)>,
) -> Result<StatusCode, Failure> {
    let removed = state.access.change(caller.actor(), move |t, by| {
        projects::remove_member(t, &project, &user, by)
    });
    removed.await?;
    Ok(StatusCode::NO_CONTENT)
}
