//! Manifests: exactly the bytes that were pushed, by digest or by tag.
//!
//! Source: distribution specification, "Pulling manifests", "Pushing Manifests", "Pushing Manifests
//! with Tags" and "Deleting Manifests".

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::failure::{Code, Failure};
use super::uploads::failure_of_body;
use super::{Answer, CONTENT_DIGEST, Call, bare, blobs, created};
use crate::content::NewManifest;
use crate::name::{ManifestReference, Tag};
use crate::server::{ReplyBody, RequestBody};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// The specification asks for ten at least.
const MOST_TAGS: usize = 100;

/// GET and HEAD. It is served as it is stored, whatever `Accept` says: there is no other form of it,
/// and clients that send no `Accept`, or too short a one, can still decide themselves.
pub(super) async fn get(call: &Call<'_>, reference: &str) -> Answer {
    let reference = parse(reference)?;
    let found = call.state.content.manifest(&call.repository, &reference);
    let manifest = found.await?.ok_or_else(|| unknown(&reference))?;
    if blobs::is_unchanged(call, &manifest.digest) {
        return Ok(blobs::unchanged(&manifest.digest));
    }
    let mut response = Response::new(ReplyBody::from(manifest.bytes.clone()));
    let headers = response.headers_mut();
    for (name, text) in [
        (CONTENT_DIGEST, manifest.digest.to_string()),
        (ETAG, blobs::entity_tag(&manifest.digest)),
        (CONTENT_TYPE, manifest.media_type.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    let caching = match reference {
        ManifestReference::Digest(_) => blobs::FOR_EVER,
        // A tag moves; with the validator it costs a question each time, not a transfer.
        ManifestReference::Tag(_) => "no-cache",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    Ok(response)
}

/// PUT: takes a manifest, with a tag or several or none.
pub(super) async fn put(call: &Call<'_>, reference: &str, body: RequestBody) -> Answer {
    let reference = parse(reference)?;
    let tags = extra_tags(call)?;
    let progress = body.progress();
    let collected = body.collect().await;
    let bytes = collected
        .map_err(|error| failure_of_body(&progress).unwrap_or_else(|| Failure::internal(&error)))?;
    let media_type = call.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let manifest = NewManifest {
        reference,
        extra_tags: tags.clone(),
        media_type: media_type.map(str::to_owned),
        bytes,
        who: call.caller.name().to_owned(),
    };
    let content = &call.state.content;
    let stored = content.put_manifest(&call.repository, manifest).await?;
    let location = format!("/v2/{}/manifests/{}", call.repository, stored.digest);
    let mut response = created(&location, &stored.digest);
    let headers = response.headers_mut();
    if let Some(subject) = stored.subject
        && let Ok(value) = HeaderValue::try_from(subject.to_string())
    {
        headers.insert(SUBJECT, value);
    }
    for tag in &tags {
        if let Ok(value) = HeaderValue::try_from(tag.to_string()) {
            headers.append(TAG, value);
        }
    }
    for tag in &stored.tags {
        call.note("push", tag);
    }
    call.note("push", stored.digest);
    Ok(response)
}

/// DELETE: a tag alone, or a manifest with all its tags.
pub(super) async fn delete(call: &Call<'_>, reference: &str) -> Answer {
    let reference = parse(reference)?;
    let content = &call.state.content;
    let who = call.caller.name();
    let deleted = match &reference {
        ManifestReference::Digest(digest) => {
            let deleted = content.delete_manifest(&call.repository, digest, who);
            deleted.await.map(drop)
        }
        ManifestReference::Tag(tag) => content.delete_tag(&call.repository, tag, who).await,
    };
    match deleted {
        Ok(()) => {
            call.note("delete", &reference);
            Ok(bare(StatusCode::ACCEPTED, &[]))
        }
        Err(error) => {
            let methods = "GET, HEAD, PUT";
            Err(Failure::not_deleted(error, unknown(&reference), methods))
        }
    }
}

fn parse(text: &str) -> Result<ManifestReference, Failure> {
    // A tag holds no colon.
    if text.contains(':') {
        return blobs::parse(text).map(ManifestReference::Digest);
    }
    match text.parse::<Tag>() {
        Ok(tag) => Ok(ManifestReference::Tag(tag)),
        Err(error) => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::ManifestInvalid,
            error.to_string(),
        )),
    }
}

fn extra_tags(call: &Call<'_>) -> Result<Vec<Tag>, Failure> {
    let mut tags: Vec<Tag> = vec![];
    for text in call.query.all("tag") {
        let tag = text.parse::<Tag>().map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                Code::ManifestInvalid,
                error.to_string(),
            )
        })?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(Failure::new(
            StatusCode::URI_TOO_LONG,
            Code::SizeInvalid,
            format!("at most {MOST_TAGS} tags at once"),
        ));
    }
    Ok(tags)
}

fn unknown(reference: &ManifestReference) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        Code::ManifestUnknown,
        "there is no such manifest in this repository",
    )
    .detail(serde_json::json!({ "reference": reference.to_string() }))
}
