//! The caller's own account.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, Paging, Payload};
use crate::access::{ActorKind, Caller, Ceiling, NewToken, Page, Role, SecretKind, Token, tokens};

/// The account that made the request.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Me {
    /// The login name.
    name: String,
    /// What kind of account.
    kind: ActorKind,
    /// Whether this request may do everything everywhere.
    administrator: bool,
    /// The most that the token of this request may do.
    ceiling: Ceiling,
    /// The user's roles, by project.
    roles: Vec<MyRole>,
}

/// A user's role in a project.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct MyRole {
    /// The project.
    project: String,
    /// The role.
    role: Role,
}

/// A password to be changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The password that holds now.
    #[schema(max_length = 256)]
    current: String,
    /// The one that shall hold.
    #[schema(min_length = 8, max_length = 256)]
    new: String,
}

/// A token to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedToken {
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 256)]
    description: String,
    /// The most that it may do.
    #[serde(default)]
    ceiling: Ceiling,
    /// When it ends, in milliseconds since 1970; absent for never.
    expires: Option<i64>,
}

/// A new token with its secret, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct MadeToken {
    /// The token.
    token: Token,
    /// What to log in with, in place of the password.
    #[schema(example = "kiln_token_…")]
    secret: String,
}

/// Show the caller's account
#[utoipa::path(get, path = "/api/v1/me", tag = "me", operation_id = "show_me",
    responses((status = 200, description = "The account", body = Me)))]
pub(super) async fn show(Extension(caller): Extension<Caller>) -> Json<Me> {
    let mut roles: Vec<MyRole> = caller
        .roles()
        .map(|(project, role)| MyRole {
            project: project.to_owned(),
            role,
        })
        .collect();
    roles.sort_by(|a, b| a.project.cmp(&b.project));
    roles.truncate(1_000);
    Json(Me {
        name: caller.name().to_owned(),
        kind: caller.kind(),
        administrator: caller.is_administrator(),
        ceiling: caller.ceiling,
        roles,
    })
}

/// Change the caller's password
///
/// Ends what `docker login` keeps on all machines. Needs the current password, whatever the request
/// was authenticated with.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "me", request_body = NewPassword,
    responses((status = 204, description = "The new password holds")))]
pub(super) async fn change_password(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(passwords): Payload<NewPassword>,
) -> Result<StatusCode, Failure> {
    let changed = state
        .access
        .change_password(&caller, &passwords.current, passwords.new);
    changed.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the caller's tokens
#[utoipa::path(get, path = "/api/v1/me/tokens", tag = "me", operation_id = "list_my_tokens", params(Paging),
    responses((status = 200, description = "A part of the list, by id", body = Page<Token>)))]
pub(super) async fn list_tokens(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Token>>, Failure> {
    let (limit, after) = paging.part()?;
    let owner = caller.name().to_owned();
    let page = state
        .access
        .read(move |t| tokens::list(t, &owner, limit, &after));
    Ok(Json(page.await?))
}

/// Make a personal token
///
/// Needs the password, or what `docker login` keeps: no token makes another that outlives it.
#[utoipa::path(post, path = "/api/v1/me/tokens", tag = "me", operation_id = "create_my_token", request_body = WantedToken,
    responses((status = 201, description = "The token and its secret", body = MadeToken)))]
pub(super) async fn create_token(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(wanted): Payload<WantedToken>,
) -> Result<(StatusCode, Json<MadeToken>), Failure> {
    needs_password(&caller)?;
    let owner = caller.name().to_owned();
    let new = NewToken {
        kind: SecretKind::Personal,
        description: wanted.description,
        ceiling: wanted.ceiling,
        expires: wanted.expires,
    };
    let made = state.access.change(caller.actor(), move |t, by| {
        tokens::create(t, &owner, &new, by)
    });
    let (token, secret) = made.await?;
    let secret = secret.reveal().to_owned();
    Ok((StatusCode::CREATED, Json(MadeToken { token, secret })))
}

/// End one of the caller's tokens
#[utoipa::path(delete, path = "/api/v1/me/tokens/{token}", tag = "me", operation_id = "end_my_token",
    params(("token" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It is void")))]
pub(super) async fn end_token(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(token): Of<String>,
) -> Result<StatusCode, Failure> {
    needs_password(&caller)?;
    let owner = caller.name().to_owned();
    let ended = state.access.change(caller.actor(), move |t, by| {
        tokens::end(t, &owner, &token, by)
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn needs_password(caller: &Caller) -> Result<(), Failure> {
    match caller.knows_password() {
        true => Ok(()),
        false => Err(Failure::denied(
            "tokens are made and ended with the password, not with a token",
        )
        .hint("log in with your name and password, or use what `docker login` keeps")),
    }
}
