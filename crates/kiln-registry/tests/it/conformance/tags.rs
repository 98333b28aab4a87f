//! Row 8: the list of tags.

use serde_json::Value;

use super::lab::{Lab, Outcome, ensure, next};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works("8", "all tags, sorted", all),
    works("8", "n and last give pages, linked to the end", pages),
    works("8", "n=0 gives nothing and no link", nothing),
    works("8", "last need not be a tag that is there", last),
    refused(
        "8",
        "a repository that is not there is 404 NAME_UNKNOWN",
        unknown,
    ),
    refused("8", "n that is no number is 400", n_invalid),
];

const TAGS: [&str; 7] = ["1.0", "1.10", "1.9", "Latest", "_x", "latest", "v1"];

/// A repository with [`TAGS`], pushed in another order.
fn tagged(lab: &Lab<'_>) -> Result<String, String> {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    for tag in TAGS.iter().rev() {
        lab.tag(&repository, tag, &image)?;
    }
    Ok(repository)
}

fn path(repository: &str, query: &str) -> String {
    format!("/v2/{repository}/tags/list{query}")
}

fn all(lab: &Lab<'_>) -> Outcome {
    let repository = tagged(lab)?;
    let (tags, response) = lab.tags(path(&repository, ""))?;
    ensure(tags == TAGS, format!("{tags:?}"))?;
    ensure(next(&response)?.is_none(), "a link at the end")?;
    ensure(
        response.json()?["name"] == repository.as_str(),
        "another name",
    )?;
    response.header("content-length").map(drop)
}

fn pages(lab: &Lab<'_>) -> Outcome {
    let repository = tagged(lab)?;
    let mut seen = vec![];
    let mut target = Some(path(&repository, "?n=3"));
    while let Some(here) = target {
        let (tags, response) = lab.tags(&here)?;
        target = next(&response)?;
        ensure(
            tags.len() == 3 || target.is_none(),
            "a short page that is not the last",
        )?;
        seen.extend(tags);
        ensure(seen.len() <= TAGS.len(), "pages without an end")?;
    }
    ensure(seen == TAGS, format!("{seen:?}"))?;
    let (tags, _) = lab.tags(path(&repository, "?n=2&last=1.9"))?;
    ensure(tags == ["Latest", "_x"], format!("{tags:?}"))
}

fn nothing(lab: &Lab<'_>) -> Outcome {
    let repository = tagged(lab)?;
    let (tags, response) = lab.tags(path(&repository, "?n=0"))?;
    ensure(tags.is_empty(), format!("{tags:?}"))?;
    ensure(response.find("link").is_none(), "a link")
}

fn last(lab: &Lab<'_>) -> Outcome {
    let repository = tagged(lab)?;
    for (last, expected) in [("1.95", &TAGS[3..]), ("zzz", &[]), ("0", &TAGS[..])] {
        let (tags, _) = lab.tags(path(&repository, &format!("?last={last}")))?;
        ensure(tags == expected, format!("after {last}: {tags:?}"))?;
    }
    Ok(())
}

fn unknown(lab: &Lab<'_>) -> Outcome {
    lab.get(path(&lab.repository(), ""))?
        .expect_error(404, "NAME_UNKNOWN")?;
    Ok(())
}

fn n_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = tagged(lab)?;
    for n in ["-1", "x", "1.5"] {
        lab.get(path(&repository, &format!("?n={n}")))?
            .expect(400)?;
    }
    Ok(())
}
