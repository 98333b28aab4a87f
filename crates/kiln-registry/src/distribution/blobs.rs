//! Blobs: whether they are there, all of them, parts of them, and their deletion.
//!
//! Source: distribution specification, "Pulling blobs", "Checking if content exists in the registry"
//! and "Deleting Blobs"; RFC 9110 for ranges and conditions.

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use hyper::{Response, StatusCode};
use kiln_oci::Digest;

use super::failure::{Code, Failure};
use super::range::{Wanted, wanted};
use super::{Answer, CONTENT_DIGEST, Call, bare, ranges};
use crate::content::OpenBlob;
use crate::server::ReplyBody;

const BYTES: &str = "application/octet-stream";

/// What a digest names never changes.
pub(super) const FOR_EVER: &str = "max-age=31536000, immutable";

/// HEAD: whether it is there and how large it is. Who sees that it is there may count on it for a
/// while; the content notes that.
pub(super) async fn head(call: &Call<'_>, digest: &str) -> Answer {
    let digest = parse(digest)?;
    let found = call.state.content.stat_blob(&call.repository, &digest);
    let stat = found.await?.ok_or_else(|| unknown(&digest))?;
    if is_unchanged(call, &digest) {
        return Ok(unchanged(&digest));
    }
    let mut response = response(StatusCode::OK, &digest, ReplyBody::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(stat.size));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
    Ok(response)
}

/// GET: all of it, or the parts that `Range` asks for; or where the storage has it.
pub(super) async fn get(call: &Call<'_>, digest: &str) -> Answer {
    let digest = parse(digest)?;
    if let Some(elsewhere) = redirect(call, &digest).await? {
        return Ok(elsewhere);
    }
    let found = call.state.content.open_blob(&call.repository, &digest);
    let blob = found.await?.ok_or_else(|| unknown(&digest))?;
    if is_unchanged(call, &digest) {
        return Ok(unchanged(&digest));
    }
    let size = blob.size();
    match wanted(range_header(call, &digest), size) {
        Wanted::Whole => {
            let body = ReplyBody::stream(blob.read(0..size), size);
            let mut response = response(StatusCode::OK, &digest, body);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
            Ok(response)
        }
        Wanted::Parts(parts) => Ok(partial(&blob, &digest, &parts)),
        Wanted::Unsatisfiable => Err(Failure::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            Code::SizeInvalid,
            format!("the range is not within the {size} bytes of {digest}"),
        )
        .text_header(CONTENT_RANGE, &format!("bytes */{size}"))),
    }
}

/// Where the storage has a blob, if clients are to be sent there. The URL is signed and ends soon, so
/// nobody may keep the answer.
async fn redirect(
    call: &Call<'_>,
    digest: &Digest,
) -> Result<Option<Response<ReplyBody>>, Failure> {
    if is_unchanged(call, digest) {
        return Ok(None);
    }
    let shared = call.state.content.shared_url(&call.repository, digest);
    let Some(location) = shared
        .await?
        .and_then(|url| HeaderValue::try_from(url).ok())
    else {
        return Ok(None);
    };
    let mut response = response(StatusCode::TEMPORARY_REDIRECT, digest, ReplyBody::empty());
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// DELETE: from this repository.
pub(super) async fn delete(call: &Call<'_>, digest: &str) -> Answer {
    let digest = parse(digest)?;
    let deleted = call.state.content.delete_blob(&call.repository, &digest);
    match deleted.await {
        Ok(()) => {
            call.note("delete-blob", digest);
            Ok(bare(StatusCode::ACCEPTED, &[]))
        }
        Err(error) => Err(Failure::not_deleted(error, unknown(&digest), "GET, HEAD")),
    }
}

pub(super) fn parse(text: &str) -> Result<Digest, Failure> {
    text.parse()
        .map_err(|error: kiln_oci::InvalidDigest| Failure::digest_invalid(error.to_string()))
}

fn unknown(digest: &Digest) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        Code::BlobUnknown,
        "there is no such blob in this repository",
    )
    .detail(serde_json::json!({ "digest": digest }))
}

/// `Range`, unless `If-Range` names something else than what is here.
fn range_header<'a>(call: &'a Call<'_>, digest: &Digest) -> Option<&'a str> {
    let text = |name: HeaderName| call.headers.get(name)?.to_str().ok();
    let range = text(RANGE)?;
    match text(IF_RANGE) {
        Some(tag) if tag != entity_tag(digest) => None,
        _ => Some(range),
    }
}

/// The digest is the strongest validator there can be.
pub(super) fn entity_tag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether the client has it already (RFC 9110 section 13.1.2).
pub(super) fn is_unchanged(call: &Call<'_>, digest: &Digest) -> bool {
    let Some(header) = call.headers.get(IF_NONE_MATCH) else {
        return false;
    };
    let Ok(text) = header.to_str() else {
        return false;
    };
    let tag = entity_tag(digest);
    text.split(',')
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

pub(super) fn unchanged(digest: &Digest) -> Response<ReplyBody> {
    response(StatusCode::NOT_MODIFIED, digest, ReplyBody::empty())
}

fn response(status: StatusCode, digest: &Digest, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, text) in [
        (CONTENT_DIGEST, digest.to_string()),
        (ETAG, entity_tag(digest)),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    response
}

fn partial(
    blob: &OpenBlob,
    digest: &Digest,
    parts: &[std::ops::Range<u64>],
) -> Response<ReplyBody> {
    let size = blob.size();
    if let [part] = parts {
        let body = ReplyBody::stream(blob.read(part.clone()), part.end - part.start);
        let mut response = response(StatusCode::PARTIAL_CONTENT, digest, body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
        let range = ranges::content_range(part, size);
        if let Ok(value) = HeaderValue::try_from(range) {
            headers.insert(CONTENT_RANGE, value);
        }
        return response;
    }
    let multipart = ranges::Multipart::new(blob, parts, BYTES);
    let kind = multipart.content_type();
    let length = multipart.length();
    let body = ReplyBody::stream(multipart, length);
    let mut response = response(StatusCode::PARTIAL_CONTENT, digest, body);
    if let Ok(value) = HeaderValue::try_from(kind) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}
