//! A repository in memory, with a count of what is asked for and ways to be hostile.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use kiln_oci::{Descriptor, Digest, Document, Index, Manifest, Raw, media_type};
use kiln_trust::key::{Generate, PrivateKey, Signer as _};
use kiln_trust::policy::{Demand, TrustedKey};
use kiln_trust::registry::{AccessError, Name, Registry, companion_tag};
use kiln_trust::sign::{SignOptions, Target, attest, sign};
use kiln_trust::verify::{Limits, Question, Verdict, VerifyError, verify};
use kiln_trust::{Policy, Time};
use serde_json::Value;

/// The name under which everything lies.
pub(crate) const REPOSITORY: &str = "registry.example.org/team/app";

/// The time that tests live in.
pub(crate) const NOW: Time = Time(1_800_000_000);

type Hook = Box<dyn Fn(&Memory, &str) + Send>;

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) manifests: Mutex<BTreeMap<Digest, (String, Vec<u8>)>>,
    pub(crate) tags: Mutex<BTreeMap<String, Digest>>,
    pub(crate) blobs: Mutex<BTreeMap<Digest, Vec<u8>>>,
    /// Entries of the list of referrers that point to nothing.
    pub(crate) extra: Mutex<Vec<Descriptor>>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// Whether it keeps no list of referrers.
    pub(crate) is_old: bool,
    /// Called with each question, before it is answered.
    pub(crate) hook: Mutex<Option<Hook>>,
}

impl Memory {
    fn note(&self, what: String) {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook(self, &what);
            *self.hook.lock().unwrap() = Some(hook);
        }
        self.asked.lock().unwrap().push(what);
    }

    /// Stores a manifest without a question being counted.
    pub(crate) fn store(&self, tag: Option<&str>, kind: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(kind, bytes);
        self.manifests
            .lock()
            .unwrap()
            .insert(descriptor.digest, (kind.to_owned(), bytes.to_vec()));
        if let Some(tag) = tag {
            self.tags
                .lock()
                .unwrap()
                .insert(tag.to_owned(), descriptor.digest);
        }
        descriptor
    }

    /// An image, told apart by `content`.
    pub(crate) fn image(&self, tag: &str, content: &str) -> Descriptor {
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media_type::OCI_CONFIG, content.as_bytes()),
            layers: vec![],
            subject: None,
            annotations: BTreeMap::new(),
        });
        self.store(Some(tag), media_type::OCI_MANIFEST, manifest.bytes())
    }

    /// A manifest that refers to `subject` and has one layer.
    pub(crate) fn refer(
        &self,
        subject: &Descriptor,
        layer_kind: &str,
        content: &[u8],
    ) -> Descriptor {
        self.blobs
            .lock()
            .unwrap()
            .insert(Digest::sha256(content), content.to_vec());
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: Some(layer_kind.to_owned()),
            config: Descriptor::of(media_type::OCI_EMPTY, b"{}"),
            layers: vec![Descriptor::of(layer_kind, content)],
            subject: Some(subject.clone()),
            annotations: BTreeMap::new(),
        });
        self.store(None, media_type::OCI_MANIFEST, manifest.bytes())
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Registry for Memory {
    fn manifest(&self, name: Name<'_>) -> Result<Option<(Descriptor, Vec<u8>)>, AccessError> {
        let digest = match name {
            Name::Tag(tag) => {
                self.note(format!("tag {tag}"));
                self.tags.lock().unwrap().get(tag).copied()
            }
            Name::Digest(digest) => {
                self.note(format!("manifest {digest}"));
                Some(*digest)
            }
        };
        let manifests = self.manifests.lock().unwrap();
        let found = digest.and_then(|digest| Some((digest, manifests.get(&digest)?)));
        Ok(found.map(|(digest, (kind, bytes))| {
            (
                Descriptor::new(kind, digest, bytes.len() as u64),
                bytes.clone(),
            )
        }))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, AccessError> {
        self.note(format!("referrers {subject}"));
        if self.is_old {
            // The client looks under the tag then.
            let tag = self
                .tags
                .lock()
                .unwrap()
                .get(&companion_tag(subject, ""))
                .copied();
            let Some(digest) = tag else {
                return Ok(vec![]);
            };
            let bytes = self.manifests.lock().unwrap()[&digest].1.clone();
            return Ok(serde_json::from_slice::<Index>(&bytes).unwrap().manifests);
        }
        let manifests = self.manifests.lock().unwrap();
        let listed = manifests.iter().filter_map(|(digest, (kind, bytes))| {
            let Ok(Document::Manifest(manifest)) = Document::parse(bytes) else {
                return None;
            };
            let refers = manifest
                .subject
                .as_ref()
                .is_some_and(|one| one.digest == *subject);
            refers.then(|| Descriptor {
                artifact_type: manifest.artifact_type,
                annotations: manifest.annotations,
                ..Descriptor::new(kind, *digest, bytes.len() as u64)
            })
        });
        Ok(listed
            .chain(self.extra.lock().unwrap().iter().cloned())
            .collect())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, AccessError> {
        self.note(format!("blob {}", descriptor.digest));
        let blobs = self.blobs.lock().unwrap();
        blobs
            .get(&descriptor.digest)
            .cloned()
            .ok_or_else(|| AccessError {
                what: "cannot read the blob".to_owned(),
                source: "it is not there".into(),
            })
    }

    fn put_blob(&self, descriptor: &Descriptor, content: &[u8]) -> Result<(), AccessError> {
        assert_eq!(*descriptor, Descriptor::of(&descriptor.media_type, content));
        self.blobs
            .lock()
            .unwrap()
            .insert(descriptor.digest, content.to_vec());
        Ok(())
    }

    fn put_manifest(&self, tag: &str, kind: &str, content: &[u8]) -> Result<(), AccessError> {
        self.note(format!("put {tag}"));
        self.store(Some(tag), kind, content);
        Ok(())
    }

    fn put_referrer(&self, kind: &str, content: &[u8]) -> Result<(), AccessError> {
        let stored = self.store(None, kind, content);
        if self.is_old {
            let Ok(Document::Manifest(manifest)) = Document::parse(content) else {
                panic!("a referrer is a manifest");
            };
            let tag = companion_tag(&manifest.subject.unwrap().digest, "");
            let known = self.tags.lock().unwrap().get(&tag).copied();
            let mut entries = vec![];
            if let Some(digest) = known {
                let bytes = self.manifests.lock().unwrap()[&digest].1.clone();
                entries = serde_json::from_slice::<Index>(&bytes).unwrap().manifests;
            }
            // As cosign 3.1 writes it: without annotations and with a wrong type.
            entries.push(Descriptor {
                artifact_type: Some(media_type::OCI_EMPTY.to_owned()),
                ..stored
            });
            self.store(
                Some(&tag),
                media_type::OCI_INDEX,
                Raw::new(Index::new(entries)).bytes(),
            );
        }
        Ok(())
    }
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(Generate::P256).unwrap()
}

pub(crate) fn trusted(name: &str, key: &PrivateKey) -> TrustedKey {
    TrustedKey {
        name: name.to_owned(),
        key: key.public().clone(),
        not_before: None,
        not_after: None,
    }
}

/// What `--key` asks for.
pub(crate) fn any_of(keys: &[&PrivateKey]) -> Policy {
    let keys = keys
        .iter()
        .enumerate()
        .map(|(number, key)| trusted(&format!("key {number}"), key));
    Policy::of_keys(
        keys.collect(),
        Demand::Signature {
            annotations: BTreeMap::new(),
        },
    )
}

pub(crate) fn options() -> SignOptions {
    SignOptions {
        at: NOW,
        settle: Duration::ZERO,
        ..SignOptions::default()
    }
}

pub(crate) fn target(descriptor: &Descriptor) -> Target<'_> {
    Target {
        descriptor,
        repository: REPOSITORY,
        tag: Some("1"),
    }
}

pub(crate) fn signed(memory: &Memory, image: &Descriptor, key: &PrivateKey) {
    sign(memory, &target(image), key, &options()).unwrap();
}

pub(crate) fn attested(
    memory: &Memory,
    image: &Descriptor,
    key: &PrivateKey,
    kind: &str,
    predicate: Value,
) -> Digest {
    attest(memory, &target(image), kind, predicate, key, &options()).unwrap()
}

pub(crate) fn ask(memory: &Memory, policy: &Policy) -> Result<Verdict, VerifyError> {
    ask_as(
        memory,
        policy,
        &format!("{REPOSITORY}:1"),
        NOW,
        Limits::default(),
    )
}

pub(crate) fn ask_as(
    memory: &Memory,
    policy: &Policy,
    name: &str,
    now: Time,
    limits: Limits,
) -> Result<Verdict, VerifyError> {
    let reference = name.parse().unwrap();
    let question = Question {
        reference: &reference,
        policy,
        revocations: None,
        now,
        limits,
    };
    verify(memory, &question)
}

/// The codes of everything that does not count.
pub(crate) fn codes(verdict: &Verdict) -> Vec<&'static str> {
    let decision = &verdict.decisions[0];
    let inside = decision.requirements.iter().flat_map(|met| &met.refused);
    inside
        .chain(&decision.refused)
        .map(|one| one.reason.code())
        .collect()
}

/// A policy from text, its keys by name.
pub(crate) fn policy(text: &str, keys: &[(&str, &PrivateKey)]) -> Policy {
    let load = |name: &str| {
        let found = keys.iter().find(|(known, _)| *known == name);
        let found = found.map(|(_, key)| key.public().to_pem().into_bytes());
        found.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
    };
    Policy::parse(text, &load).unwrap()
}
