//! Uploads: in one request or many, mounts, and their end.
//!
//! Source: distribution specification, "Pushing blobs" and "Mounting a blob from another
//! repository". An upload's id stands in its path and locations are relative, so that clients that
//! drop a query and proxies that change the scheme do no harm.

use hyper::StatusCode;
use hyper::header::{CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use kiln_oci::{Algorithm, Digest};

use super::failure::{Code, Failure};
use super::{Answer, Call, bare, blobs, created, range, rights, too_large, upload_range};
use crate::content::{UploadError, UploadId};
use crate::name::RepositoryName;
use crate::server::{Ending, Progress, RequestBody};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// POST: mounts a blob, takes one whole, or begins an upload.
pub(super) async fn start(call: &Call<'_>, body: RequestBody) -> Answer {
    if let Some(digest) = call.query.get("mount") {
        let digest = blobs::parse(&digest)?;
        if mount(call, &digest).await? {
            return Ok(created(&blob_location(call, &digest), &digest));
        }
        return begin(call, digest.algorithm()).await;
    }
    if let Some(digest) = call.query.get("digest") {
        let digest = blobs::parse(&digest)?;
        // Without a body it is a client that means to send it later.
        if !body.is_empty() || is_of_nothing(&digest) {
            return whole(call, &digest, body).await;
        }
        return begin(call, digest.algorithm()).await;
    }
    let algorithm = match call.query.get("digest-algorithm").as_deref() {
        None | Some("sha256") => Algorithm::Sha256,
        Some("sha512") => Algorithm::Sha512,
        Some(other) => {
            return Err(Failure::digest_invalid(format!(
                "`{other}` is no algorithm that this server knows: sha256, sha512"
            )));
        }
    };
    begin(call, algorithm).await
}

/// PATCH: appends a chunk, or a stream of unknown length.
pub(super) async fn append(call: &Call<'_>, id: &str, body: RequestBody) -> Answer {
    let id = parse_id(id)?;
    let offset = chunk_offset(call, &id, &body).await?;
    let progress = body.progress();
    let content = &call.state.content;
    let appended = content
        .append(&call.repository, &id, offset, body.into_body())
        .await;
    let offset = appended.map_err(|error| failure(call, &id, error, &progress))?;
    Ok(session(call, &id, StatusCode::ACCEPTED, offset))
}

/// PUT: the last chunk, perhaps an empty one, and the digest of all.
pub(super) async fn finish(call: &Call<'_>, id: &str, body: RequestBody) -> Answer {
    let id = parse_id(id)?;
    let digest = call.query.get("digest").ok_or_else(|| {
        Failure::digest_invalid("the request must name the blob's digest: ?digest=…")
    })?;
    let digest = blobs::parse(&digest)?;
    let offset = chunk_offset(call, &id, &body).await?;
    let progress = body.progress();
    let content = &call.state.content;
    let finished = content.finish(&call.repository, &id, offset, body.into_body(), &digest);
    finished
        .await
        .map_err(|error| failure(call, &id, error, &progress))?;
    Ok(created(&blob_location(call, &digest), &digest))
}

/// GET: how much has arrived.
pub(super) async fn status(call: &Call<'_>, id: &str) -> Answer {
    let id = parse_id(id)?;
    let offset = offset(call, &id).await?;
    Ok(session(call, &id, StatusCode::NO_CONTENT, offset))
}

/// DELETE: forgets what has arrived.
pub(super) async fn cancel(call: &Call<'_>, id: &str) -> Answer {
    let id = parse_id(id)?;
    call.state.content.cancel(&call.repository, &id).await?;
    Ok(bare(StatusCode::NO_CONTENT, &[]))
}

async fn begin(call: &Call<'_>, algorithm: Algorithm) -> Answer {
    let content = &call.state.content;
    let who = call.caller.name();
    let id = content
        .begin_upload(&call.repository, who, algorithm)
        .await?;
    Ok(session(call, &id, StatusCode::ACCEPTED, 0))
}

async fn whole(call: &Call<'_>, digest: &Digest, body: RequestBody) -> Answer {
    let progress = body.progress();
    let content = &call.state.content;
    let who = call.caller.name();
    let put = content
        .put_blob(&call.repository, who, body.into_body(), digest)
        .await;
    put.map_err(|error| failure_of_body(&progress).unwrap_or_else(|| error.into()))?;
    Ok(created(&blob_location(call, digest), digest))
}

/// Links a blob of another repository into this one. Only repositories that the caller may pull from
/// count, also when none is named: whether a blob is somewhere is nobody else's business.
async fn mount(call: &Call<'_>, digest: &Digest) -> Result<bool, Failure> {
    let content = &call.state.content;
    let Some(from) = call.query.get("from") else {
        // From anywhere in this project.
        return Ok(
            rights::may_pull_project(call.state, call.caller, &call.repository).await?
                && content.mount(&call.repository, digest, None).await?,
        );
    };
    // A name that cannot be is one of a repository that has nothing.
    let Ok(from) = from.parse::<RepositoryName>() else {
        return Ok(false);
    };
    Ok(rights::may_pull(call.state, call.caller, &from).await?
        && content.mount(&call.repository, digest, Some(&from)).await?)
}

/// Where a chunk says it begins. What it says about its length must be true.
async fn chunk_offset(
    call: &Call<'_>,
    id: &UploadId,
    body: &RequestBody,
) -> Result<Option<u64>, Failure> {
    let Some(header) = call.headers.get(CONTENT_RANGE) else {
        return Ok(None);
    };
    let Some((first, length)) = header.to_str().ok().and_then(range::chunk) else {
        let offset = offset(call, id).await?;
        return Err(Failure::out_of_order(&upload_location(call, id), offset));
    };
    if body.length().is_some_and(|actual| actual != length) {
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::SizeInvalid,
            "Content-Range and Content-Length differ",
        ));
    }
    Ok(Some(first))
}

async fn offset(call: &Call<'_>, id: &UploadId) -> Result<u64, Failure> {
    let content = &call.state.content;
    Ok(content.upload_status(&call.repository, id).await?.offset)
}

/// What every answer about an unfinished upload has.
fn session(
    call: &Call<'_>,
    id: &UploadId,
    status: StatusCode,
    offset: u64,
) -> hyper::Response<crate::server::ReplyBody> {
    let location = upload_location(call, id);
    bare(
        status,
        &[
            (LOCATION, &location),
            (RANGE, &upload_range(offset)),
            (UPLOAD_UUID, &id.to_string()),
        ],
    )
}

fn upload_location(call: &Call<'_>, id: &UploadId) -> String {
    format!("/v2/{}/blobs/uploads/{id}", call.repository)
}

fn blob_location(call: &Call<'_>, digest: &Digest) -> String {
    format!("/v2/{}/blobs/{digest}", call.repository)
}

fn parse_id(text: &str) -> Result<UploadId, Failure> {
    text.parse().map_err(|_| unknown())
}

fn unknown() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        Code::BlobUploadUnknown,
        "there is no such upload in this repository; it may have been finished, cancelled or forgotten",
    )
}

fn is_of_nothing(digest: &Digest) -> bool {
    kiln_oci::Hasher::new(digest.algorithm()).finish() == *digest
}

/// What a client did wrong while sending, if it did.
pub(super) fn failure_of_body(progress: &Progress) -> Option<Failure> {
    match progress.ending() {
        Ending::Well => None,
        Ending::TooLarge => Some(too_large(progress.limit())),
        Ending::Stalled => Some(Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::BlobUploadInvalid,
            "the body did not come in time; the upload can be resumed",
        )),
        Ending::Broken => Some(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::SizeInvalid,
            "the body ended early; the upload can be resumed",
        )),
    }
}

fn failure(call: &Call<'_>, id: &UploadId, error: UploadError, progress: &Progress) -> Failure {
    match error {
        UploadError::OutOfOrder { offset } => {
            Failure::out_of_order(&upload_location(call, id), offset)
        }
        error => failure_of_body(progress).unwrap_or_else(|| error.into()),
    }
}
