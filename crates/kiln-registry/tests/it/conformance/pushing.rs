//! Rows 4 to 6, 13 and 14: blobs on their way in.

use super::client::{Request, Response};
use super::lab::{Content, Lab, Outcome, ensure, with_digest};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "4a",
        "POST begins an upload with a location of its own",
        begin,
    ),
    refused(
        "4a",
        "a name that is none is 400 NAME_INVALID",
        begin_name_invalid,
    ),
    works(
        "4b",
        "POST with a digest and the content is all there is to do",
        single_post,
    ),
    works(
        "4b",
        "POST with a digest and no content begins an upload",
        single_post_without_content,
    ),
    refused(
        "4b",
        "POST with another content's digest is 400 DIGEST_INVALID",
        single_post_wrong,
    ),
    works(
        "4c",
        "POST with digest-algorithm begins an upload for it",
        begin_algorithm,
    ),
    refused(
        "4c",
        "an algorithm that is not known is 400",
        begin_algorithm_unknown,
    ),
    works("5", "PATCH in chunks, each with its range, adds up", chunks),
    works("5", "PATCH without a range is a stream", streamed),
    works(
        "5",
        "an upload that began without naming the algorithm takes this one",
        no_hint,
    ),
    refused(
        "5",
        "a chunk out of order is 416 with Location and Range",
        out_of_order,
    ),
    refused(
        "5",
        "a Content-Range that is none is 416",
        bad_content_range,
    ),
    refused(
        "5",
        "a range of another length than the chunk is 400 SIZE_INVALID",
        wrong_length,
    ),
    refused(
        "5",
        "PATCH of no upload is 404 BLOB_UPLOAD_UNKNOWN",
        patch_unknown,
    ),
    refused("5", "PATCH in another repository is 404", patch_elsewhere),
    works("6", "PUT with all of the content", put_whole),
    works("6", "PUT with the last chunk", put_last_chunk),
    works("6", "PUT without content after chunks", put_nothing),
    works("6", "pushing what is there is fine", push_again),
    works("6", "a digest whose colon is escaped", escaped_digest),
    refused(
        "6",
        "PUT with another content's digest is 400 DIGEST_INVALID",
        put_wrong,
    ),
    refused(
        "6",
        "PUT without a digest is 400 DIGEST_INVALID",
        put_without_digest,
    ),
    refused(
        "6",
        "PUT with a digest that is none is 400 DIGEST_INVALID",
        put_digest_invalid,
    ),
    refused("6", "PUT out of order is 416", put_out_of_order),
    refused(
        "6",
        "PUT of no upload is 404 BLOB_UPLOAD_UNKNOWN",
        put_unknown,
    ),
    works("13", "GET says how much has arrived", status),
    refused(
        "13",
        "GET of no upload is 404 BLOB_UPLOAD_UNKNOWN",
        status_unknown,
    ),
    works("14", "DELETE cancels an upload", cancel),
    refused(
        "14",
        "DELETE of no upload is 404 BLOB_UPLOAD_UNKNOWN",
        cancel_unknown,
    ),
];

/// The blob can be pulled from where the answer says.
fn can_be_pulled(lab: &Lab<'_>, response: &Response, blob: &Content) -> Outcome {
    lab.get(response.location()?)?
        .expect(200)?
        .expect_body(&blob.bytes)?;
    ensure(
        response.header("docker-content-digest")? == blob.digest.to_string(),
        "Docker-Content-Digest is not the digest",
    )
}

fn begin(lab: &Lab<'_>) -> Outcome {
    let target = format!("/v2/{}/blobs/uploads/", lab.repository());
    let post = || {
        lab.send(&Request::new("POST", &target).body([]))?
            .expect(202)
    };
    let (one, two) = (post()?, post()?);
    ensure(
        one.location()? != two.location()?,
        "two uploads at one place",
    )?;
    one.expect_header("content-length", "0")?;
    // Clients from before the specification expect these.
    two.header("docker-upload-uuid")?;
    two.expect_header("range", "0-0")?;
    Ok(())
}

fn begin_name_invalid(lab: &Lab<'_>) -> Outcome {
    lab.send(&Request::new("POST", "/v2/UPPER/blobs/uploads/").body([]))?
        .expect_error(400, "NAME_INVALID")?;
    Ok(())
}

fn post_with(lab: &Lab<'_>, blob: &Content, body: &[u8]) -> Result<Response, String> {
    let target = format!(
        "/v2/{}/blobs/uploads/?digest={}",
        lab.repository(),
        blob.digest
    );
    let request = Request::new("POST", target)
        .header("Content-Type", "application/octet-stream")
        .body(body);
    lab.send(&request)
}

fn single_post(lab: &Lab<'_>) -> Outcome {
    for size in [0, 512, 300_000] {
        let blob = lab.blob(size);
        let response = post_with(lab, &blob, &blob.bytes)?.expect(201)?;
        can_be_pulled(lab, &response, &blob)?;
    }
    Ok(())
}

fn single_post_without_content(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(512);
    let location = post_with(lab, &blob, &[])?.expect(202)?.location()?;
    let response = lab.send(&lab.put(&location, &blob))?.expect(201)?;
    can_be_pulled(lab, &response, &blob)
}

fn single_post_wrong(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(512);
    post_with(lab, &blob, &lab.blob(512).bytes)?.expect_error(400, "DIGEST_INVALID")?;
    post_with(lab, &blob, &blob.bytes[1..])?.expect_error(400, "DIGEST_INVALID")?;
    Ok(())
}

fn begin_algorithm(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(512);
    let location = lab.begin(&lab.repository())?;
    patch(lab, &location, &blob.bytes, Some(0))?.expect(202)?;
    let end = Content {
        bytes: vec![],
        digest: blob.digest,
    };
    let response = lab.send(&lab.put(&location, &end))?.expect(201)?;
    can_be_pulled(lab, &response, &blob)
}

fn begin_algorithm_unknown(lab: &Lab<'_>) -> Outcome {
    let target = format!(
        "/v2/{}/blobs/uploads/?digest-algorithm=md5",
        lab.repository()
    );
    lab.send(&Request::new("POST", target).body([]))?
        .expect_error(400, "DIGEST_INVALID")?;
    Ok(())
}

/// A chunk; with its range, if `first` says where it begins.
fn patch(
    lab: &Lab<'_>,
    location: &str,
    bytes: &[u8],
    first: Option<usize>,
) -> Result<Response, String> {
    let mut request = Request::new("PATCH", location)
        .header("Content-Type", "application/octet-stream")
        .body(bytes);
    if let Some(first) = first {
        let last = first + bytes.len() - 1;
        request = request.header("Content-Range", format!("{first}-{last}"));
    }
    lab.send(&request)
}

fn finish(lab: &Lab<'_>, location: &str, blob: &Content) -> Outcome {
    let request = Request::new("PUT", with_digest(location, &blob.digest)).body([]);
    let response = lab.send(&request)?.expect(201)?;
    can_be_pulled(lab, &response, blob)
}

fn chunks(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let mut location = lab.begin(&lab.repository())?;
    for (index, chunk) in blob.bytes.chunks(1100).enumerate() {
        let first = index * 1100;
        let last = first + chunk.len() - 1;
        let response = patch(lab, &location, chunk, Some(first))?
            .expect(202)?
            .expect_header("range", &format!("0-{last}"))?;
        location = response.location()?;
    }
    finish(lab, &location, &blob)
}

/// As docker, podman and buildah do.
fn streamed(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(200_000);
    let mut location = lab.begin(&lab.repository())?;
    for chunk in blob.bytes.chunks(150_000) {
        let request = Request::new("PATCH", &location).stream(chunk);
        location = lab.send(&request)?.expect(202)?.location()?;
    }
    finish(lab, &location, &blob)
}

fn no_hint(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let target = format!("/v2/{}/blobs/uploads/", lab.repository());
    let response = lab.send(&Request::new("POST", target).body([]))?;
    let location = response.expect(202)?.location()?;
    let location = patch(lab, &location, &blob.bytes, None)?
        .expect(202)?
        .location()?;
    finish(lab, &location, &blob)
}

fn out_of_order(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let location = lab.begin(&lab.repository())?;
    let refuse = |first: usize, range: &str| {
        patch(
            lab,
            &location,
            &blob.bytes[first..first + 1000],
            Some(first),
        )?
        .expect(416)?
        .expect_header("range", range)?
        .location()
    };
    refuse(1000, "0-0")?;
    patch(lab, &location, &blob.bytes[..1000], Some(0))?.expect(202)?;
    refuse(0, "0-999")?;
    refuse(2000, "0-999")?;
    refuse(999, "0-999")?;
    // What was refused did no harm.
    patch(lab, &location, &blob.bytes[1000..], Some(1000))?.expect(202)?;
    finish(lab, &location, &blob)
}

fn bad_content_range(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    for range in ["nonsense", "9-0", "-5", "0-"] {
        let request = Request::new("PATCH", &location)
            .header("Content-Range", range)
            .body("0123456789");
        let response = lab.send(&request)?.expect(416)?;
        response.header("location")?;
        response.header("range")?;
    }
    Ok(())
}

fn wrong_length(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    let request = Request::new("PATCH", &location)
        .header("Content-Range", "0-99")
        .body("0123456789");
    lab.send(&request)?.expect_error(400, "SIZE_INVALID")?;
    Ok(())
}

/// Where an upload could be and is not: one that never was, and one that is over.
fn no_uploads(lab: &Lab<'_>) -> Result<[String; 3], String> {
    let repository = lab.repository();
    let over = lab.begin(&repository)?;
    lab.delete(&over)?.expect(204)?;
    let uploads = format!("/v2/{repository}/blobs/uploads");
    Ok([
        over,
        format!("{uploads}/00000000-0000-4000-8000-000000000000"),
        format!("{uploads}/nonsense"),
    ])
}

fn patch_unknown(lab: &Lab<'_>) -> Outcome {
    for location in no_uploads(lab)? {
        patch(lab, &location, b"x", None)?.expect_error(404, "BLOB_UPLOAD_UNKNOWN")?;
    }
    Ok(())
}

fn patch_elsewhere(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    let id = location.rsplit('/').next().unwrap_or_default();
    let elsewhere = format!("/v2/{}/blobs/uploads/{id}", lab.repository());
    patch(lab, &elsewhere, b"x", None)?.expect_error(404, "BLOB_UPLOAD_UNKNOWN")?;
    lab.get(&elsewhere)?.expect(404)?;
    lab.delete(&elsewhere)?.expect(404)?;
    lab.get(&location)?.expect(204)?;
    Ok(())
}

fn put_whole(lab: &Lab<'_>) -> Outcome {
    for size in [0, 1, 512, 300_000] {
        let blob = lab.blob(size);
        let response = lab.push_blob(&lab.repository(), &blob)?;
        can_be_pulled(lab, &response, &blob)?;
    }
    Ok(())
}

fn put_last_chunk(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let location = lab.begin(&lab.repository())?;
    let location = patch(lab, &location, &blob.bytes[..2000], Some(0))?
        .expect(202)?
        .location()?;
    let request = Request::new("PUT", with_digest(&location, &blob.digest))
        .header("Content-Range", "2000-2999")
        .body(&blob.bytes[2000..]);
    let response = lab.send(&request)?.expect(201)?;
    can_be_pulled(lab, &response, &blob)
}

fn put_nothing(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let location = lab.begin(&lab.repository())?;
    let location = patch(lab, &location, &blob.bytes, Some(0))?
        .expect(202)?
        .location()?;
    finish(lab, &location, &blob)
}

fn push_again(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.blob(512);
    for repository in [&repository, &repository, &lab.repository()] {
        let response = lab.push_blob(repository, &blob)?;
        can_be_pulled(lab, &response, &blob)?;
    }
    Ok(())
}

fn escaped_digest(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.blob(512);
    let escaped = blob.digest.to_string().replace(':', "%3A");
    let location = lab.begin(&repository)?;
    let request =
        Request::new("PUT", format!("{location}?digest={escaped}")).body(blob.bytes.clone());
    lab.send(&request)?.expect(201)?;
    lab.get(format!("/v2/{repository}/blobs/{escaped}"))?
        .expect(200)?
        .expect_body(&blob.bytes)?;
    Ok(())
}

fn put_wrong(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let blob = lab.blob(3000);
    let mut other = blob.clone();
    other.bytes.push(b'x');
    let location = lab.begin(&repository)?;
    lab.send(&lab.put(&location, &other))?
        .expect_error(400, "DIGEST_INVALID")?;
    // The same after chunks.
    let location = lab.begin(&repository)?;
    patch(lab, &location, &other.bytes, Some(0))?.expect(202)?;
    let request = Request::new("PUT", with_digest(&location, &blob.digest)).body([]);
    lab.send(&request)?.expect_error(400, "DIGEST_INVALID")?;
    lab.head(format!("/v2/{repository}/blobs/{}", blob.digest))?
        .expect(404)?;
    Ok(())
}

fn put_without_digest(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    lab.send(&Request::new("PUT", location).body("x"))?
        .expect_error(400, "DIGEST_INVALID")?;
    Ok(())
}

fn put_digest_invalid(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    for digest in ["sha256:baddigeststring", "md5:00", "nonsense"] {
        lab.send(&Request::new("PUT", format!("{location}?digest={digest}")).body("x"))?
            .expect_error(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

fn put_out_of_order(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(3000);
    let location = lab.begin(&lab.repository())?;
    patch(lab, &location, &blob.bytes[..1000], Some(0))?.expect(202)?;
    let request = Request::new("PUT", with_digest(&location, &blob.digest))
        .header("Content-Range", "2000-2999")
        .body(&blob.bytes[2000..]);
    lab.send(&request)?
        .expect(416)?
        .expect_header("range", "0-999")?
        .header("location")
        .map(drop)
}

fn put_unknown(lab: &Lab<'_>) -> Outcome {
    let blob = lab.blob(10);
    for location in no_uploads(lab)? {
        lab.send(&lab.put(&location, &blob))?
            .expect_error(404, "BLOB_UPLOAD_UNKNOWN")?;
    }
    Ok(())
}

fn status(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    lab.get(&location)?
        .expect(204)?
        .expect_header("range", "0-0")?;
    patch(lab, &location, &[7; 1000], Some(0))?.expect(202)?;
    let response = lab
        .get(&location)?
        .expect(204)?
        .expect_header("range", "0-999")?;
    response.header("location").map(drop)
}

fn status_unknown(lab: &Lab<'_>) -> Outcome {
    for location in no_uploads(lab)? {
        lab.get(location)?
            .expect_error(404, "BLOB_UPLOAD_UNKNOWN")?;
    }
    Ok(())
}

fn cancel(lab: &Lab<'_>) -> Outcome {
    let location = lab.begin(&lab.repository())?;
    patch(lab, &location, &[7; 1000], Some(0))?.expect(202)?;
    lab.delete(&location)?.expect(204)?;
    lab.get(&location)?.expect(404)?;
    Ok(())
}

fn cancel_unknown(lab: &Lab<'_>) -> Outcome {
    for location in no_uploads(lab)? {
        lab.delete(location)?
            .expect_error(404, "BLOB_UPLOAD_UNKNOWN")?;
    }
    Ok(())
}
