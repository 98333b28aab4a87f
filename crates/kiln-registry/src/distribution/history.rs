//! What a tag pointed to over time.
//!
//! Source: distribution specification, "extensions/_oci.md", component `tag-history`.

use std::time::{Duration, UNIX_EPOCH};

use kiln_oci::Digest;
use serde_json::{Value, json};

use super::failure::{Code, Failure};
use super::listings::{JSON, page_size};
use super::{Answer, Call, blobs, json as document};
use crate::content::TagChange;
use crate::name::{ManifestReference, Tag};
use crate::server::timestamp;

const CREATED: &str = "org.opencontainers.distribution.tag.created";
const DELETED: &str = "org.opencontainers.distribution.tag.deleted";

/// Changes that are looked at for one answer.
const MOST: usize = 10_000;

/// GET `_oci/tag-history/TAG`: an entry for each time that the tag was set or deleted, the newest
/// first. Manifests that are gone for good have neither size nor type and are left out.
pub(super) async fn get(call: &Call<'_>, tag: &str) -> Answer {
    let wrong = |message: String| {
        Failure::new(
            hyper::StatusCode::BAD_REQUEST,
            Code::ManifestInvalid,
            message,
        )
    };
    let tag: Tag = tag
        .parse()
        .map_err(|error: crate::name::InvalidName| wrong(error.to_string()))?;
    let content = &call.state.content;
    let most = page_size(call.query, call.state.config.limits.page)?;
    let only = match call.query.get("digest") {
        Some(digest) => Some(blobs::parse(&digest)?),
        None => None,
    };
    let before = call.query.get("before").map(std::borrow::Cow::into_owned);
    if content.tags(&call.repository, 0, None).await?.is_none() {
        return Err(Failure::name_unknown());
    }
    let history = content.tag_history(&call.repository, Some(&tag), None, MOST);
    let history = history.await?;
    let wanted = history.iter().filter_map(|change| {
        let time = timestamp(UNIX_EPOCH + milliseconds(change));
        let (digest, event) = event(change)?;
        let is_wanted = only.is_none_or(|only| only == digest)
            && before.as_ref().is_none_or(|before| time < *before);
        is_wanted.then_some((digest, event, time))
    });
    let wanted: Vec<_> = wanted.take(most).collect();
    if let (Some(digest), true) = (only, wanted.is_empty() && most > 0) {
        return Err(wrong(format!("`{tag}` never pointed to {digest}")));
    }
    let mut entries: Vec<Value> = vec![];
    for (digest, event, time) in wanted {
        let reference = ManifestReference::Digest(digest);
        if let Some(manifest) = content.manifest(&call.repository, &reference).await? {
            entries.push(json!({
                "mediaType": manifest.media_type,
                "digest": digest,
                "size": manifest.bytes.len(),
                "annotations": { event: time },
            }));
        }
    }
    Ok(document(
        JSON,
        Value::from(entries).to_string().into_bytes(),
    ))
}

fn milliseconds(change: &TagChange) -> Duration {
    Duration::from_millis(u64::try_from(change.changed).unwrap_or_default())
}

/// What a change was, and about which manifest: the one that the tag was set to, or that it was taken
/// from.
fn event(change: &TagChange) -> Option<(Digest, &'static str)> {
    match change.digest {
        Some(digest) => Some((digest, CREATED)),
        None => change.previous.map(|digest| (digest, DELETED)),
    }
}
