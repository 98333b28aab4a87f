//! Manifests and indexes in and out.
//!
//! Source: distribution specification, "Pulling Manifests", "Pushing Manifests" and "Content Management".

use kiln_fetch::{Method, Response};
use kiln_oci::{Descriptor, Digest, Document, Hasher, MAX_DOCUMENT_SIZE, media_type};
use serde::Deserialize;

use crate::answer::Question;
use crate::auth::Scope;
use crate::endpoint::{Body, Call};
use crate::error::RemoteError;
use crate::repository::{Name, Need, Repository, is_tag};

/// How often a manifest is asked for again when its transfer breaks.
const ATTEMPTS: u32 = 3;

impl Repository {
    /// The descriptor of what `name` stands for: a HEAD request, or a GET where the answer to HEAD lacks what is needed.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] if there is no such tag or manifest; others as they say.
    pub fn resolve<'a>(&self, name: impl Into<Name<'a>>) -> Result<Descriptor, RemoteError> {
        let name = name.into();
        let what = self.what(name);
        let path = self.manifest_path(name)?;
        let found = self.ask(need(name), |endpoint| {
            let call = accepting(Call::new(
                Method::Head,
                path.clone(),
                &what,
                self.name(),
                self.pull_scope(),
            ));
            let (mut response, proof) = endpoint.send(&call)?;
            match response.status {
                200 => Ok(described(&response, name)),
                // Some servers know no HEAD.
                405 | 501 => Ok(None),
                _ => {
                    let user = proof.user.as_deref();
                    Err(Question {
                        user,
                        ..endpoint.question(&what)
                    }
                    .refused(&mut response))
                }
            }
        })?;
        match found {
            Some(descriptor) => Ok(descriptor),
            None => Ok(self.manifest(name)?.0),
        }
    }

    /// A manifest or index: its descriptor and its bytes, which have the descriptor's digest.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] if there is none; [`RemoteError::DigestMismatch`] if the registry sends another one than
    /// it says; [`RemoteError::Document`] if it is none that kiln reads.
    pub fn manifest<'a>(
        &self,
        name: impl Into<Name<'a>>,
    ) -> Result<(Descriptor, Vec<u8>), RemoteError> {
        let name = name.into();
        let what = self.what(name);
        let path = self.manifest_path(name)?;
        self.ask(need(name), |endpoint| {
            let mut attempt = 1;
            loop {
                let call = accepting(Call::new(
                    Method::Get,
                    path.clone(),
                    &what,
                    self.name(),
                    self.pull_scope(),
                ));
                let mut response = endpoint.expect(&call, &[200])?;
                let question = endpoint.question(&what);
                match question.body(&mut response, MAX_DOCUMENT_SIZE) {
                    Ok(bytes) => return check(&question, name, &response, bytes),
                    Err(RemoteError::Fetch(error)) if error.may_pass() && attempt < ATTEMPTS => {
                        attempt += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Uploads a manifest or index under `name`. What it refers to must be there already, but for its subject.
    ///
    /// Returns its digest, and whether the registry keeps its list of referrers by itself if it has a subject.
    ///
    /// # Errors
    /// When the registry refuses it, or files it under another digest.
    pub fn put_manifest<'a>(
        &self,
        name: impl Into<Name<'a>>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, RemoteError> {
        self.put(name.into(), media_type, bytes)
            .map(|(digest, _)| digest)
    }

    /// Uploads a manifest; the answer says more.
    pub(crate) fn put(
        &self,
        name: Name<'_>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(Digest, Response), RemoteError> {
        let what = self.what(name);
        let digest = match name {
            Name::Tag(_) => Digest::sha256(bytes),
            Name::Digest(digest) => {
                let actual = hash(digest, bytes);
                if actual != *digest {
                    return Err(RemoteError::DigestMismatch { what, actual });
                }
                actual
            }
        };
        let path = self.manifest_path(name)?;
        let registry = self.home()?;
        let call = Call::new(Method::Put, path, &what, self.name(), self.push_scope());
        let call = Call {
            body: Body::Bytes(bytes),
            ..call.header("content-type", media_type)
        };
        let response = registry.origin.expect(&call, &[201, 200, 202])?;
        if let Some(filed) = said_digest(&response)
            && filed.algorithm() == digest.algorithm()
            && filed != digest
        {
            return Err(RemoteError::DigestMismatch {
                what,
                actual: filed,
            });
        }
        Ok((digest, response))
    }

    /// Removes a tag, or a manifest with all its tags.
    ///
    /// # Errors
    /// [`RemoteError::NotFound`] if it is not there; [`RemoteError::CannotDelete`] if the registry removes no single tags, or
    /// nothing.
    pub fn delete<'a>(&self, name: impl Into<Name<'a>>) -> Result<(), RemoteError> {
        let name = name.into();
        let what = self.what(name);
        let path = self.manifest_path(name)?;
        let registry = self.home()?;
        let scope = Scope::Delete(self.name().to_owned());
        let call = Call::new(Method::Delete, path, &what, self.name(), scope);
        match registry.origin.expect(&call, &[202, 200, 204]) {
            Err(RemoteError::Status {
                what,
                host,
                status: 400 | 405 | 501,
                reason,
            }) => Err(RemoteError::CannotDelete {
                what,
                host,
                tag: matches!(name, Name::Tag(_)),
                reason,
            }),
            other => other.map(drop),
        }
    }

    fn manifest_path(&self, name: Name<'_>) -> Result<String, RemoteError> {
        if let Name::Tag(tag) = name
            && !is_tag(tag)
        {
            return Err(RemoteError::BadTag {
                tag: tag.chars().take(200).collect(),
            });
        }
        Ok(self.path(&format!("manifests/{name}")))
    }
}

fn need(name: Name<'_>) -> Need {
    match name {
        Name::Tag(_) => Need::Resolve,
        Name::Digest(_) => Need::Pull,
    }
}

/// Old registries convert what they have to what is not refused, so everything that we read is named. In one field:
/// some servers look at the first only.
fn accepting(call: Call<'_>) -> Call<'_> {
    let kinds = [
        media_type::OCI_INDEX,
        media_type::OCI_MANIFEST,
        media_type::DOCKER_INDEX,
        media_type::DOCKER_MANIFEST,
        "*/*",
    ];
    call.header("accept", kinds.join(", "))
}

/// What the answer to HEAD says, if it says all that is needed.
fn described(response: &Response, name: Name<'_>) -> Option<Descriptor> {
    let digest = match name {
        Name::Digest(digest) => *digest,
        Name::Tag(_) => said_digest(response)?,
    };
    let size = response.headers.content_length().filter(|size| *size > 0)?;
    let kind = media_type_of(response)?;
    (size <= MAX_DOCUMENT_SIZE).then(|| Descriptor::new(&kind, digest, size))
}

/// `Docker-Content-Digest`, if it is one.
fn said_digest(response: &Response) -> Option<Digest> {
    response
        .headers
        .get("docker-content-digest")?
        .trim()
        .parse()
        .ok()
}

/// The content type without parameters, if it can be a manifest's.
fn media_type_of(response: &Response) -> Option<String> {
    let kind = response
        .headers
        .get("content-type")?
        .split(';')
        .next()?
        .trim()
        .to_ascii_lowercase();
    let generic = matches!(
        kind.as_str(),
        "" | "application/json" | "text/plain" | "application/octet-stream"
    );
    (!generic).then_some(kind)
}

fn hash(like: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

/// Compares what arrived with what was asked for.
fn check(
    question: &Question<'_>,
    name: Name<'_>,
    response: &Response,
    bytes: Vec<u8>,
) -> Result<(Descriptor, Vec<u8>), RemoteError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    let what = question.what.to_owned();
    let expected = match name {
        Name::Digest(digest) => Some(*digest),
        Name::Tag(_) => said_digest(response),
    };
    let digest = match expected {
        Some(expected) => {
            let actual = hash(&expected, &bytes);
            if actual != expected {
                return Err(RemoteError::DigestMismatch {
                    what: format!("{what} ({expected})"),
                    actual,
                });
            }
            actual
        }
        None => Digest::sha256(&bytes),
    };
    let document =
        Document::parse(&bytes).map_err(|source| RemoteError::Document { what, source })?;
    // The document's own word counts: the header is not covered by the digest.
    let typed: Option<Typed> = serde_json::from_slice(&bytes).ok();
    let own = typed.and_then(|typed| typed.media_type);
    let kind = own.or_else(|| media_type_of(response)).unwrap_or_else(|| {
        let kind = match document {
            Document::Manifest(_) => media_type::OCI_MANIFEST,
            Document::Index(_) => media_type::OCI_INDEX,
        };
        kind.to_owned()
    });
    Ok((Descriptor::new(&kind, digest, bytes.len() as u64), bytes))
}
