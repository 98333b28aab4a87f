//! Rows 1 to 3: the base, blobs with their ranges, manifests.

use serde_json::Value;

use super::client::Request;
use super::lab::{Content, Lab, OCI_MANIFEST, Outcome, ensure};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "1",
        "the base answers 200 and names Docker's version of the API",
        base,
    ),
    refused("1", "an endpoint that is not there is 404", no_endpoint),
    refused(
        "1",
        "a method that an endpoint does not know is 405 with Allow",
        no_method,
    ),
    works("2", "GET gives a blob's bytes, length and digest", blob_get),
    works(
        "2",
        "HEAD gives a blob's length and digest, and no body",
        blob_head,
    ),
    works("2", "an empty blob has a length of 0", blob_empty),
    works("2", "a range gives 206 and that part", ranges),
    works(
        "2",
        "several ranges give a body of several parts",
        multiple_ranges,
    ),
    works(
        "2",
        "If-Range with another validator gives the whole",
        if_range,
    ),
    works("2", "If-None-Match with the ETag gives 304", not_modified),
    refused("2", "a range that is not there is 416", bad_ranges),
    refused(
        "2",
        "a blob that is not there is 404 BLOB_UNKNOWN",
        blob_unknown,
    ),
    refused("2", "a blob of another repository is 404", blob_elsewhere),
    refused(
        "2",
        "a digest that is none is 400 DIGEST_INVALID",
        blob_digest_invalid,
    ),
    refused("2", "a name that is none is 400 NAME_INVALID", name_invalid),
    works(
        "3",
        "GET by digest gives the bytes as pushed, type, length and digest",
        manifest_get,
    ),
    works("3", "GET by tag gives the same", manifest_by_tag),
    works(
        "3",
        "HEAD gives type, length and digest, and no body",
        manifest_head,
    ),
    works(
        "3",
        "without Accept it is served as it is stored",
        manifest_without_accept,
    ),
    refused(
        "3",
        "a manifest that is not there is 404 MANIFEST_UNKNOWN",
        manifest_unknown,
    ),
    refused("3", "a digest that is none is 400", manifest_digest_invalid),
];

fn base(lab: &Lab<'_>) -> Outcome {
    for path in ["/v2/", "/v2"] {
        lab.get(path)?
            .expect(200)?
            .expect_header("docker-distribution-api-version", "registry/2.0")?;
    }
    Ok(())
}

fn no_endpoint(lab: &Lab<'_>) -> Outcome {
    lab.get("/v2/some/thing")?.expect(404)?;
    Ok(())
}

fn no_method(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    for path in [
        format!("/v2/{repository}/tags/list"),
        format!("/v2/{repository}/manifests/latest"),
    ] {
        let response = lab.send(&Request::new("POST", path).body([]))?;
        response.expect_error(405, "UNSUPPORTED")?.header("allow")?;
    }
    Ok(())
}

/// A repository with a blob of 2,048 bytes, and the blob's path.
fn with_blob(lab: &Lab<'_>) -> Result<(Content, String), String> {
    let repository = lab.repository();
    let blob = lab.blob(2048);
    lab.push_blob(&repository, &blob)?;
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    Ok((blob, path))
}

fn blob_get(lab: &Lab<'_>) -> Outcome {
    let (blob, path) = with_blob(lab)?;
    let response = lab.get(path)?.expect(200)?.expect_body(&blob.bytes)?;
    let response = response.expect_header("docker-content-digest", &blob.digest.to_string())?;
    ensure(!response.chunked, "the body came in chunks")?;
    response.header("content-type").map(drop)
}

fn blob_head(lab: &Lab<'_>) -> Outcome {
    let (blob, path) = with_blob(lab)?;
    let response = lab
        .head(path)?
        .expect(200)?
        .expect_header("content-length", "2048")?
        .expect_header("docker-content-digest", &blob.digest.to_string())?;
    ensure(response.body.is_empty(), "a HEAD with a body")
}

fn blob_empty(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.content([]);
    lab.push_blob(&repository, &blob)?;
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    lab.head(&path)?
        .expect(200)?
        .expect_header("content-length", "0")?;
    lab.get(path)?.expect(200)?.expect_body(&[])?;
    Ok(())
}

fn ranges(lab: &Lab<'_>) -> Outcome {
    let (blob, path) = with_blob(lab)?;
    for (range, start, end) in [
        ("500-1499", 500, 1500),
        ("500-", 500, 2048),
        ("-500", 1548, 2048),
        ("2000-5000", 2000, 2048),
        ("0-0", 0, 1),
        ("-5000", 0, 2048),
    ] {
        let request = Request::new("GET", &path).header("Range", format!("bytes={range}"));
        lab.send(&request)?
            .expect(206)?
            .expect_body(&blob.bytes[start..end])?
            .expect_header("content-range", &format!("bytes {start}-{}/2048", end - 1))?;
    }
    Ok(())
}

/// RFC 9110 section 14.6.
fn multiple_ranges(lab: &Lab<'_>) -> Outcome {
    let (blob, path) = with_blob(lab)?;
    let request = Request::new("GET", path).header("Range", "bytes=0-9, 100-199, -5");
    let response = lab.send(&request)?.expect(206)?;
    let kind = response.header("content-type")?;
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .ok_or(format!("Content-Type is {kind}"))?;
    response.header("content-length")?;
    let mut expected = vec![];
    for (start, end) in [(0, 10), (100, 200), (2043, 2048)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {start}-{}/2048\r\n\r\n",
            end - 1
        );
        expected.extend(head.into_bytes());
        expected.extend(&blob.bytes[start..end]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    ensure(
        response.body == expected,
        "the parts are not what was asked for",
    )
}

fn if_range(lab: &Lab<'_>) -> Outcome {
    let (blob, path) = with_blob(lab)?;
    let tag = lab.head(&path)?.header("etag")?.to_owned();
    let request = |validator: &str| {
        Request::new("GET", &path)
            .header("Range", "bytes=0-9")
            .header("If-Range", validator)
    };
    lab.send(&request("\"other\""))?
        .expect(200)?
        .expect_body(&blob.bytes)?;
    lab.send(&request(&tag))?
        .expect(206)?
        .expect_body(&blob.bytes[..10])?;
    Ok(())
}

fn not_modified(lab: &Lab<'_>) -> Outcome {
    let (_, path) = with_blob(lab)?;
    let tag = lab.head(&path)?.header("etag")?.to_owned();
    let request = Request::new("GET", &path).header("If-None-Match", tag);
    let response = lab.send(&request)?.expect(304)?;
    ensure(response.body.is_empty(), "a 304 with a body")
}

fn bad_ranges(lab: &Lab<'_>) -> Outcome {
    let (_, path) = with_blob(lab)?;
    for range in ["500-0", "5000-10000", "2048-", "-0"] {
        let request = Request::new("GET", &path).header("Range", format!("bytes={range}"));
        lab.send(&request)?
            .expect(416)?
            .expect_header("content-range", "bytes */2048")?;
    }
    Ok(())
}

fn blob_unknown(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.blob(10);
    lab.push_blob(&repository, &lab.blob(10))?;
    for repository in [&repository, &lab.repository()] {
        let path = format!("/v2/{repository}/blobs/{}", blob.digest);
        lab.head(&path)?.expect(404)?;
        lab.get(path)?.expect_error(404, "BLOB_UNKNOWN")?;
    }
    Ok(())
}

fn blob_elsewhere(lab: &Lab<'_>) -> Outcome {
    let (blob, _) = with_blob(lab)?;
    let path = format!("/v2/{}/blobs/{}", lab.repository(), blob.digest);
    lab.head(&path)?.expect(404)?;
    lab.get(path)?.expect(404)?;
    Ok(())
}

fn blob_digest_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    for digest in ["sha256:baddigeststring", "md5:00", "sha256:", "latest"] {
        lab.get(format!("/v2/{repository}/blobs/{digest}"))?
            .expect_error(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

fn name_invalid(lab: &Lab<'_>) -> Outcome {
    let digest = lab.blob(1).digest;
    let long = "a".repeat(256);
    for name in ["UPPER", "a//b", "a/../b", "-a", "a___b", "%2e%2e", &long] {
        lab.get(format!("/v2/{name}/blobs/{digest}"))?
            .expect_error(400, "NAME_INVALID")?;
    }
    Ok(())
}

fn manifest_get(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.pushed_image(&repository, &Value::Null)?;
    let digest = image.digest.to_string();
    let path = format!("/v2/{repository}/manifests/{digest}");
    let response = lab
        .send(&Request::new("GET", path).header("Accept", OCI_MANIFEST))?
        .expect(200)?
        .expect_body(&image.bytes)?
        .expect_header("content-type", OCI_MANIFEST)?
        .expect_header("docker-content-digest", &digest)?;
    ensure(!response.chunked, "the body came in chunks")
}

fn manifest_by_tag(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "v1.0_x-Y")?;
    lab.get(format!("/v2/{repository}/manifests/v1.0_x-Y"))?
        .expect(200)?
        .expect_body(&image.bytes)?
        .expect_header("content-type", OCI_MANIFEST)?
        .expect_header("docker-content-digest", &image.digest.to_string())?;
    Ok(())
}

fn manifest_head(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "v1")?;
    let digest = image.digest.to_string();
    for reference in ["v1", &digest] {
        let response = lab
            .head(format!("/v2/{repository}/manifests/{reference}"))?
            .expect(200)?
            .expect_header("content-length", &image.bytes.len().to_string())?
            .expect_header("content-type", OCI_MANIFEST)?
            .expect_header("docker-content-digest", &digest)?;
        ensure(response.body.is_empty(), "a HEAD with a body")?;
    }
    Ok(())
}

fn manifest_without_accept(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.tagged_image(&repository, "v1")?;
    let path = format!("/v2/{repository}/manifests/v1");
    for accept in [None, Some("*/*")] {
        let request = Request::new("GET", &path);
        let request = match accept {
            Some(accept) => request.header("Accept", accept),
            None => request,
        };
        lab.send(&request)?
            .expect(200)?
            .expect_body(&image.bytes)?
            .expect_header("content-type", OCI_MANIFEST)?;
    }
    Ok(())
}

fn manifest_unknown(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    lab.pushed_image(&repository, &Value::Null)?;
    let digest = lab.blob(1).digest.to_string();
    for reference in ["missing", &digest] {
        for repository in [&repository, &lab.repository()] {
            let path = format!("/v2/{repository}/manifests/{reference}");
            lab.head(&path)?.expect(404)?;
            lab.get(path)?.expect_error(404, "MANIFEST_UNKNOWN")?;
        }
    }
    Ok(())
}

fn manifest_digest_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    lab.get(format!("/v2/{repository}/manifests/sha256:baddigeststring"))?
        .expect_error(400, "DIGEST_INVALID")?;
    let long = "t".repeat(129);
    for tag in ["-tag", ".tag", &long] {
        lab.get(format!("/v2/{repository}/manifests/{tag}"))?
            .expect(400)?;
    }
    Ok(())
}
