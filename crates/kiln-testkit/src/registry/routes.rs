//! The endpoints of the distribution specification, but for uploads.

use kiln_oci::Digest;
use serde_json::{Value, json};

use super::http::{Reply, Request};
use super::{Shared, Stored, uploads};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The answer to a request of someone who may make it.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.method == "HEAD" && !shared.options.head {
        return Reply::new(405);
    }
    let path = request.path();
    match path {
        "/v2/" | "/v2" => return Reply::json(200, &json!({})),
        "/v2/_catalog" => return catalog(shared, request),
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else {
        return Reply::error(404, "NAME_UNKNOWN", "no such path");
    };
    // Names hold slashes, so the last word that is not part of one decides.
    for (word, route) in ROUTES {
        if let Some(at) = rest.rfind(word) {
            return route(shared, request, &rest[..at], &rest[at + word.len()..]);
        }
    }
    Reply::error(404, "NAME_UNKNOWN", "no such path")
}

type Route = fn(&Shared, &Request, &str, &str) -> Reply;

const ROUTES: [(&str, Route); 5] = [
    ("/blobs/uploads/", uploads::answer),
    ("/blobs/", blobs),
    ("/manifests/", manifests),
    ("/tags/list", tags),
    ("/referrers/", referrers),
];

fn blobs(shared: &Shared, request: &Request, name: &str, digest: &str) -> Reply {
    let unknown = || Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
    let Ok(digest) = digest.parse::<Digest>() else {
        return Reply::error(400, "DIGEST_INVALID", "no digest");
    };
    let mut content = shared.content();
    let Some(repository) = content
        .repositories
        .get_mut(name)
        .filter(|found| found.blobs.contains(&digest))
    else {
        return unknown();
    };
    if request.method == "DELETE" {
        repository.blobs.remove(&digest);
        return Reply::new(202);
    }
    let Some(bytes) = content.blobs.get(&digest).cloned() else {
        return unknown();
    };
    let reply = Reply::new(200).header("Docker-Content-Digest", digest.to_string());
    let reply = reply.header("Content-Type", "application/octet-stream");
    let range = request.header("range").filter(|_| shared.options.ranges);
    let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
        return reply.body(bytes.to_vec());
    };
    let (first, last) = range.split_once('-').unwrap_or((range, ""));
    let end = bytes.len().saturating_sub(1);
    let first: usize = first.parse().unwrap_or(0);
    let last = last.parse::<usize>().unwrap_or(end).min(end);
    if first > last {
        return Reply::new(416);
    }
    let reply = Reply {
        status: 206,
        ..reply
    };
    reply
        .header(
            "Content-Range",
            format!("bytes {first}-{last}/{}", bytes.len()),
        )
        .body(bytes[first..=last].to_vec())
}

fn manifests(shared: &Shared, request: &Request, name: &str, reference: &str) -> Reply {
    let unknown = || Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let mut content = shared.content();
    if request.method == "PUT" {
        drop(content);
        return put(shared, request, name, reference);
    }
    let Some(repository) = content.repositories.get_mut(name) else {
        return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    };
    if request.method == "DELETE" {
        let found = match reference.parse::<Digest>() {
            Ok(digest) => {
                repository.tags.retain(|_, tagged| *tagged != digest);
                repository.manifests.remove(&digest).is_some()
            }
            Err(_) => repository.tags.remove(reference).is_some(),
        };
        return if found { Reply::new(202) } else { unknown() };
    }
    let Some((digest, stored)) = repository.find(reference) else {
        return unknown();
    };
    Reply::new(200)
        .header("Content-Type", &stored.media_type)
        .header("Docker-Content-Digest", digest.to_string())
        .body(stored.bytes.to_vec())
}

fn put(shared: &Shared, request: &Request, name: &str, reference: &str) -> Reply {
    let digest = match reference.parse::<Digest>() {
        Ok(digest) => {
            let mut hasher = kiln_oci::Hasher::new(digest.algorithm());
            hasher.update(&request.body);
            if hasher.finish() != digest {
                return Reply::error(400, "DIGEST_INVALID", "the manifest has another digest");
            }
            digest
        }
        Err(_) => Digest::sha256(&request.body),
    };
    let Ok(value) = serde_json::from_slice::<Value>(&request.body) else {
        return Reply::error(400, "MANIFEST_INVALID", "the manifest is no JSON");
    };
    let mut content = shared.content();
    let repository = content.repositories.entry(name.to_owned()).or_default();
    let digest_of = |value: &Value| {
        value["digest"]
            .as_str()
            .and_then(|text| text.parse::<Digest>().ok())
    };
    let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut blobs = list("layers");
    blobs.extend(value.get("config").cloned());
    // Foreign layers live elsewhere.
    let blobs = blobs
        .iter()
        .filter(|blob| blob.get("urls").is_none())
        .filter_map(digest_of);
    let missing_blob = blobs
        .into_iter()
        .find(|digest| !repository.blobs.contains(digest));
    let manifests = list("manifests");
    let missing_child = manifests
        .iter()
        .filter_map(digest_of)
        .find(|digest| !repository.manifests.contains_key(digest));
    // The fallback tag of a subject may list what this registry does not have.
    let strict = !reference.starts_with("sha256-");
    if let Some(missing) = missing_blob.or(missing_child).filter(|_| strict) {
        return Reply::error(
            400,
            "MANIFEST_BLOB_UNKNOWN",
            &format!("{missing} is unknown"),
        );
    }
    let stored = Stored {
        media_type: request
            .header("content-type")
            .unwrap_or_default()
            .to_owned(),
        bytes: request.body.as_slice().into(),
    };
    repository.manifests.insert(digest, stored);
    if reference.parse::<Digest>().is_err() {
        repository.tags.insert(reference.to_owned(), digest);
    }
    let reply = Reply::new(201)
        .header("Location", format!("/v2/{name}/manifests/{digest}"))
        .header("Docker-Content-Digest", digest.to_string());
    match value
        .get("subject")
        .and_then(digest_of)
        .filter(|_| shared.options.referrers)
    {
        Some(subject) => reply.header("OCI-Subject", subject.to_string()),
        None => reply,
    }
}

fn tags(shared: &Shared, request: &Request, name: &str, _: &str) -> Reply {
    let content = shared.content();
    let Some(repository) = content.repositories.get(name) else {
        return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    };
    let all: Vec<String> = repository.tags.keys().cloned().collect();
    let (page, next) = page(shared, request, all);
    let reply = Reply::json(200, &json!({"name": name, "tags": page}));
    linked(reply, next, &format!("/v2/{name}/tags/list"))
}

fn catalog(shared: &Shared, request: &Request) -> Reply {
    let all: Vec<String> = shared.content().repositories.keys().cloned().collect();
    let (page, next) = page(shared, request, all);
    linked(
        Reply::json(200, &json!({"repositories": page})),
        next,
        "/v2/_catalog",
    )
}

/// A page, and its last name if there are more.
fn page(shared: &Shared, request: &Request, all: Vec<String>) -> (Vec<String>, Option<String>) {
    let last = request.parameter("last").unwrap_or_default();
    let wanted = request
        .parameter("n")
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX);
    let count = wanted.min(shared.options.page);
    let mut rest: Vec<String> = all.into_iter().filter(|name| *name > last).collect();
    let more = rest.len() > count;
    rest.truncate(count);
    let next = rest.last().filter(|_| more).cloned();
    (rest, next)
}

fn linked(reply: Reply, next: Option<String>, path: &str) -> Reply {
    match next {
        Some(last) => reply.header("Link", format!("<{path}?n=1000&last={last}>; rel=\"next\"")),
        None => reply,
    }
}

fn referrers(shared: &Shared, request: &Request, name: &str, digest: &str) -> Reply {
    if !shared.options.referrers {
        return Reply::error(404, "UNSUPPORTED", "no such path");
    }
    let Ok(subject) = digest.parse::<Digest>() else {
        return Reply::error(400, "DIGEST_INVALID", "no digest");
    };
    let content = shared.content();
    let manifests = content
        .repositories
        .get(name)
        .map(|repository| &repository.manifests);
    let mut found: Vec<Value> = manifests
        .into_iter()
        .flatten()
        .filter_map(|(digest, stored)| {
            let value: Value = serde_json::from_slice(&stored.bytes).ok()?;
            (value["subject"]["digest"].as_str()? == subject.to_string()).then(|| {
                let kind = value
                    .get("artifactType")
                    .unwrap_or(&value["config"]["mediaType"])
                    .clone();
                json!({
                    "mediaType": stored.media_type,
                    "digest": digest,
                    "size": stored.bytes.len(),
                    "artifactType": kind,
                    "annotations": value.get("annotations").cloned().unwrap_or_else(|| json!({})),
                })
            })
        })
        .collect();
    found.sort_by_key(|value| value["digest"].as_str().map(str::to_owned));
    let filter = request.parameter("artifactType");
    if let Some(kind) = &filter {
        found.retain(|value| value["artifactType"] == **kind);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": found});
    let mut reply = Reply::json(200, &index);
    reply.headers.clear();
    reply = reply.header("Content-Type", INDEX);
    match filter {
        Some(_) => reply.header("OCI-Filters-Applied", "artifactType"),
        None => reply,
    }
}
