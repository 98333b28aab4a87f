//! Row 12: what refers to a manifest.

use serde_json::{Value, json};

use super::client::Response;
use super::lab::{
    Content, Lab, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Outcome, descriptor, ensure, next,
};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "12",
        "nothing is an empty index, also in a repository that is not there",
        nothing,
    ),
    works(
        "12",
        "each referrer has type, size, digest, artifact type and annotations",
        all,
    ),
    works(
        "12",
        "artifactType filters, and the answer says so",
        filtered,
    ),
    works("12", "pages are linked to the end", pages),
    works(
        "12",
        "a referrer may come before its subject",
        before_its_subject,
    ),
    works("12", "a referrer that is deleted is gone", deleted),
    refused("12", "a digest that is none is 400", digest_invalid),
];

const KINDS: [&str; 2] = [
    "application/vnd.example.sbom+json",
    "application/vnd.example.signature",
];

fn list(lab: &Lab<'_>, target: &str) -> Result<(Vec<Value>, Response), String> {
    let response = lab
        .get(target)?
        .expect(200)?
        .expect_header("content-type", OCI_INDEX)?;
    response.header("content-length")?;
    let index = response.json()?;
    ensure(index["schemaVersion"] == 2, "schemaVersion is not 2")?;
    ensure(
        index["mediaType"] == OCI_INDEX,
        "mediaType is not an index's",
    )?;
    let manifests = index["manifests"].as_array().cloned();
    Ok((manifests.ok_or("no list of manifests")?, response))
}

fn path(repository: &str, subject: &Content) -> String {
    format!("/v2/{repository}/referrers/{}", subject.digest)
}

/// Pushes an artifact that refers to `subject`; its descriptor as it should be listed.
fn refer(lab: &Lab<'_>, repository: &str, subject: &Content, kind: &str) -> Result<Value, String> {
    let empty = lab.content("{}");
    lab.push_blob(repository, &empty)?;
    let annotations = json!({ "org.example.unique": lab.blob(8).digest.to_string() });
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": descriptor(OCI_EMPTY, &empty),
        "layers": [descriptor(OCI_EMPTY, &empty)],
        "subject": descriptor(OCI_MANIFEST, subject),
        "annotations": annotations,
    });
    let artifact = lab.content(artifact.to_string());
    let digest = artifact.digest.to_string();
    lab.push_manifest(repository, &digest, OCI_MANIFEST, &artifact)?
        .expect(201)?
        .expect_header("oci-subject", &subject.digest.to_string())?;
    let mut listed = descriptor(OCI_MANIFEST, &artifact);
    listed["artifactType"] = kind.into();
    listed["annotations"] = annotations;
    Ok(listed)
}

fn nothing(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    for repository in [&repository, &lab.repository()] {
        let (found, _) = list(lab, &path(repository, &image))?;
        ensure(found.is_empty(), format!("{found:?}"))?;
    }
    Ok(())
}

fn all(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    let mut expected = vec![
        refer(lab, &repository, &image, KINDS[0])?,
        refer(lab, &repository, &image, KINDS[1])?,
    ];
    // Without a type of its own, an image has that of its config, and an index has none.
    let subject = json!({ "subject": descriptor(OCI_MANIFEST, &image) });
    let referring = lab.pushed_image(&repository, &subject)?;
    let mut listed = descriptor(OCI_MANIFEST, &referring);
    listed["artifactType"] = super::lab::OCI_CONFIG.into();
    expected.push(listed);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
        "subject": descriptor(OCI_MANIFEST, &image),
    });
    let index = lab.content(index.to_string());
    let digest = index.digest.to_string();
    lab.push_manifest(&repository, &digest, OCI_INDEX, &index)?
        .expect(201)?;
    expected.push(descriptor(OCI_INDEX, &index));

    let (found, _) = list(lab, &path(&repository, &image))?;
    ensure(found.len() == expected.len(), format!("{found:?}"))?;
    for descriptor in expected {
        ensure(
            found.contains(&descriptor),
            format!("{descriptor} is not in {found:?}"),
        )?;
    }
    Ok(())
}

fn filtered(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    for kind in KINDS {
        refer(lab, &repository, &image, kind)?;
    }
    let path = path(&repository, &image);
    // As a browser would write the `+`, and as careless clients do.
    for kind in [KINDS[0], "application/vnd.example.sbom%2Bjson", KINDS[1]] {
        let (found, response) = list(lab, &format!("{path}?artifactType={kind}"))?;
        let [only] = found.as_slice() else {
            return Err(format!("{kind}: {found:?}"));
        };
        ensure(
            only["artifactType"] == kind.replace("%2B", "+"),
            format!("{only}"),
        )?;
        response.expect_header("oci-filters-applied", "artifactType")?;
    }
    let (found, response) = list(lab, &format!("{path}?artifactType=other/kind"))?;
    ensure(found.is_empty(), format!("{found:?}"))?;
    response.expect_header("oci-filters-applied", "artifactType")?;
    Ok(())
}

fn pages(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    for number in 0..6 {
        refer(lab, &repository, &image, KINDS[number % 2])?;
    }
    let whole = path(&repository, &image);
    for (first, expected) in [
        (format!("{whole}?n=2"), 6),
        (format!("{whole}?n=2&artifactType={}", KINDS[0]), 3),
    ] {
        let mut seen = vec![];
        let mut target = Some(first);
        while let Some(here) = target {
            let (found, response) = list(lab, &here)?;
            target = next(&response)?;
            seen.extend(found.iter().map(|found| found["digest"].to_string()));
            ensure(seen.len() <= expected, "pages without an end")?;
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        ensure(
            all == expected && seen.len() == all,
            format!("{all} of {expected}"),
        )?;
    }
    Ok(())
}

fn before_its_subject(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let referring = refer(lab, &repository, &image, KINDS[0])?;
    let path = path(&repository, &image);
    let (found, _) = list(lab, &path)?;
    ensure(found == [referring.clone()], format!("{found:?}"))?;
    let digest = image.digest.to_string();
    lab.push_manifest(&repository, &digest, OCI_MANIFEST, &image)?
        .expect(201)?;
    let (found, _) = list(lab, &path)?;
    ensure(found == [referring], format!("{found:?}"))
}

fn deleted(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    let referring = refer(lab, &repository, &image, KINDS[0])?;
    let digest = referring["digest"].as_str().unwrap_or_default();
    lab.delete(format!("/v2/{repository}/manifests/{digest}"))?
        .expect(202)?;
    let (found, _) = list(lab, &path(&repository, &image))?;
    ensure(found.is_empty(), format!("{found:?}"))
}

fn digest_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    for digest in ["sha256:baddigeststring", "latest", "md5:00"] {
        lab.get(format!("/v2/{repository}/referrers/{digest}"))?
            .expect_error(400, "DIGEST_INVALID")?;
    }
    Ok(())
}
