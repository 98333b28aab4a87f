//! Repositories, tags and their history, as people manage them. Images themselves go through `/v2/`.

mod rows;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use kiln_oci::Digest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::failure::Failure;
use super::guard::no_repository;
use super::payload::{Asked, Named, Of, Paging, Payload, limit};
use crate::access::{Caller, Outcome, Page};
use crate::content::{DeleteError, TagChange, TagError};
use crate::name::{RepositoryName, Tag};

pub(super) use rows::matching;

/// A repository.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Repository {
    /// Its whole name.
    #[schema(example = "team/app")]
    name: String,
}

/// A tag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct TagEntry {
    /// Its name.
    #[schema(example = "1.2")]
    name: String,
    /// The manifest or index that it points to.
    digest: String,
    /// What that is.
    media_type: String,
    /// When it was pointed there, in milliseconds since 1970.
    updated: i64,
    /// By whom.
    updated_by: String,
}

/// A change of a tag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct ChangeEntry {
    /// Its number; later changes have higher ones.
    id: i64,
    /// The tag.
    tag: String,
    /// What it points to since then; absent if it was deleted.
    digest: Option<String>,
    /// What it pointed to before; absent if it was new.
    previous: Option<String>,
    /// When, in milliseconds since 1970.
    changed: i64,
    /// By whom.
    changed_by: String,
}

/// A part of a history.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct History {
    /// The changes, the newest first.
    items: Vec<ChangeEntry>,
    /// Give this as `after` to get the next part. Absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// Most changes of the answer.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the part before.
    after: Option<i64>,
}

/// What shall be undone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Undo {
    /// The number of the change before which the tag was as it shall be again.
    change: i64,
}

/// What a tag points to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Pointed {
    /// The manifest or index; absent if the tag is no longer there.
    digest: Option<String>,
}

/// What was deleted.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(super) struct Gone {
    /// The manifests, with all that referred to them.
    manifests: Vec<String>,
    /// The tags that pointed to them.
    tags: Vec<String>,
}

/// List a project's repositories
#[utoipa::path(get, path = "/api/v1/projects/{project}/repositories", tag = "content", operation_id = "list_repositories",
    params(("project" = String, Path, description = "The project"), Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<Repository>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Of(project): Of<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Repository>>, Failure> {
    let (limit, after) = paging.part()?;
    let only = Some(vec![project]);
    let page = state
        .content
        .repositories(only, limit, Some(&after))
        .await?;
    let items: Vec<Repository> = page
        .items
        .iter()
        .map(|name| Repository {
            name: name.to_string(),
        })
        .collect();
    let last = items.last().map(|last| last.name.clone());
    let next = last.filter(|_| page.more);
    Ok(Json(Page { items, next }))
}

/// Delete a repository
///
/// All its manifests and tags go. The space is given back by the next collection.
#[utoipa::path(delete, path = "/api/v1/repositories/{repository}", tag = "content", operation_id = "delete_repository",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`")),
    responses((status = 200, description = "What went", body = Gone)))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(Named(repository)): Of<Named<RepositoryName>>,
) -> Result<Json<Gone>, Failure> {
    let mut gone = Gone::default();
    // An index keeps the manifests that it names until it is gone itself: what is refused now can go in
    // the next round, and a round in which nothing goes is the last.
    loop {
        let found = rows::manifests(&state, &repository).await?;
        let before = gone.manifests.len();
        let mut refused = None;
        for digest in &found {
            match state
                .content
                .delete_manifest(&repository, digest, caller.name())
                .await
            {
                Ok(deleted) => {
                    gone.manifests
                        .extend(deleted.manifests.iter().map(Digest::to_string));
                    gone.tags.extend(deleted.tags.iter().map(Tag::to_string));
                }
                Err(DeleteError::Unknown { .. }) => {}
                Err(error) => refused = Some(error),
            }
        }
        if found.is_empty() {
            break;
        }
        if gone.manifests.len() == before {
            if let Some(error) = refused {
                note(&state, &caller, "delete", &repository, repository.as_str());
                return Err(error.into());
            }
            break;
        }
    }
    if gone.manifests.is_empty() && !rows::exists(&state, &repository).await? {
        return Err(no_repository(repository.as_str()));
    }
    note(&state, &caller, "delete", &repository, repository.as_str());
    Ok(Json(gone))
}

/// List a repository's tags
#[utoipa::path(get, path = "/api/v1/repositories/{repository}/tags", tag = "content", operation_id = "list_tags",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), Paging),
    responses((status = 200, description = "A part of the list, by name", body = Page<TagEntry>)))]
pub(super) async fn tags(
    State(state): State<ApiState>,
    Of(Named(repository)): Of<Named<RepositoryName>>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<TagEntry>>, Failure> {
    let (limit, after) = paging.part()?;
    let page = rows::tags(&state, &repository, limit, after).await?;
    page.map(Json)
        .ok_or_else(|| no_repository(repository.as_str()))
}

/// Delete a tag
///
/// What it points to stays for a while, so that this can be undone.
#[utoipa::path(delete, path = "/api/v1/repositories/{repository}/tags/{tag}", tag = "content", operation_id = "delete_tag",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), ("tag" = String, Path, description = "The tag")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete_tag(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((Named(repository), Named(tag))): Of<(Named<RepositoryName>, Named<Tag>)>,
) -> Result<StatusCode, Failure> {
    state
        .content
        .delete_tag(&repository, &tag, caller.name())
        .await?;
    note(
        &state,
        &caller,
        "delete-tag",
        &repository,
        &format!("{repository}:{tag}"),
    );
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a manifest
///
/// Its tags go with it, and all that refers to it: signatures, SBOMs. An index that names it has to go
/// first.
#[utoipa::path(delete, path = "/api/v1/repositories/{repository}/manifests/{digest}", tag = "content", operation_id = "delete_manifest",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), ("digest" = String, Path, description = "The manifest's digest")),
    responses((status = 200, description = "What went", body = Gone)))]
pub(super) async fn delete_manifest(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((Named(repository), Named(digest))): Of<(Named<RepositoryName>, Named<Digest>)>,
) -> Result<Json<Gone>, Failure> {
    let deleted = state
        .content
        .delete_manifest(&repository, &digest, caller.name())
        .await?;
    note(
        &state,
        &caller,
        "delete",
        &repository,
        &format!("{repository}@{digest}"),
    );
    Ok(Json(Gone {
        manifests: deleted.manifests.iter().map(Digest::to_string).collect(),
        tags: deleted.tags.iter().map(Tag::to_string).collect(),
    }))
}

/// Show how a repository's tags changed
#[utoipa::path(get, path = "/api/v1/repositories/{repository}/history", tag = "content", operation_id = "show_history",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), Since),
    responses((status = 200, description = "The newest changes first", body = History)))]
pub(super) async fn history(
    State(state): State<ApiState>,
    Of(Named(repository)): Of<Named<RepositoryName>>,
    Asked(since): Asked<Since>,
) -> Result<Json<History>, Failure> {
    changes(&state, &repository, None, &since).await
}

/// Show how a tag changed
#[utoipa::path(get, path = "/api/v1/repositories/{repository}/tags/{tag}/history", tag = "content", operation_id = "show_tag_history",
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), ("tag" = String, Path, description = "The tag"), Since),
    responses((status = 200, description = "The newest changes first", body = History)))]
pub(super) async fn tag_history(
    State(state): State<ApiState>,
    Of((Named(repository), Named(tag))): Of<(Named<RepositoryName>, Named<Tag>)>,
    Asked(since): Asked<Since>,
) -> Result<Json<History>, Failure> {
    changes(&state, &repository, Some(&tag), &since).await
}

async fn changes(
    state: &ApiState,
    repository: &RepositoryName,
    tag: Option<&Tag>,
    since: &Since,
) -> Result<Json<History>, Failure> {
    let limit = limit(since.limit)?;
    let found = state
        .content
        .tag_history(repository, tag, since.after, limit + 1)
        .await?;
    if found.is_empty() && !rows::exists(state, repository).await? {
        return Err(no_repository(repository.as_str()));
    }
    let more = found.len() > limit;
    let items: Vec<ChangeEntry> = found.into_iter().take(limit).map(entry).collect();
    let next = items.last().filter(|_| more).map(|last| last.id);
    Ok(Json(History { items, next }))
}

fn entry(change: TagChange) -> ChangeEntry {
    ChangeEntry {
        id: change.id,
        tag: change.tag.to_string(),
        digest: change.digest.map(|digest| digest.to_string()),
        previous: change.previous.map(|digest| digest.to_string()),
        changed: change.changed,
        changed_by: change.changed_by,
    }
}

/// Put a tag back to what it was before a change
///
/// That is a change itself, and can be undone.
#[utoipa::path(post, path = "/api/v1/repositories/{repository}/tags/{tag}/undo", tag = "content", operation_id = "undo_tag", request_body = Undo,
    params(("repository" = String, Path, description = "The whole name, with `%2F` for `/`"), ("tag" = String, Path, description = "The tag")),
    responses((status = 200, description = "What the tag points to now", body = Pointed)))]
pub(super) async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((Named(repository), Named(tag))): Of<(Named<RepositoryName>, Named<Tag>)>,
    Payload(undo): Payload<Undo>,
) -> Result<Json<Pointed>, Failure> {
    let digest = state
        .content
        .undo_tag(&repository, &tag, undo.change, caller.name())
        .await?;
    note(
        &state,
        &caller,
        "restore",
        &repository,
        &format!("{repository}:{tag}"),
    );
    Ok(Json(Pointed {
        digest: digest.map(|digest| digest.to_string()),
    }))
}

fn note(
    state: &ApiState,
    caller: &Caller,
    action: &str,
    repository: &RepositoryName,
    subject: &str,
) {
    let project = Some(repository.project());
    state
        .access
        .note(caller, action, Outcome::Done, project, subject);
}

impl From<DeleteError> for Failure {
    fn from(error: DeleteError) -> Self {
        let message = error.to_string();
        match error {
            DeleteError::Unknown { .. } => Self::unknown(message),
            DeleteError::Needed { .. } | DeleteError::TagImmutable { .. } => Self::in_use(message),
            DeleteError::Failed(error) => error.into(),
        }
    }
}

impl From<TagError> for Failure {
    fn from(error: TagError) -> Self {
        let message = error.to_string();
        match error {
            TagError::UnknownChange { .. } | TagError::Gone { .. } => Self::unknown(message),
            TagError::TagImmutable { .. } => Self::in_use(message),
            TagError::Failed(error) => error.into(),
        }
    }
}
