//! Users, for system administrators.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Asked, Of, Paging, Payload};
use crate::access::{AccountName, Caller, Page, Token, User, UserChange, tokens, users};

/// A user to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// The login name: `a-z`, `0-9`, `.`, `_`, `-`.
    #[schema(example = "alice", max_length = 128)]
    name: String,
    /// At least eight characters.
    #[schema(min_length = 8, max_length = 256)]
    password: String,
    /// Whether he may do everything everywhere.
    #[serde(default)]
    administrator: bool,
}

/// What of a user is changed; what is absent stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedUser {
    /// A new password.
    password: Option<String>,
    /// Whether he may do everything everywhere.
    administrator: Option<bool>,
    /// Whether he cannot log in.
    disabled: Option<bool>,
}

/// List users
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<User>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<User>>, Failure> {
    let (limit, after) = paging.part()?;
    let page = state.access.read(move |t| users::list(t, limit, &after));
    Ok(Json(page.await?))
}

/// Make a user
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    responses((status = 201, description = "The user", body = User)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(new): Payload<NewUser>,
) -> Result<(StatusCode, Json<User>), Failure> {
    let name: AccountName = new.name.parse().map_err(crate::access::AccessError::from)?;
    let password = state.access.hash_password(&name, new.password).await?;
    let made = state.access.change(caller.actor(), move |t, by| {
        users::create(t, &name, &password, new.administrator, by)
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Show a user
#[utoipa::path(get, path = "/api/v1/users/{user}", tag = "users",
    params(("user" = String, Path, description = "The login name")),
    responses((status = 200, description = "The user", body = User)))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Of(user): Of<String>,
) -> Result<Json<User>, Failure> {
    Ok(Json(state.access.user(&user).await?))
}

/// Change a user
///
/// A new password, and disabling, end what `docker login` keeps for him.
#[utoipa::path(patch, path = "/api/v1/users/{user}", tag = "users", request_body = ChangedUser,
    params(("user" = String, Path, description = "The login name")),
    responses((status = 200, description = "The user as he is now", body = User)))]
pub(super) async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(user): Of<String>,
    Payload(changed): Payload<ChangedUser>,
) -> Result<Json<User>, Failure> {
    // Before the password is hashed, which is work.
    let known = state.access.user(&user).await?;
    let password = match changed.password {
        Some(password) => {
            let name = known
                .name
                .parse()
                .map_err(crate::access::AccessError::from)?;
            Some(state.access.hash_password(&name, password).await?)
        }
        None => None,
    };
    let change = UserChange {
        password,
        administrator: changed.administrator,
        disabled: changed.disabled,
    };
    let changed = state.access.change(caller.actor(), move |t, by| {
        users::change(t, &user, &change, by)
    });
    Ok(Json(changed.await?))
}

/// Delete a user
///
/// His tokens and memberships go with him; what he pushed stays.
#[utoipa::path(delete, path = "/api/v1/users/{user}", tag = "users",
    params(("user" = String, Path, description = "The login name")),
    responses((status = 204, description = "He is gone")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(user): Of<String>,
) -> Result<StatusCode, Failure> {
    let gone = state
        .access
        .change(caller.actor(), move |t, by| users::delete(t, &user, by));
    gone.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List a user's tokens
#[utoipa::path(get, path = "/api/v1/users/{user}/tokens", tag = "users", operation_id = "list_user_tokens",
    params(("user" = String, Path, description = "The login name"), Paging),
    responses((status = 200, description = "A part of the list, by id", body = Page<Token>)))]
pub(super) async fn list_tokens(
    State(state): State<ApiState>,
    Of(user): Of<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Token>>, Failure> {
    let (limit, after) = paging.part()?;
    let page = state.access.read(move |t| {
        users::find(t, &user)?;
        tokens::list(t, &user, limit, &after)
    });
    Ok(Json(page.await?))
}

/// End a user's token
#[utoipa::path(delete, path = "/api/v1/users/{user}/tokens/{token}", tag = "users", operation_id = "end_user_token",
    params(("user" = String, Path, description = "The login name"), ("token" = String, Path, description = "The token's id")),
    responses((status = 204, description = "It is void")))]
pub(super) async fn end_token(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((user, token)): Of<(String, String)>,
) -> Result<StatusCode, Failure> {
    let ended = state.access.change(caller.actor(), move |t, by| {
        tokens::end(t, &user, &token, by)
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}
