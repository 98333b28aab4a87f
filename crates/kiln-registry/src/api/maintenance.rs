//! Collection of what nothing needs, and the scrub, by hand.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::job::{Job, Slot};
use super::payload::Payload;
use crate::access::{Caller, Outcome};
use crate::collect::Collected;
use crate::scrub::{ScrubOptions, Scrubbed};

/// The jobs of this server.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    collection: Slot<Collection>,
    scrub: Slot<Scrub>,
}

/// What a collection removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Collection {
    /// Manifests that no tag, index or subject kept.
    manifests: u64,
    /// Blobs that a repository no longer has.
    links: u64,
    /// Blobs that no repository has any more.
    blobs: u64,
    /// Bytes of those.
    bytes: u64,
    /// Uploads that were not continued.
    uploads: u64,
    /// Objects of the storage that were removed.
    objects: u64,
    /// Repositories that were empty.
    repositories: u64,
}

/// What a scrub saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Scrub {
    /// Blobs that were read.
    blobs: u64,
    /// Their bytes.
    bytes: u64,
    /// Blobs that were marked as damaged and are well again.
    healed: u64,
    /// Manifests that were checked.
    manifests: u64,
    /// How many things are wrong.
    wrong: u64,
    /// The first thousand of them, in words.
    findings: Vec<String>,
}

/// How to scrub.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedScrub {
    /// The most bytes to read in a second; absent for as many as can be.
    #[schema(minimum = 1)]
    bytes_per_second: Option<u64>,
    /// Leave out blobs that were read within this many seconds.
    #[serde(default)]
    not_within: u64,
}

const FINDINGS_MOST: usize = 1_000;

fn collection(collected: Collected) -> Collection {
    Collection {
        manifests: collected.manifests,
        links: collected.links,
        blobs: collected.blobs,
        bytes: collected.bytes,
        uploads: collected.uploads,
        objects: collected.objects,
        repositories: collected.repositories,
    }
}

fn scrub(scrubbed: &Scrubbed) -> Scrub {
    let findings = scrubbed.findings.iter().take(FINDINGS_MOST);
    Scrub {
        blobs: scrubbed.blobs,
        bytes: scrubbed.bytes,
        healed: scrubbed.healed,
        manifests: scrubbed.manifests,
        wrong: scrubbed.findings.len() as u64,
        findings: findings.map(ToString::to_string).collect(),
    }
}

/// Show how the collection that was begun by hand stands
#[utoipa::path(get, path = "/api/v1/collection", tag = "maintenance", operation_id = "show_collection",
    responses((status = 200, description = "How it stands, on this server", body = Job<Collection>)))]
pub(super) async fn show_collection(State(state): State<ApiState>) -> Json<Job<Collection>> {
    Json(state.jobs.collection.look())
}

/// Begin a collection
///
/// It removes what no tag, index or subject keeps and no lease protects. It runs beside pushes and pulls.
#[utoipa::path(post, path = "/api/v1/collection", tag = "maintenance", operation_id = "begin_collection",
    responses((status = 202, description = "It has begun", body = Job<Collection>)))]
pub(super) async fn collect(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<(StatusCode, Json<Job<Collection>>), Failure> {
    let content = state.content.clone();
    let job = state
        .jobs
        .collection
        .begin(state.content.clock(), async move {
            content.collect().await.map(collection)
        })?;
    state
        .access
        .note(&caller, "collect", Outcome::Done, None, "registry");
    Ok((StatusCode::ACCEPTED, Json(job)))
}

/// Show what a collection would remove now
#[utoipa::path(get, path = "/api/v1/collection/preview", tag = "maintenance", operation_id = "preview_collection",
    responses((status = 200, description = "What would go", body = Collection)))]
pub(super) async fn preview_collection(
    State(state): State<ApiState>,
) -> Result<Json<Collection>, Failure> {
    Ok(Json(collection(state.content.preview_collection().await?)))
}

/// Show how the scrub that was begun by hand stands
#[utoipa::path(get, path = "/api/v1/scrub", tag = "maintenance", operation_id = "show_scrub",
    responses((status = 200, description = "How it stands, on this server", body = Job<Scrub>)))]
pub(super) async fn show_scrub(State(state): State<ApiState>) -> Json<Job<Scrub>> {
    Json(state.jobs.scrub.look())
}

/// Begin a scrub
///
/// It reads every blob and compares it with its digest, and looks for references that lead nowhere. A damaged
/// blob counts as missing afterwards, so that the next push heals it. Nothing is deleted.
#[utoipa::path(post, path = "/api/v1/scrub", tag = "maintenance", operation_id = "begin_scrub", request_body = WantedScrub,
    responses((status = 202, description = "It has begun", body = Job<Scrub>)))]
pub(super) async fn begin_scrub(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Payload(wanted): Payload<WantedScrub>,
) -> Result<(StatusCode, Json<Job<Scrub>>), Failure> {
    if wanted.bytes_per_second == Some(0) {
        return Err(Failure::invalid("with no byte a second it would never end"));
    }
    let options = ScrubOptions {
        bytes_per_second: wanted.bytes_per_second,
        not_within: Duration::from_secs(wanted.not_within),
    };
    let content = state.content.clone();
    let job = state.jobs.scrub.begin(state.content.clock(), async move {
        content
            .scrub(&options)
            .await
            .map(|scrubbed| scrub(&scrubbed))
    })?;
    state
        .access
        .note(&caller, "scrub", Outcome::Done, None, "registry");
    Ok((StatusCode::ACCEPTED, Json(job)))
}
