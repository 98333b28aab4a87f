//! Row 7: manifests on their way in.

use serde_json::{Value, json};

use super::client::Request;
use super::lab::{
    Content, Lab, OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Outcome, descriptor, ensure,
};
use super::{Check, refused, works};

pub(super) const CHECKS: &[Check] = &[
    works(
        "7a",
        "PUT by digest answers 201 with Location and digest",
        by_digest,
    ),
    works("7a", "PUT by tag moves the tag", by_tag),
    works("7a", "parameters of Content-Type are not kept", parameters),
    works("7a", "4 MiB are accepted", large),
    works("7a", "an index, and an index of indexes", indexes),
    works("7a", "an index of nothing", empty_index),
    works("7a", "an artifact, and one without layers", artifacts),
    works(
        "7a",
        "a subject is answered with OCI-Subject, also when it is missing",
        subject,
    ),
    works(
        "7a",
        "fields that nobody knows and data in descriptors are kept",
        custom_fields,
    ),
    works(
        "7a",
        "layers that may not be distributed need not be there",
        nondistributable,
    ),
    works(
        "7a",
        "bytes are kept as they came, blanks and all",
        verbatim,
    ),
    refused("7a", "more than the limit is 413", too_large),
    refused(
        "7a",
        "another content's digest is 400 DIGEST_INVALID",
        wrong_digest,
    ),
    refused(
        "7a",
        "a digest that is none is 400 DIGEST_INVALID",
        digest_invalid,
    ),
    refused(
        "7a",
        "a missing blob is MANIFEST_BLOB_UNKNOWN and is named",
        blob_unknown,
    ),
    refused(
        "7a",
        "what is no manifest is 400 MANIFEST_INVALID",
        no_manifest,
    ),
    refused("7a", "a tag that is none is 400", tag_invalid),
    works(
        "7b",
        "PUT by digest with tags sets them and says which",
        with_tags,
    ),
    works("7b", "ten tags at once", ten_tags),
    refused(
        "7b",
        "a tag that is none is 400 and sets nothing",
        with_tag_invalid,
    ),
];

fn path(repository: &str, reference: impl std::fmt::Display) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

/// The manifest is there as it was pushed.
fn is_there(lab: &Lab<'_>, repository: &str, reference: &str, kind: &str, c: &Content) -> Outcome {
    lab.get(path(repository, reference))?
        .expect(200)?
        .expect_body(&c.bytes)?
        .expect_header("content-type", kind)?
        .expect_header("docker-content-digest", &c.digest.to_string())?;
    Ok(())
}

/// Pushes by digest and looks whether it is there, at the place that the answer names, too.
fn push(lab: &Lab<'_>, repository: &str, kind: &str, manifest: &Content) -> Outcome {
    let digest = manifest.digest.to_string();
    let response = lab
        .push_manifest(repository, &digest, kind, manifest)?
        .expect(201)?
        .expect_header("docker-content-digest", &digest)?;
    lab.get(response.location()?)?
        .expect(200)?
        .expect_body(&manifest.bytes)?;
    is_there(lab, repository, &digest, kind, manifest)
}

fn by_digest(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    push(lab, &repository, OCI_MANIFEST, &image)?;
    push(lab, &repository, OCI_MANIFEST, &image)
}

fn by_tag(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let images = [
        lab.image(&repository, &Value::Null)?,
        lab.image(&repository, &Value::Null)?,
    ];
    for image in &images {
        // A tag alone names content by SHA-256, whatever else it is known by.
        let response = lab
            .push_manifest(&repository, "latest", OCI_MANIFEST, image)?
            .expect(201)?;
        let digest = kiln_oci::Digest::sha256(&image.bytes).to_string();
        let response = response.expect_header("docker-content-digest", &digest)?;
        lab.get(response.location()?)?
            .expect(200)?
            .expect_body(&image.bytes)?;
        lab.get(path(&repository, "latest"))?
            .expect(200)?
            .expect_body(&image.bytes)?
            .expect_header("docker-content-digest", &digest)?;
    }
    Ok(())
}

fn parameters(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let kind = format!("{OCI_MANIFEST}; charset=utf-8");
    let digest = image.digest.to_string();
    lab.push_manifest(&repository, &digest, &kind, &image)?
        .expect(201)?;
    is_there(lab, &repository, &digest, OCI_MANIFEST, &image)
}

/// A manifest of a size in bytes.
fn of_size(lab: &Lab<'_>, repository: &str, size: usize) -> Result<Content, String> {
    let image = lab.image(repository, &json!({ "annotations": { "padding": "" } }))?;
    let padding = "A".repeat(size - image.bytes.len());
    let text = String::from_utf8_lossy(&image.bytes);
    let text = text.replace("\"padding\":\"\"", &format!("\"padding\":\"{padding}\""));
    Ok(lab.content(text))
}

fn large(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = of_size(lab, &repository, 4 << 20)?;
    push(lab, &repository, OCI_MANIFEST, &image)
}

fn too_large(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = of_size(lab, &repository, (32 << 20) + 1)?;
    let target = path(&repository, image.digest);
    let request = Request::new("PUT", target).header("Content-Type", OCI_MANIFEST);
    // With its length, the registry can refuse it before it is sent; without, only in the middle.
    // It may end the connection then.
    for request in [
        request.clone().body(image.bytes.clone()),
        request.stream(image.bytes.clone()),
    ] {
        match lab.send(&request) {
            Ok(response) => drop(response.expect(413)?),
            Err(message) if is_cut_off(&message) => {}
            Err(message) => return Err(message),
        }
    }
    lab.head(path(&repository, image.digest))?.expect(404)?;
    Ok(())
}

fn is_cut_off(message: &str) -> bool {
    ["Broken pipe", "reset"]
        .iter()
        .any(|sign| message.contains(sign))
}

fn index_of(lab: &Lab<'_>, kind: &str, members: &[&Content]) -> Content {
    let manifests: Vec<Value> = members
        .iter()
        .map(|member| descriptor(kind, member))
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": manifests,
        "annotations": { "unique": format!("{}", lab.blob(8).digest) },
    });
    lab.content(index.to_string())
}

fn indexes(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let images = [
        lab.pushed_image(&repository, &Value::Null)?,
        lab.pushed_image(&repository, &Value::Null)?,
    ];
    let inner = index_of(lab, OCI_MANIFEST, &[&images[0], &images[1]]);
    push(lab, &repository, OCI_INDEX, &inner)?;
    let outer = index_of(lab, OCI_INDEX, &[&inner]);
    push(lab, &repository, OCI_INDEX, &outer)
}

fn empty_index(lab: &Lab<'_>) -> Outcome {
    let index = index_of(lab, OCI_MANIFEST, &[]);
    push(lab, &lab.repository(), OCI_INDEX, &index)
}

fn artifacts(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let empty = lab.content("{}");
    lab.push_blob(&repository, &empty)?;
    let config = descriptor(OCI_EMPTY, &empty);
    for layers in [json!([config.clone()]), json!([])] {
        let artifact = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example+type",
            "config": config,
            "layers": layers,
        });
        push(
            lab,
            &repository,
            OCI_MANIFEST,
            &lab.content(artifact.to_string()),
        )?;
    }
    Ok(())
}

fn subject(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let there = lab.pushed_image(&repository, &Value::Null)?;
    let missing = lab.blob(123);
    for subject in [&there, &missing] {
        let more = json!({ "subject": descriptor(OCI_MANIFEST, subject) });
        let image = lab.image(&repository, &more)?;
        let digest = image.digest.to_string();
        lab.push_manifest(&repository, &digest, OCI_MANIFEST, &image)?
            .expect(201)?
            .expect_header("oci-subject", &subject.digest.to_string())?;
    }
    let without = lab.image(&repository, &Value::Null)?;
    let digest = without.digest.to_string();
    let response = lab
        .push_manifest(&repository, &digest, OCI_MANIFEST, &without)?
        .expect(201)?;
    ensure(
        response.find("oci-subject").is_none(),
        "OCI-Subject without a subject",
    )
}

fn custom_fields(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let empty = lab.content("{}");
    lab.push_blob(&repository, &empty)?;
    let mut config = descriptor(OCI_EMPTY, &empty);
    config["data"] = "e30=".into();
    config["org.example.field"] = "x".into();
    let more = json!({ "org.example.unknown": { "a": [1, 2.5, null] }, "config": config });
    let image = lab.image(&repository, &more)?;
    push(lab, &repository, OCI_MANIFEST, &image)
}

/// Image specification, "Non-Distributable Layers": layers that are fetched from elsewhere.
fn nondistributable(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let kind = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    let layer = lab.blob(10);
    let mut foreign = descriptor(kind, &layer);
    foreign["urls"] = json!([format!("https://store.example.com/{}", layer.digest)]);
    let image = lab.image(&repository, &json!({ "layers": [foreign] }))?;
    push(lab, &repository, OCI_MANIFEST, &image)
}

fn verbatim(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let text = String::from_utf8_lossy(&image.bytes);
    let odd = text
        .replace(",\"", " ,\n\t\"")
        .replace("layer.v1.tar", "layer.v1.\\u0074ar");
    let odd = lab.content(format!("\n{odd}  \n"));
    push(lab, &repository, OCI_MANIFEST, &odd)
}

fn wrong_digest(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let mut image = lab.image(&repository, &Value::Null)?;
    image.bytes.extend(b"  ");
    let digest = image.digest.to_string();
    lab.push_manifest(&repository, &digest, OCI_MANIFEST, &image)?
        .expect_error(400, "DIGEST_INVALID")?;
    lab.head(path(&repository, &digest))?.expect(404)?;
    Ok(())
}

fn digest_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    for digest in ["sha256:baddigeststring", "md5:00"] {
        lab.push_manifest(&repository, digest, OCI_MANIFEST, &image)?
            .expect_error(400, "DIGEST_INVALID")?;
    }
    Ok(())
}

fn blob_unknown(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let missing = lab.blob(10);
    let layers = json!({ "layers": [descriptor("application/octet-stream", &missing)] });
    let config = json!({ "config": descriptor(OCI_CONFIG, &missing) });
    for more in [layers, config] {
        let image = lab.image(&repository, &more)?;
        let digest = image.digest.to_string();
        let response = lab
            .push_manifest(&repository, &digest, OCI_MANIFEST, &image)?
            .expect_error(404, "MANIFEST_BLOB_UNKNOWN")?;
        let body = String::from_utf8_lossy(&response.body).into_owned();
        ensure(
            body.contains(&missing.digest.to_string()),
            "it does not say which",
        )?;
        lab.head(path(&repository, &digest))?.expect(404)?;
    }
    let index = index_of(lab, OCI_MANIFEST, &[&missing]);
    let digest = index.digest.to_string();
    lab.push_manifest(&repository, &digest, OCI_INDEX, &index)?
        .expect_error(404, "MANIFEST_BLOB_UNKNOWN")?;
    Ok(())
}

fn no_manifest(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let half = "{\"schemaVersion\":2,\"mediaType\":";
    for text in ["", "nonsense", "[]", "{}", "null", "3", half, &deep] {
        lab.push_manifest(&repository, "latest", OCI_MANIFEST, &lab.content(text))?
            .expect_error(400, "MANIFEST_INVALID")?;
    }
    // What it says it is and what the request says must agree.
    let image = lab.image(&repository, &Value::Null)?;
    lab.push_manifest(&repository, "latest", OCI_INDEX, &image)?
        .expect_error(400, "MANIFEST_INVALID")?;
    Ok(())
}

fn tag_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let long = "t".repeat(129);
    for tag in ["-x", ".x", "a%20b", &long] {
        lab.push_manifest(&repository, tag, OCI_MANIFEST, &image)?
            .expect(400)?;
    }
    Ok(())
}

fn with_tags(lab: &Lab<'_>) -> Outcome {
    tags_at_once(lab, &["one", "two"])
}

fn ten_tags(lab: &Lab<'_>) -> Outcome {
    let tags: Vec<String> = (0..10).map(|number| format!("tag-{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    tags_at_once(lab, &tags)
}

fn tags_at_once(lab: &Lab<'_>, tags: &[&str]) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    let reference = format!("{}?{}", image.digest, query.join("&"));
    let response = lab
        .push_manifest(&repository, &reference, OCI_MANIFEST, &image)?
        .expect(201)?;
    let named = response.all("oci-tag");
    let named: Vec<&str> = named
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .collect();
    for tag in tags {
        ensure(named.contains(tag), format!("OCI-Tag does not name {tag}"))?;
        is_there(lab, &repository, tag, OCI_MANIFEST, &image)?;
    }
    Ok(())
}

fn with_tag_invalid(lab: &Lab<'_>) -> Outcome {
    let repository = lab.repository();
    let image = lab.image(&repository, &Value::Null)?;
    let reference = format!("{}?tag=good&tag=-bad", image.digest);
    lab.push_manifest(&repository, &reference, OCI_MANIFEST, &image)?
        .expect(400)?;
    lab.head(path(&repository, "good"))?.expect(404)?;
    Ok(())
}
