//! Row 11: blobs of another repository.

use super::client::{Request, Response};
use super::lab::{Content, Lab, Outcome, ensure};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works("11", "a blob of another repository is mounted", mount),
    works(
        "11",
        "without the other's name it is found",
        mount_anonymously,
    ),
    works(
        "11",
        "what cannot be mounted begins an upload",
        mount_missing,
    ),
    works("11", "mounting what is there is fine", mount_again),
    refused(
        "11",
        "a digest that is none is 400 DIGEST_INVALID",
        mount_digest_invalid,
    ),
];

fn post(
    lab: &Lab<'_>,
    repository: &str,
    blob: &Content,
    from: Option<&str>,
) -> Result<Response, String> {
    let from = from.map(|from| format!("&from={from}")).unwrap_or_default();
    let target = format!(
        "/v2/{repository}/blobs/uploads/?mount={}{from}",
        blob.digest
    );
    lab.send(&Request::new("POST", target).body([]))
}

/// A repository with a blob.
fn source(lab: &Lab<'_>) -> Result<(String, Content), String> {
    let repository = lab.repository();
    let blob = lab.blob(512);
    lab.push_blob(&repository, &blob)?;
    Ok((repository, blob))
}

fn is_mounted(lab: &Lab<'_>, repository: &str, blob: &Content, response: Response) -> Outcome {
    let digest = blob.digest.to_string();
    let response = response
        .expect(201)?
        .expect_header("docker-content-digest", &digest)?;
    let location = response.location()?;
    ensure(
        location == format!("/v2/{repository}/blobs/{digest}"),
        format!("Location is {location}"),
    )?;
    lab.get(location)?.expect(200)?.expect_body(&blob.bytes)?;
    Ok(())
}

fn mount(lab: &Lab<'_>) -> Outcome {
    let (from, blob) = source(lab)?;
    let repository = lab.repository();
    let response = post(lab, &repository, &blob, Some(&from))?;
    is_mounted(lab, &repository, &blob, response)
}

fn mount_anonymously(lab: &Lab<'_>) -> Outcome {
    let (_, blob) = source(lab)?;
    let repository = lab.repository();
    let response = post(lab, &repository, &blob, None)?;
    is_mounted(lab, &repository, &blob, response)
}

fn mount_missing(lab: &Lab<'_>) -> Outcome {
    let (from, there) = source(lab)?;
    let repository = lab.repository();
    let (one, two) = (lab.blob(512), lab.blob(512));
    let nowhere = lab.repository();
    for (blob, from) in [
        (&one, Some(from.as_str())),
        (&two, None),
        (&there, Some(nowhere.as_str())),
        (&there, Some("NO%20NAME")),
    ] {
        let response = post(lab, &repository, blob, from)?.expect(202)?;
        lab.send(&lab.put(&response.location()?, blob))?
            .expect(201)?;
    }
    Ok(())
}

fn mount_again(lab: &Lab<'_>) -> Outcome {
    let (from, blob) = source(lab)?;
    let repository = lab.repository();
    for to in [&repository, &repository, &from] {
        let response = post(lab, to, &blob, Some(&from))?;
        is_mounted(lab, to, &blob, response)?;
    }
    Ok(())
}

fn mount_digest_invalid(lab: &Lab<'_>) -> Outcome {
    let (from, _) = source(lab)?;
    let target = format!(
        "/v2/{}/blobs/uploads/?mount=sha256:baddigeststring&from={from}",
        lab.repository()
    );
    lab.send(&Request::new("POST", target).body([]))?
        .expect_error(400, "DIGEST_INVALID")?;
    Ok(())
}
