//! What every check works with: a registry, an algorithm, repositories that nobody used before, and
//! content that is different each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_oci::{Algorithm, Digest, Hasher};
use serde_json::{Value, json};

use super::client::{Request, Response, Target};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Whether a check passed, or what is wrong.
pub type Outcome = Result<(), String>;

/// A registry and how its content is named.
pub struct Lab<'a> {
    pub target: &'a Target,
    pub algorithm: Algorithm,
    /// Different for each run against the same registry.
    run: u64,
}

/// A blob or manifest.
#[derive(Clone)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

impl<'a> Lab<'a> {
    pub fn new(target: &'a Target, algorithm: Algorithm) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let run = since.map_or(0, |since| since.as_micros() as u64);
        Self {
            target,
            algorithm,
            run,
        }
    }

    /// A number that was not there before.
    fn number(&self) -> u64 {
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// A repository that nobody pushed to.
    pub fn repository(&self) -> String {
        format!("conformance/r{:x}-{}", self.run, self.number())
    }

    /// `size` bytes that were never pushed.
    pub fn blob(&self, size: usize) -> Content {
        let mut state = self.run ^ self.number().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = (0..size).map(|_| {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        self.content(bytes.collect::<Vec<u8>>())
    }

    /// Names bytes by their digest.
    pub fn content(&self, bytes: impl Into<Vec<u8>>) -> Content {
        let bytes = bytes.into();
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(&bytes);
        Content {
            digest: hasher.finish(),
            bytes,
        }
    }

    pub fn send(&self, request: &Request) -> Result<Response, String> {
        self.target.send(request)
    }

    pub fn get(&self, target: impl Into<String>) -> Result<Response, String> {
        self.send(&Request::new("GET", target))
    }

    pub fn head(&self, target: impl Into<String>) -> Result<Response, String> {
        self.send(&Request::new("HEAD", target))
    }

    pub fn delete(&self, target: impl Into<String>) -> Result<Response, String> {
        self.send(&Request::new("DELETE", target))
    }

    /// Begins an upload; where it goes on.
    pub fn begin(&self, repository: &str) -> Result<String, String> {
        let algorithm = self.algorithm.name();
        let target = format!("/v2/{repository}/blobs/uploads/?digest-algorithm={algorithm}");
        let response = self.send(&Request::new("POST", target).body([]))?;
        response.expect(202)?.location()
    }

    /// Uploads a blob with a POST and a PUT.
    pub fn push_blob(&self, repository: &str, blob: &Content) -> Result<Response, String> {
        let location = self.begin(repository)?;
        self.send(&self.put(&location, blob))?.expect(201)
    }

    /// The PUT that ends an upload, with all of its content.
    pub fn put(&self, location: &str, blob: &Content) -> Request {
        Request::new("PUT", with_digest(location, &blob.digest))
            .header("Content-Type", "application/octet-stream")
            .body(blob.bytes.clone())
    }

    /// Pushes a manifest under a tag or its digest.
    pub fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        manifest: &Content,
    ) -> Result<Response, String> {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let request = Request::new("PUT", target)
            .header("Content-Type", kind)
            .body(manifest.bytes.clone());
        self.send(&request)
    }

    /// Pushes what an image is made of and gives its manifest, which is not pushed yet. `more` is
    /// added to it.
    pub fn image(&self, repository: &str, more: &Value) -> Result<Content, String> {
        let config = self.content(format!("{{\"made\":{}}}", self.number()));
        let layer = self.blob(100);
        self.push_blob(repository, &config)?;
        self.push_blob(repository, &layer)?;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            manifest[key] = value.clone();
        }
        Ok(self.content(manifest.to_string()))
    }

    /// An image that is pushed by its digest.
    pub fn pushed_image(&self, repository: &str, more: &Value) -> Result<Content, String> {
        let image = self.image(repository, more)?;
        let reference = image.digest.to_string();
        self.push_manifest(repository, &reference, OCI_MANIFEST, &image)?
            .expect(201)?;
        Ok(image)
    }

    /// An image that is pushed under a tag. Tags name content by SHA-256, unless the digest is given
    /// by an earlier push of the manifest.
    pub fn tagged_image(&self, repository: &str, tag: &str) -> Result<Content, String> {
        let image = self.image(repository, &Value::Null)?;
        self.tag(repository, tag, &image)?;
        Ok(image)
    }

    /// Puts a tag on a manifest, by a parameter, so that its digest is of this lab's algorithm.
    pub fn tag(&self, repository: &str, tag: &str, manifest: &Content) -> Result<(), String> {
        let reference = format!("{}?tag={tag}", manifest.digest);
        self.push_manifest(repository, &reference, OCI_MANIFEST, manifest)?
            .expect(201)?;
        Ok(())
    }

    /// The tags that a listing gives.
    pub fn tags(&self, target: impl Into<String>) -> Result<(Vec<String>, Response), String> {
        let response = self.get(target)?.expect(200)?;
        let tags = strings(&response.json()?["tags"])?;
        Ok((tags, response))
    }
}

pub fn descriptor(kind: &str, content: &Content) -> Value {
    json!({
        "mediaType": kind,
        "digest": content.digest.to_string(),
        "size": content.bytes.len(),
    })
}

/// A list of strings.
pub fn strings(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or(format!("{value} is no list"))?;
    let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
    texts
        .collect::<Option<_>>()
        .ok_or(format!("{value} is no list of strings"))
}

/// A location with the digest as one more parameter.
pub fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// Demands that something is so.
pub fn ensure(holds: bool, message: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(message.into()) }
}

/// The target of a `Link` to the next page.
pub fn next(response: &Response) -> Result<Option<String>, String> {
    let Some(link) = response.find("link") else {
        return Ok(None);
    };
    let target = link
        .strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .filter(|(_, rest)| rest.contains("rel=\"next\"") || rest.contains("rel=next"));
    let (target, _) = target.ok_or(format!("Link is `{link}`"))?;
    match target.split_once("://") {
        Some((_, rest)) => Ok(rest.split_once('/').map(|(_, path)| format!("/{path}"))),
        None => Ok(Some(target.to_owned())),
    }
}
