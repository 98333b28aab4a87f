//! Rows 9 and 10: tags, manifests and blobs on their way out.

use serde_json::{Value, json};

use super::lab::{Lab, OCI_INDEX, OCI_MANIFEST, Outcome, descriptor, ensure};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "9",
        "deleting a tag leaves the manifest and other tags",
        tag,
    ),
    works("9", "deleting a manifest takes its tags", manifest),
    works("9", "what was deleted can be pushed again", manifest_again),
    works(
        "9",
        "an index can be deleted before its members",
        index_first,
    ),
    refused(
        "9",
        "a tag or manifest that is not there is 404 MANIFEST_UNKNOWN",
        manifest_unknown,
    ),
    refused("9", "a reference that is none is 400", reference_invalid),
    works(
        "10",
        "deleting a blob takes it out of this repository only",
        blob,
    ),
    works(
        "10",
        "a blob that was deleted can be pushed again",
        blob_again,
    ),
    refused(
        "10",
        "a blob that is not there is 404 BLOB_UNKNOWN",
        blob_unknown,
    ),
    refused("10", "a blob that a manifest needs stays", blob_needed),
    refused(
        "10",
        "a digest that is none is 400 DIGEST_INVALID",
        blob_digest_invalid,
    ),
];

fn tag(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "one")?;
    lab.tag(&repository, "two", &image)?;
    let path = |reference: &str| format!("/v2/{repository}/manifests/{reference}");
    lab.delete(path("one"))?.expect(202)?;
    lab.head(path("one"))?.expect(404)?;
    lab.head(path("two"))?.expect(200)?;
    lab.head(path(&image.digest.to_string()))?.expect(200)?;
    let (tags, _) = lab.tags(format!("/v2/{repository}/tags/list"))?;
    ensure(tags == ["two"], format!("{tags:?}"))
}

fn manifest(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "one")?;
    lab.tag(&repository, "two", &image)?;
    let other = lab.tagged_image(&repository, "other")?;
    let path = |reference: &str| format!("/v2/{repository}/manifests/{reference}");
    let digest = image.digest.to_string();
    lab.delete(path(&digest))?.expect(202)?;
    for reference in ["one", "two", &digest] {
        lab.head(path(reference))?.expect(404)?;
        lab.get(path(reference))?
            .expect_error(404, "MANIFEST_UNKNOWN")?;
    }
    lab.get(path("other"))?
        .expect(200)?
        .expect_body(&other.bytes)?;
    let (tags, _) = lab.tags(format!("/v2/{repository}/tags/list"))?;
    ensure(tags == ["other"], format!("{tags:?}"))
}

fn manifest_again(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "one")?;
    let path = format!("/v2/{repository}/manifests/{}", image.digest);
    lab.delete(&path)?.expect(202)?;
    lab.head(&path)?.expect(404)?;
    lab.tag(&repository, "one", &image)?;
    lab.get(&path)?.expect(200)?.expect_body(&image.bytes)?;
    Ok(())
}

fn index_first(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_MANIFEST, &image)],
    });
    let index = lab.content(index.to_string());
    let digest = index.digest.to_string();
    lab.push_manifest(&repository, &digest, OCI_INDEX, &index)?
        .expect(201)?;
    for digest in [index.digest, image.digest] {
        let path = format!("/v2/{repository}/manifests/{digest}");
        lab.delete(&path)?.expect(202)?;
        lab.head(path)?.expect(404)?;
    }
    Ok(())
}

fn manifest_unknown(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    lab.tagged_image(&repository, "one")?;
    let digest = lab.blob(1).digest.to_string();
    for reference in ["missing", &digest] {
        for repository in [&repository, &lab.repository()] {
            lab.delete(format!("/v2/{repository}/manifests/{reference}"))?
                .expect_error(404, "MANIFEST_UNKNOWN")?;
        }
    }
    Ok(())
}

fn reference_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    for reference in ["sha256:baddigeststring", "-tag"] {
        lab.delete(format!("/v2/{repository}/manifests/{reference}"))?
            .expect(400)?;
    }
    Ok(())
}

fn blob(lab: &Lab<'_>) -> Outcome {
    let (one, two) = (lab.repository(), lab.repository());
    let blob = lab.blob(512);
    lab.push_blob(&one, &blob)?;
    lab.push_blob(&two, &blob)?;
    let path = |repository: &str| format!("/v2/{repository}/blobs/{}", blob.digest);
    lab.delete(path(&one))?.expect(202)?;
    lab.head(path(&one))?.expect(404)?;
    lab.get(path(&one))?.expect(404)?;
    lab.get(path(&two))?.expect(200)?.expect_body(&blob.bytes)?;
    Ok(())
}

fn blob_again(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.blob(512);
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    for _ in 0..3 {
        lab.push_blob(&repository, &blob)?;
        lab.get(&path)?.expect(200)?.expect_body(&blob.bytes)?;
        lab.delete(&path)?.expect(202)?;
        lab.head(&path)?.expect(404)?;
    }
    Ok(())
}

fn blob_unknown(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    lab.push_blob(&repository, &lab.blob(1))?;
    let missing = lab.blob(1).digest;
    for repository in [&repository, &lab.repository()] {
        lab.delete(format!("/v2/{repository}/blobs/{missing}"))?
            .expect_error(404, "BLOB_UNKNOWN")?;
    }
    Ok(())
}

fn blob_needed(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let config = lab.blob(100);
    lab.push_blob(&repository, &config)?;
    let more = json!({ "config": descriptor("application/octet-stream", &config) });
    lab.pushed_image(&repository, &more)?;
    let path = format!("/v2/{repository}/blobs/{}", config.digest);
    lab.delete(&path)?.expect_error(405, "UNSUPPORTED")?;
    lab.get(path)?.expect(200)?.expect_body(&config.bytes)?;
    Ok(())
}

fn blob_digest_invalid(lab: &Lab<'_>) -> Outcome {
    lab.delete(format!(
        "/v2/{}/blobs/sha256:baddigeststring",
        lab.repository()
    ))?
    .expect_error(400, "DIGEST_INVALID")?;
    Ok(())
}
