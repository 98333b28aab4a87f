//! The audit log.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, limit};
use crate::access::audit::entries;
use crate::access::{AuditFilter, AuditPage, Outcome};

/// Which lines are wanted; what is absent does not matter.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of this project.
    project: Option<String>,
    /// By this account.
    actor: Option<String>,
    /// Of this action, `push` or `create-robot` for two.
    action: Option<String>,
    /// With this outcome.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Not before, in milliseconds since 1970.
    since: Option<i64>,
    /// Before, in milliseconds since 1970.
    until: Option<i64>,
    /// Most lines of the answer.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the part before.
    after: Option<i64>,
}

/// Read the audit log
///
/// The newest line first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "read_audit", params(Wanted),
    responses((status = 200, description = "A part of the log", body = AuditPage)))]
pub(super) async fn list_all(
    State(state): State<ApiState>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<AuditPage>, Failure> {
    read(&state, wanted).await
}

/// Read a project's part of the audit log
///
/// The newest line first.
#[utoipa::path(get, path = "/api/v1/projects/{project}/audit", tag = "audit", operation_id = "read_project_audit",
    params(("project" = String, Path, description = "The project"), Wanted),
    responses((status = 200, description = "A part of the log", body = AuditPage)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Of(project): Of<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<AuditPage>, Failure> {
    let only_this = Wanted {
        project: Some(project),
        ..wanted
    };
    read(&state, only_this).await
}

async fn read(state: &ApiState, wanted: Wanted) -> Result<Json<AuditPage>, Failure> {
    let limit = limit(wanted.limit)?;
    let words = [&wanted.project, &wanted.actor, &wanted.action];
    let odd = |word: &String| word.len() > 255 || word.chars().any(char::is_control);
    if words.into_iter().flatten().any(odd) {
        return Err(Failure::invalid(
            "a filter is too long or has control characters",
        ));
    }
    let filter = AuditFilter {
        project: wanted.project,
        actor: wanted.actor,
        action: wanted.action,
        outcome: wanted.outcome,
        since: wanted.since,
        until: wanted.until,
    };
    // What happened before this request is in the answer to it.
    state.access.close().await?;
    let page = state
        .access
        .read(move |t| Ok(entries(t, &filter, limit, wanted.after)?));
    Ok(Json(page.await?))
}
