//! A registry's content in a throw-away directory, with a clock that stands, and things to push.

use std::collections::VecDeque;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
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
use kiln_registry::name::{RepositoryName, Tag};
use kiln_testkit::TempDir;

use crate::backing::Backing;

/// When the clock stands.
pub(crate) const START: i64 = 1_700_000_000_000;

/// Content and what it is made of.
pub(crate) struct Registry {
    pub(crate) content: Content,
    pub(crate) clock: Clock,
    pub(crate) directory: Arc<TempDir>,
    /// Where its state is that is not in the directory.
    pub(crate) backing: Backing,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self::with(ContentOptions::default())
    }

    pub(crate) fn with(options: ContentOptions) -> Self {
        Self::on(Backing::new(), options)
    }

    pub(crate) fn on(backing: Backing, options: ContentOptions) -> Self {
        let directory = Arc::new(TempDir::new());
        Self::at(directory, Clock::standing_at(START), options, backing)
    }

    fn at(
        directory: Arc<TempDir>,
        clock: Clock,
        options: ContentOptions,
        backing: Backing,
    ) -> Self {
        let database = backing.database(directory.path());
        let storage = backing.storage(directory.path());
        let content = Content::new(database, storage, clock.clone(), options);
        Self {
            content,
            clock,
            directory,
            backing,
        }
    }

    /// As after a restart.
    pub(crate) fn reopen(self) -> Self {
        let options = self.content.options().clone();
        drop(self.content);
        Self::at(self.directory, self.clock, options, self.backing)
    }

    /// Another server with the same state and the same clock, where the database allows it.
    pub(crate) fn beside(&self) -> Self {
        let options = self.content.options().clone();
        let (directory, clock) = (self.directory.clone(), self.clock.clone());
        Self::at(directory, clock, options, self.backing.clone())
    }

    /// The names of the objects in its storage: their keys, and more where something is unfinished.
    pub(crate) fn objects(&self) -> Vec<String> {
        objects(&self.backing, self.directory.path())
    }

    fn object(&self, name: &str) -> PathBuf {
        self.directory
            .join(format!("objects/{}/{name}", &name[..2]))
    }

    /// Puts other bytes, or anything, into the storage behind the registry's back.
    pub(crate) fn set_object(&self, name: &str, bytes: &[u8]) {
        match &self.backing.bucket {
            Some(bucket) => bucket.set(name, bytes),
            None => std::fs::write(self.object(name), bytes).unwrap(),
        }
    }

    /// Takes an object out of the storage.
    pub(crate) fn take_object(&self, name: &str) -> Vec<u8> {
        if let Some(bucket) = &self.backing.bucket {
            return bucket.remove(name).unwrap();
        }
        let bytes = std::fs::read(self.object(name)).unwrap();
        std::fs::remove_file(self.object(name)).unwrap();
        bytes
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

/// The names of the objects of a registry.
pub(crate) fn objects(backing: &Backing, directory: &Path) -> Vec<String> {
    if let Some(bucket) = &backing.bucket {
        return bucket.objects();
    }
    let mut found = vec![];
    for part in std::fs::read_dir(directory.join("objects")).unwrap() {
        let files = std::fs::read_dir(part.unwrap().path()).unwrap();
        let name = |file: std::io::Result<DirEntry>| file.unwrap().file_name().into_string();
        found.extend(files.map(|file| name(file).unwrap()));
    }
    found
}
