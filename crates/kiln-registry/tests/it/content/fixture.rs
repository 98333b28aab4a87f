//! A registry's content in a throw-away directory, with a clock that stands, and things to push.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use kiln_oci::{Algorithm, Descriptor, Digest, Index, Manifest, media_type};
use kiln_registry::clock::Clock;
use kiln_registry::content::{
    Body, BodyError, Content, ContentOptions, NewManifest, OpenBlob, PutManifestError, Stored,
    StoredManifest, body_of,
};
use kiln_registry::database::Database;
use kiln_registry::name::{RepositoryName, Tag};
use kiln_registry::storage::Storage;
use kiln_testkit::TempDir;

/// When the clock stands.
pub(crate) const START: i64 = 1_700_000_000_000;

/// Content and what it is made of.
pub(crate) struct Registry {
    pub(crate) content: Content,
    pub(crate) clock: Clock,
    pub(crate) directory: TempDir,
    /// The address of its database, where that is not in the directory.
    postgres: Option<String>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self::with(ContentOptions::default())
    }

    pub(crate) fn with(options: ContentOptions) -> Self {
        let postgres = crate::postgres::new_database();
        Self::at(TempDir::new(), Clock::standing_at(START), options, postgres)
    }

    fn at(
        directory: TempDir,
        clock: Clock,
        options: ContentOptions,
        postgres: Option<String>,
    ) -> Self {
        let database = match &postgres {
            Some(url) => crate::postgres::open(url),
            None => Database::open_sqlite(&directory.join("registry.db")).unwrap(),
        };
        let storage = Storage::open_files(directory.path()).unwrap();
        let content = Content::new(database, storage, clock.clone(), options);
        Self {
            content,
            clock,
            directory,
            postgres,
        }
    }

    /// As after a restart.
    pub(crate) fn reopen(self) -> Self {
        let options = self.content.options().clone();
        drop(self.content);
        Self::at(self.directory, self.clock, options, self.postgres)
    }

    pub(crate) async fn blob(&self, repository: &RepositoryName, content: &[u8]) -> Digest {
        let digest = Digest::sha256(content);
        let body = body_of(content.to_vec());
        let stat = self.content.put_blob(repository, "test", body, &digest);
        assert_eq!(stat.await.unwrap().size, content.len() as u64);
        digest
    }

    /// The manifest that a tag or digest leads to.
    pub(crate) async fn find(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Option<Arc<StoredManifest>> {
        let reference = reference.parse().unwrap();
        self.content.manifest(repository, &reference).await.unwrap()
    }

    /// Pushes an image of one layer with `content`.
    pub(crate) async fn image(
        &self,
        repository: &RepositoryName,
        tags: &[&str],
        content: &[u8],
    ) -> Stored {
        self.blob(repository, content).await;
        self.blob(repository, b"{}").await;
        self.push(repository, tags, &image(content)).await.unwrap()
    }

    pub(crate) async fn push(
        &self,
        repository: &RepositoryName,
        tags: &[&str],
        document: &impl serde::Serialize,
    ) -> Result<Stored, PutManifestError> {
        let bytes = serde_json::to_vec(document).unwrap();
        let manifest = NewManifest {
            reference: kiln_registry::name::ManifestReference::Digest(Digest::sha256(&bytes)),
            extra_tags: tags.iter().map(|name| tag(name)).collect(),
            media_type: None,
            bytes: bytes.into(),
            who: "test".to_owned(),
        };
        self.content.put_manifest(repository, manifest).await
    }
}

/// Pushes an image of one layer under a tag.
pub(crate) async fn push_to(
    content: &Content,
    repository: &RepositoryName,
    own: &str,
    layer: &[u8],
) -> Result<Digest, PutManifestError> {
    for blob in [&b"{}"[..], layer] {
        let body = body_of(blob.to_vec());
        let digest = Digest::sha256(blob);
        let stored = content.put_blob(repository, "test", body, &digest);
        stored.await.unwrap();
    }
    let manifest = NewManifest {
        reference: own.parse().unwrap(),
        extra_tags: vec![],
        media_type: None,
        bytes: serde_json::to_vec(&image(layer)).unwrap().into(),
        who: "test".to_owned(),
    };
    let stored = content.put_manifest(repository, manifest).await?;
    Ok(stored.digest)
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// The manifest of an image with an empty config and one layer.
pub(crate) fn image(layer: &[u8]) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, b"{}"),
        layers: vec![Descriptor::of(media_type::OCI_LAYER_TAR, layer)],
        subject: None,
        annotations: [].into(),
    }
}

/// A manifest that refers to `subject`.
pub(crate) fn referrer(subject: Digest, artifact_type: &str) -> Manifest {
    Manifest {
        artifact_type: Some(artifact_type.to_owned()),
        config: Descriptor::of(media_type::OCI_EMPTY, b"{}"),
        layers: vec![],
        subject: Some(Descriptor::new(media_type::OCI_MANIFEST, subject, 1)),
        annotations: [("a".to_owned(), "b".to_owned())].into(),
        ..image(b"")
    }
}

pub(crate) fn index(manifests: &[Digest]) -> Index {
    let descriptor = |digest: &Digest| Descriptor::new(media_type::OCI_MANIFEST, *digest, 1);
    Index::new(manifests.iter().map(descriptor).collect())
}

pub(crate) fn sha512(content: &[u8]) -> Digest {
    let mut hasher = kiln_oci::Hasher::new(Algorithm::Sha512);
    hasher.update(content);
    hasher.finish()
}

/// A body in pieces, which may break.
pub(crate) fn pieces(pieces: Vec<Result<Vec<u8>, &'static str>>) -> Body {
    struct Pieces(VecDeque<Result<Vec<u8>, &'static str>>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            let next = self.0.pop_front();
            Poll::Ready(next.map(|piece| match piece {
                Ok(bytes) => Ok(Frame::data(bytes.into())),
                Err(text) => Err(text.into()),
            }))
        }
    }

    Pieces(pieces.into()).boxed_unsync()
}

pub(crate) async fn read(blob: &OpenBlob) -> Vec<u8> {
    let body = blob.read(0..u64::MAX);
    body.collect().await.unwrap().to_bytes().to_vec()
}

/// The files that hold objects.
pub(crate) fn objects(directory: &TempDir) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for part in std::fs::read_dir(directory.join("objects")).unwrap() {
        let files = std::fs::read_dir(part.unwrap().path()).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found
}
