//! What is not of the specification itself: Docker's catalog, and the `_oci` extensions.

use serde_json::Value;

use super::lab::{Lab, Outcome, ensure, next, strings};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "ext",
        "_catalog lists repositories in pages, linked to the end",
        catalog,
    ),
    works("ext", "_oci/ext/discover names the extensions", discover),
    works(
        "ext",
        "_oci/tag-history lists what a tag was, the newest first",
        tag_history,
    ),
    refused(
        "ext",
        "_catalog with n that is no number is 400",
        catalog_n_invalid,
    ),
    refused(
        "ext",
        "_oci/tag-history of no repository is 404",
        tag_history_unknown,
    ),
];

fn catalog(lab: &Lab<'_>) -> Outcome {
    let mut expected = vec![];
    for _ in 0..3 {
        let repository = lab.repository();
        lab.tagged_image(&repository, "v1")?;
        expected.push(repository);
    }
    expected.sort();
    // Others may use the registry, too: only what lies between ours and the end is of interest.
    let mut seen: Vec<String> = vec![];
    let mut target = Some("/v2/_catalog?n=2".to_owned());
    while let Some(here) = target {
        let response = lab.get(here)?.expect(200)?;
        target = next(&response)?;
        let page = strings(&response.json()?["repositories"])?;
        ensure(
            page.len() == 2 || target.is_none(),
            "a short page that is not the last",
        )?;
        ensure(
            page.iter()
                .all(|name| seen.last().is_none_or(|last| last < name)),
            "not in order",
        )?;
        seen.extend(page);
    }
    for repository in &expected {
        ensure(
            seen.contains(repository),
            format!("{repository} is missing"),
        )?;
    }
    let before = &expected[0];
    let response = lab
        .get(format!("/v2/_catalog?last={before}"))?
        .expect(200)?;
    let after = strings(&response.json()?["repositories"])?;
    ensure(!after.contains(before), "last is in the list")
}

fn catalog_n_invalid(lab: &Lab<'_>) -> Outcome {
    lab.get("/v2/_catalog?n=x")?.expect(400)?;
    Ok(())
}

fn discover(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    lab.tagged_image(&repository, "v1")?;
    for path in [
        "/v2/_oci/ext/discover".to_owned(),
        format!("/v2/{repository}/_oci/ext/discover"),
    ] {
        let json = lab.get(path)?.expect(200)?.json()?;
        let extensions = json["extensions"].as_array().ok_or("no list")?;
        for extension in extensions {
            for key in ["name", "url"] {
                ensure(
                    extension[key].is_string(),
                    format!("{extension} without {key}"),
                )?;
            }
            strings(&extension["endpoints"])?;
        }
    }
    Ok(())
}

/// "extensions/_oci.md", component `tag-history`.
fn tag_history(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let one = lab.tagged_image(&repository, "moving")?;
    let two = lab.tagged_image(&repository, "moving")?;
    lab.delete(format!("/v2/{repository}/manifests/moving"))?
        .expect(202)?;
    let path = format!("/v2/{repository}/_oci/tag-history/moving");
    let history = lab.get(&path)?.expect(200)?.json()?;
    let entries = history.as_array().ok_or("no list")?;
    let (created, deleted) = (
        "org.opencontainers.distribution.tag.created",
        "org.opencontainers.distribution.tag.deleted",
    );
    let expected = [(&two, deleted), (&two, created), (&one, created)];
    ensure(entries.len() == expected.len(), format!("{history}"))?;
    for (entry, (content, event)) in entries.iter().zip(expected) {
        let annotations = entry["annotations"].as_object();
        let is_so = entry["digest"] == content.digest.to_string()
            && entry["size"] == content.bytes.len()
            && entry["mediaType"].is_string()
            && annotations.is_some_and(|all| all.len() == 1 && all.contains_key(event));
        ensure(
            is_so,
            format!("{entry} instead of {} {event}", content.digest),
        )?;
    }
    let page = lab.get(format!("{path}?n=1"))?.expect(200)?.json()?;
    ensure(page.as_array().map(Vec::len) == Some(1), format!("{page}"))?;
    let none = lab.get(format!("{path}?n=0"))?.expect(200)?.json()?;
    ensure(none == Value::Array(vec![]), format!("{none}"))?;
    let other = format!("/v2/{repository}/_oci/tag-history/never");
    let none = lab.get(other)?.expect(200)?.json()?;
    ensure(none == Value::Array(vec![]), format!("{none}"))
}

fn tag_history_unknown(lab: &Lab<'_>) -> Outcome {
    lab.get(format!("/v2/{}/_oci/tag-history/v1", lab.repository()))?
        .expect_error(404, "NAME_UNKNOWN")?;
    Ok(())
}
