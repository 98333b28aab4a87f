//! Upload sessions.

use kiln_oci::{Digest, Hasher};

use super::Shared;
use super::http::{Reply, Request};

pub(super) fn answer(shared: &Shared, request: &Request, name: &str, id: &str) -> Reply {
    match (request.method.as_str(), id) {
        ("POST", "") => start(shared, request, name),
        ("GET", id) => match shared.content().uploads.get(id) {
            Some(bytes) => progress(shared, Reply::new(204), name, id, bytes.len()),
            None => unknown(),
        },
        ("PATCH", id) => patch(shared, request, name, id),
        ("PUT", id) => finish(shared, request, name, id),
        ("DELETE", id) => match shared.content().uploads.remove(id) {
            Some(_) => Reply::new(204),
            None => unknown(),
        },
        _ => Reply::error(405, "UNSUPPORTED", "not here"),
    }
}

fn unknown() -> Reply {
    Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
}

fn start(shared: &Shared, request: &Request, name: &str) -> Reply {
    let mount = request
        .parameter("mount")
        .and_then(|digest| digest.parse::<Digest>().ok());
    let mut content = shared.content();
    if let (Some(digest), Some(from), true) =
        (mount, request.parameter("from"), shared.options.mounts)
        && content
            .repositories
            .get(&from)
            .is_some_and(|repository| repository.blobs.contains(&digest))
    {
        content
            .repositories
            .entry(name.to_owned())
            .or_default()
            .blobs
            .insert(digest);
        return Reply::new(201).header("Location", format!("/v2/{name}/blobs/{digest}"));
    }
    let id = format!("upload-{}", shared.number());
    content.uploads.insert(id.clone(), vec![]);
    progress(shared, Reply::new(202), name, &id, 0)
}

fn progress(shared: &Shared, reply: Reply, name: &str, id: &str, have: usize) -> Reply {
    // The state in the query is how some registries notice clients that drop it.
    let reply = reply
        .header(
            "Location",
            format!("/v2/{name}/blobs/uploads/{id}?state={have}"),
        )
        .header("Range", format!("0-{}", have.saturating_sub(1)));
    match shared.options.min_chunk {
        Some(length) => reply.header("OCI-Chunk-Min-Length", length.to_string()),
        None => reply,
    }
}

/// Adds the body to the session; the refusal if it does not follow on what is there.
fn append(shared: &Shared, request: &Request, id: &str) -> Result<usize, Reply> {
    let mut content = shared.content();
    let Some(bytes) = content.uploads.get_mut(id) else {
        return Err(unknown());
    };
    let first = request
        .header("content-range")
        .and_then(|range| range.split('-').next()?.parse::<usize>().ok());
    if first.is_some_and(|first| first != bytes.len()) {
        return Err(Reply::error(416, "BLOB_UPLOAD_INVALID", "out of order"));
    }
    let state = request.parameter("state");
    if state.is_some_and(|state| state != bytes.len().to_string()) {
        return Err(Reply::error(
            400,
            "BLOB_UPLOAD_INVALID",
            "the state is an old one",
        ));
    }
    bytes.extend_from_slice(&request.body);
    Ok(bytes.len())
}

/// What came of a body before the connection ended, as registries keep it.
pub(super) fn keep_broken(shared: &Shared, request: &Request) -> Option<usize> {
    let id = request.path().rsplit_once("/blobs/uploads/")?.1;
    append(shared, request, id).ok()
}

fn patch(shared: &Shared, request: &Request, name: &str, id: &str) -> Reply {
    match append(shared, request, id) {
        Ok(have) => progress(shared, Reply::new(202), name, id, have),
        Err(refusal) => refusal,
    }
}

fn finish(shared: &Shared, request: &Request, name: &str, id: &str) -> Reply {
    let Some(digest) = request
        .parameter("digest")
        .and_then(|digest| digest.parse::<Digest>().ok())
    else {
        return Reply::error(400, "DIGEST_INVALID", "no digest");
    };
    if let Err(refusal) = append(shared, request, id) {
        return refusal;
    }
    let mut content = shared.content();
    let Some(bytes) = content.uploads.remove(id) else {
        return unknown();
    };
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(&bytes);
    if hasher.finish() != digest {
        return Reply::error(400, "DIGEST_INVALID", "the content has another digest");
    }
    content.blobs.insert(digest, bytes.into());
    content
        .repositories
        .entry(name.to_owned())
        .or_default()
        .blobs
        .insert(digest);
    Reply::new(201)
        .header("Location", format!("/v2/{name}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest.to_string())
}
