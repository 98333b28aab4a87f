//! Manifests that say that they belong to another one: signatures, attestations, SBOMs.
//!
//! Source: distribution specification, "Listing Referrers", "Pushing Manifests with Subject" and "Referrers Tag Schema":
//! a registry that does not keep the list itself has it as an index under the tag `sha256-<hex>`, which clients maintain.

use kiln_fetch::{Method, Response, Url};
use kiln_oci::{Descriptor, Digest, Document, Index, MAX_DOCUMENT_SIZE, Manifest, Raw, media_type};

use crate::answer::next_link;
use crate::auth::form;
use crate::endpoint::{Call, Endpoint, Place};
use crate::error::RemoteError;
use crate::repository::{Name, Repository};

/// The most pages of one list that are read.
const MAX_PAGES: usize = 100;

/// How often the fallback tag is written again when another client wrote it at the same time.
const ATTEMPTS: usize = 5;

impl Repository {
    /// What refers to `subject`, of one type if one is given: from the registry's own list, else from the fallback tag.
    /// The registry itself is asked, not its mirrors.
    ///
    /// # Errors
    /// When there is no usable answer. A repository or subject that is not there has no referrers.
    pub fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, RemoteError> {
        let mut found = match self.listed_referrers(subject, artifact_type)? {
            Some(found) => found,
            None => self
                .tagged_referrers(subject)?
                .map_or_else(Vec::new, |index| index.manifests.clone()),
        };
        // Registries may leave the filter to us.
        if let Some(wanted) = artifact_type {
            found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    /// Uploads a manifest that has a subject. Where the registry keeps no list of referrers, the one under the fallback
    /// tag is brought up to date.
    ///
    /// # Errors
    /// As for [`put_manifest`](Self::put_manifest); [`RemoteError::Document`] if `bytes` are no manifest or index.
    pub fn put_referrer(&self, media_type: &str, bytes: &[u8]) -> Result<Digest, RemoteError> {
        let digest = Digest::sha256(bytes);
        let (_, response) = self.put(Name::Digest(&digest), media_type, bytes)?;
        let what = self.what(Name::Digest(&digest));
        let document =
            Document::parse(bytes).map_err(|source| RemoteError::Document { what, source })?;
        let (subject, descriptor) = entry(media_type, bytes, document);
        if let Some(subject) = subject
            && response.headers.get("oci-subject").is_none()
        {
            self.add_to_fallback(&subject.digest, &descriptor)?;
        }
        Ok(digest)
    }

    /// The registry's list; `None` if it keeps none.
    fn listed_referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, RemoteError> {
        let what = format!("the referrers of {}", self.what(Name::Digest(subject)));
        let mut path = self.path(&format!("referrers/{subject}"));
        if let Some(wanted) = artifact_type {
            path.push_str("?artifactType=");
            path.push_str(&form(wanted));
        }
        let registry = self.home()?;
        let endpoint = &registry.origin;
        let mut place = Place::Path(path);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let call = Call::new(
                Method::Get,
                String::new(),
                &what,
                self.name(),
                self.pull_scope(),
            );
            let call = Call { place, ..call }.header("accept", media_type::OCI_INDEX);
            let (mut response, _) = endpoint.send(&call)?;
            // What a server does with a path that it does not know, it does not have to say in a single way.
            if matches!(response.status, 400 | 404 | 405 | 406 | 501) {
                return Ok(None);
            }
            if response.status != 200 {
                return Err(endpoint.question(&what).refused(&mut response));
            }
            let next = next_link(&response);
            let Some(index) = read_index(endpoint, &what, &mut response)? else {
                return Ok(None);
            };
            found.extend(index.manifests);
            let Some(link) = next else {
                return Ok(Some(found));
            };
            let url = Url::parse(&response.url)?.join(&link)?;
            if !url.same_origin(&endpoint.home()?) {
                return Err(endpoint
                    .question(&what)
                    .nonsense("the next page of the list is on another host"));
            }
            place = Place::Url(url);
        }
        Err(endpoint
            .question(&what)
            .nonsense(format!("the list has more than {MAX_PAGES} pages")))
    }

    /// The list under the fallback tag.
    fn tagged_referrers(&self, subject: &Digest) -> Result<Option<Raw<Index>>, RemoteError> {
        let tag = fallback_tag(subject);
        let bytes = match self.manifest(Name::Tag(&tag)) {
            Ok((_, bytes)) => bytes,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        // Anything else that has this name is not a list of referrers.
        Ok(Raw::parse(bytes).ok())
    }

    /// Adds an entry to the list under the fallback tag. There is no way to lock it: it is read again afterwards, and
    /// written again if another client's list came in between.
    fn add_to_fallback(&self, subject: &Digest, entry: &Descriptor) -> Result<(), RemoteError> {
        let tag = fallback_tag(subject);
        for _ in 0..ATTEMPTS {
            let old = self.tagged_referrers(subject)?;
            let mut manifests = old.map_or_else(Vec::new, |index| index.manifests.clone());
            if manifests.iter().any(|known| known.digest == entry.digest) {
                return Ok(());
            }
            manifests.push(entry.clone());
            let index = Raw::new(Index::new(manifests));
            self.put_manifest(Name::Tag(&tag), media_type::OCI_INDEX, index.bytes())?;
        }
        match self.tagged_referrers(subject)? {
            Some(index)
                if index
                    .manifests
                    .iter()
                    .any(|known| known.digest == entry.digest) =>
            {
                Ok(())
            }
            _ => Err(RemoteError::Protocol {
                what: self.what(Name::Tag(&tag)),
                host: self.registry().to_owned(),
                problem: "what was written under the tag is not there afterwards".to_owned(),
            }),
        }
    }
}

/// `<algorithm>-<encoded>`, each cut to the length that a tag allows.
fn fallback_tag(subject: &Digest) -> String {
    let hex = subject.hex();
    format!(
        "{}-{}",
        subject.algorithm().name(),
        &hex[..hex.len().min(64)]
    )
}

fn read_index(
    endpoint: &Endpoint,
    what: &str,
    response: &mut Response,
) -> Result<Option<Index>, RemoteError> {
    let kind = response.headers.get("content-type").unwrap_or_default();
    // A web page for every path is what some servers have.
    if !kind.starts_with(media_type::OCI_INDEX) && !kind.starts_with("application/json") {
        return Ok(None);
    }
    let body = endpoint.question(what).body(response, MAX_DOCUMENT_SIZE)?;
    match Document::parse(&body) {
        Ok(Document::Index(index)) => Ok(Some(*index)),
        _ => Err(endpoint
            .question(what)
            .nonsense("its list of referrers is no index")),
    }
}

/// A manifest's subject, and its entry in a list of referrers.
fn entry(media_type: &str, bytes: &[u8], document: Document) -> (Option<Descriptor>, Descriptor) {
    let (subject, artifact_type, annotations) = match document {
        Document::Manifest(manifest) => {
            let Manifest {
                subject,
                artifact_type,
                annotations,
                config,
                ..
            } = *manifest;
            (
                subject,
                artifact_type.or(Some(config.media_type)),
                annotations,
            )
        }
        Document::Index(index) => (index.subject, index.artifact_type, index.annotations),
    };
    let descriptor = Descriptor {
        artifact_type,
        annotations,
        ..Descriptor::of(media_type, bytes)
    };
    (subject, descriptor)
}
