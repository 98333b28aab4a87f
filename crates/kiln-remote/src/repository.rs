//! One repository on one registry: tags, manifests, and whether blobs are there.

use std::fmt;
use std::sync::Arc;

use kiln_fetch::{Method, Response};
use kiln_oci::{Descriptor, Digest, Document, Hasher, MAX_DOCUMENT_SIZE, Reference, media_type};
use serde::Deserialize;

use crate::answer::Question;
use crate::auth::Scope;
use crate::endpoint::{Body, Call, Endpoint};
use crate::error::RemoteError;
use crate::remote::{Registry, Remote};

/// How often a manifest is asked for again when its transfer breaks.
const ATTEMPTS: u32 = 3;

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a name that may move.
    Tag(&'a str),
    /// By its content.
    Digest(&'a Digest),
}

/// The digest where there is one, else the tag.
impl<'a> From<&'a Reference> for Name<'a> {
    fn from(reference: &'a Reference) -> Self {
        match reference.digest() {
            Some(digest) => Self::Digest(digest),
            None => Self::Tag(reference.tag().unwrap_or("latest")),
        }
    }
}

impl<'a> From<&'a Digest> for Name<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// A handle to a repository. Cheap to clone; may be used by many threads at once.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) remote: Remote,
    registry: Arc<str>,
    name: Arc<str>,
}

/// What an endpoint is needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Pull,
    Resolve,
}

impl Repository {
    pub(crate) fn new(remote: Remote, registry: &str, name: &str) -> Self {
        Self {
            remote,
            registry: registry.into(),
            name: name.into(),
        }
    }

    /// The registry as people write it: `docker.io`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's name on the registry: `library/alpine`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a person would call the thing named so.
    pub(crate) fn what(&self, name: Name<'_>) -> String {
        let sign = if matches!(name, Name::Tag(_)) {
            ':'
        } else {
            '@'
        };
        format!("{self}{sign}{name}")
    }

    /// The registry itself, for everything but pulls.
    pub(crate) fn home(&self) -> Result<Arc<Registry>, RemoteError> {
        self.remote.registry(&self.registry)
    }

    pub(crate) fn pull_scope(&self) -> Scope {
        Scope::Pull(self.name.to_string())
    }

    pub(crate) fn push_scope(&self) -> Scope {
        Scope::Push(self.name.to_string())
    }

    /// A path in this repository.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.name)
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

    /// Asks the mirrors and then the registry itself until one answers well.
    pub(crate) fn ask<T>(
        &self,
        need: Need,
        mut question: impl FnMut(&Endpoint) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        let registry = self.home()?;
        for mirror in &registry.mirrors {
            let capable = match need {
                Need::Pull => mirror.capabilities.pull,
                Need::Resolve => mirror.capabilities.resolve,
            };
            if !capable || !mirror.is_rested() {
                continue;
            }
            match question(mirror) {
                Err(RemoteError::Cancelled) => return Err(RemoteError::Cancelled),
                Err(RemoteError::Fetch(_) | RemoteError::Status { status: 500.., .. }) => {
                    mirror.rest();
                }
                // It does not have it, or wants something that we do not have: others may do better.
                Err(_) => {}
                good => return good,
            }
        }
        question(&registry.origin)
    }

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
                &self.name,
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
                    &self.name,
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

    /// Whether the registry has the blob. Mirrors are not asked.
    ///
    /// # Errors
    /// When there is no usable answer. A blob of another size than `descriptor` says is [`RemoteError::WrongSize`].
    pub fn blob_exists(&self, descriptor: &Descriptor) -> Result<bool, RemoteError> {
        self.blob_exists_for(descriptor, self.pull_scope())
    }

    pub(crate) fn blob_exists_for(
        &self,
        descriptor: &Descriptor,
        scope: Scope,
    ) -> Result<bool, RemoteError> {
        let what = self.what(Name::Digest(&descriptor.digest));
        let path = self.path(&format!("blobs/{}", descriptor.digest));
        let registry = self.home()?;
        let endpoint = &registry.origin;
        let (mut response, proof) =
            endpoint.send(&Call::new(Method::Head, path, &what, &self.name, scope))?;
        match response.status {
            200 => match response.headers.content_length() {
                Some(actual) if actual != descriptor.size => Err(RemoteError::WrongSize {
                    what,
                    expected: descriptor.size,
                    actual,
                }),
                _ => Ok(true),
            },
            404 => Ok(false),
            _ => {
                let user = proof.user.as_deref();
                Err(Question {
                    user,
                    ..endpoint.question(&what)
                }
                .refused(&mut response))
            }
        }
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
        let call = Call::new(Method::Put, path, &what, &self.name, self.push_scope());
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
    /// [`RemoteError::NotFound`] if it is not there; [`RemoteError::Status`] 405 if the registry removes nothing.
    pub fn delete<'a>(&self, name: impl Into<Name<'a>>) -> Result<(), RemoteError> {
        let name = name.into();
        let what = self.what(name);
        let path = self.manifest_path(name)?;
        let registry = self.home()?;
        let scope = Scope::Delete(self.name.to_string());
        registry.origin.expect(
            &Call::new(Method::Delete, path, &what, &self.name, scope),
            &[202, 200, 204],
        )?;
        Ok(())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

fn need(name: Name<'_>) -> Need {
    match name {
        Name::Tag(_) => Need::Resolve,
        Name::Digest(_) => Need::Pull,
    }
}

/// Old registries convert what they have to what is not refused, so everything that we read is named.
fn accepting(call: Call<'_>) -> Call<'_> {
    [
        media_type::OCI_INDEX,
        media_type::OCI_MANIFEST,
        media_type::DOCKER_INDEX,
        media_type::DOCKER_MANIFEST,
        "*/*",
    ]
    .into_iter()
    .fold(call, |call, kind| call.header("accept", kind))
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

/// Distribution specification, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}
