//! Lists: tags, referrers, repositories, extensions; all in pages.
//!
//! Source: distribution specification, "Listing Tags", "Listing Referrers"; Docker's `_catalog`; the
//! `_oci` extensions. A page is never longer than the configuration allows, and a shorter one than was
//! asked for comes with a `Link` to the next, unless it is the last.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use kiln_oci::media_type::OCI_INDEX;

use super::failure::{Code, Failure};
use super::query::{Query, encode};
use super::route::Route;
use super::{Answer, Call, blobs, json as document, link_next};
use crate::access::Caller;
use crate::name::{RepositoryName, Tag};
use crate::server::{ReplyBody, State};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
pub(super) const JSON: &str = "application/json";

/// What the registry as a whole answers: that it is one, its repositories, its extensions.
pub(super) async fn of_registry(
    state: &State,
    caller: &Caller,
    route: Route<'_>,
    query: Query<'_>,
) -> Answer {
    match route {
        Route::Catalog => catalog(state, caller, query).await,
        Route::Discover(_) => Ok(discover()),
        _ => Ok(document(JSON, b"{}".to_vec())),
    }
}

/// How many entries, as `n` and the configuration say.
pub(super) fn page_size(query: Query<'_>, most: usize) -> Result<usize, Failure> {
    let Some(text) = query.get("n") else {
        return Ok(most);
    };
    match text.parse::<usize>() {
        Ok(wanted) => Ok(wanted.min(most)),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(most),
        Err(_) => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            Code::Unsupported,
            format!("n={text} is no number of entries"),
        )),
    }
}

/// GET tags/list. `last` need not be a tag that is there.
pub(super) async fn tags(call: &Call<'_>) -> Answer {
    let most = page_size(call.query, call.state.config.limits.page)?;
    let last = call.query.get("last");
    let content = &call.state.content;
    let page = content
        .tags(&call.repository, most, last.as_deref())
        .await?;
    let page = page.ok_or_else(Failure::name_unknown)?;
    let next = page.more.then(|| page.items.last()).flatten().map(|last| {
        let last = encode(last.as_str());
        format!("/v2/{}/tags/list?n={most}&last={last}", call.repository)
    });
    let tags: Vec<&str> = page.items.iter().map(Tag::as_str).collect();
    let name = call.repository.as_str();
    let body = json!({ "name": name, "tags": tags }).to_string();
    let mut response = document(JSON, body.into_bytes());
    if let Some(next) = next {
        link_next(&mut response, &next);
    }
    Ok(response)
}

/// GET referrers: an index, also when there is nothing, and also in a repository that nobody has
/// pushed to.
pub(super) async fn referrers(call: &Call<'_>, digest: &str) -> Answer {
    let subject = blobs::parse(digest)?;
    let most = page_size(call.query, call.state.config.limits.page)?.max(1);
    let wanted = call.query.get("artifactType");
    let last = match call.query.get("last") {
        Some(text) => Some(blobs::parse(&text)?),
        None => None,
    };
    let content = &call.state.content;
    let found = content.referrers(
        &call.repository,
        &subject,
        wanted.as_deref(),
        most,
        last.as_ref(),
    );
    let page = found.await?;
    let next = page.more.then(|| page.items.last()).flatten();
    let next = next.map(|last| {
        let filter = wanted
            .as_deref()
            .map(|kind| format!("&artifactType={}", encode(kind)));
        format!(
            "/v2/{}/referrers/{subject}?n={most}{}&last={}",
            call.repository,
            filter.unwrap_or_default(),
            last.digest,
        )
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": page.items,
    });
    let mut response = document(OCI_INDEX, index.to_string().into_bytes());
    if wanted.is_some() {
        let applied = HeaderValue::from_static("artifactType");
        response.headers_mut().insert(FILTERS_APPLIED, applied);
    }
    if let Some(next) = next {
        link_next(&mut response, &next);
    }
    Ok(response)
}

/// GET `_catalog`: the repositories that the caller may see.
async fn catalog(state: &State, caller: &Caller, query: Query<'_>) -> Answer {
    let most = page_size(query, state.config.limits.page)?;
    let visible = state.access.visible(caller).await?;
    let mut last = query.get("last").map(std::borrow::Cow::into_owned);
    let mut names: Vec<RepositoryName> = vec![];
    let mut more = most > 0;
    // What the caller may not see is passed over, in as many pages as it takes.
    while more && names.len() < most {
        let content = &state.content;
        let page = content.repositories(None, most, last.as_deref()).await?;
        more = page.more;
        last = page.items.last().map(ToString::to_string);
        let mut seen = page.items.into_iter().filter(|name| visible.includes(name));
        names.extend(seen.by_ref().take(most - names.len()));
        more |= seen.next().is_some();
    }
    let names: Vec<&str> = names.iter().map(RepositoryName::as_str).collect();
    let body = json!({ "repositories": names }).to_string();
    let mut response = document(JSON, body.into_bytes());
    if let Some(last) = more.then(|| names.last()).flatten() {
        link_next(
            &mut response,
            &format!("/v2/_catalog?n={most}&last={}", encode(last)),
        );
    }
    Ok(response)
}

/// GET `_oci/ext/discover`.
pub(super) fn discover() -> Response<ReplyBody> {
    let body = json!({
        "extensions": [{
            "name": "_oci",
            "description": "discovery of extensions, and the history of tags",
            "url": "https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md",
            "endpoints": ["_oci/ext/discover", "_oci/tag-history"],
        }],
    });
    document(JSON, body.to_string().into_bytes())
}
