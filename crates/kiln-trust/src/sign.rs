//! Signing and attesting: what is written to a registry.
//!
//! A signature is written twice by default. Under cosign's `.sig` tag it is read by cosign 1 and 2, skopeo, podman, Kyverno and the like; as
//! a bundle that refers to the image, by cosign 3 and whoever follows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kiln_oci::{Descriptor, Digest, Document, Manifest, Raw, media_type};
use serde_json::{Map, Value, json};

use crate::clock::Time;
use crate::format::bundle::Bundle;
use crate::format::dsse::Envelope;
use crate::format::names;
use crate::format::simple::Payload;
use crate::format::statement::{SIGNATURE, Statement, Subject};
use crate::key::{Signer, SignerError};
use crate::registry::{AccessError, Name, Registry, companion_tag};

/// How often the shared tag is written again when other signers wrote it at the same time.
const ATTEMPTS: u32 = 10;

/// The longest wait between two looks, beside what was asked for.
const MAX_SETTLE: Duration = Duration::from_secs(2);

/// The most signatures that are kept under one tag.
const MAX_LAYERS: usize = 1000;

/// How a signature is made.
#[derive(Clone, Debug)]
pub struct SignOptions {
    /// Under cosign's `.sig` tag.
    pub tag: bool,
    /// As a bundle that refers to the image.
    pub bundle: bool,
    /// Claims that are signed.
    pub annotations: BTreeMap<String, String>,
    /// Who signs, for the claims: `kiln 0.1.0`.
    pub creator: String,
    /// When, as is claimed.
    pub at: Time,
    /// Until when the signature is good.
    pub expires: Option<Time>,
    /// How long after a write under the shared tag it is read again, to see whether another signer overwrote it.
    pub settle: Duration,
}

impl Default for SignOptions {
    fn default() -> Self {
        Self {
            tag: true,
            bundle: true,
            annotations: BTreeMap::new(),
            creator: format!("kiln {}", env!("CARGO_PKG_VERSION")),
            at: Time::now(),
            expires: None,
            settle: Duration::from_millis(100),
        }
    }
}

/// What is signed, and what it is called.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The manifest or index.
    pub descriptor: &'a Descriptor,
    /// Registry and repository: `registry.example.org/team/app`.
    pub repository: &'a str,
    /// The tag by which it was named, if it was.
    pub tag: Option<&'a str>,
}

/// A signature or attestation that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The registry did not take it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// What is under the `.sig` tag is something else.
    #[error("under the tag `{0}` is something else than signatures; it is not overwritten")]
    Occupied(String),
    /// Too many signatures under one tag.
    #[error("under the tag `{0}` are {MAX_LAYERS} signatures already")]
    Full(String),
    /// Others write the tag all the time.
    #[error("the tag `{0}` was overwritten by other signers {ATTEMPTS} times")]
    Contended(String),
}

/// Signs a manifest. Returns the digests of the manifests that were written.
///
/// # Errors
/// See [`SignError`]. What was written before the failure stays, and verifies.
pub fn sign(
    registry: &dyn Registry,
    target: &Target<'_>,
    signer: &dyn Signer,
    options: &SignOptions,
) -> Result<Vec<Digest>, SignError> {
    let mut written = vec![];
    if options.tag {
        let (payload, signature) = simple(target, signer, options)?;
        written.push(put_simple(
            registry,
            &target.descriptor.digest,
            &payload,
            &signature,
            options.settle,
        )?);
    }
    if options.bundle {
        let statement = Statement::new(subject(target, options), SIGNATURE, json!({}));
        written.push(put_statement(
            registry,
            target.descriptor,
            &statement,
            signer,
            options,
        )?);
    }
    Ok(written)
}

/// Signs a statement about a manifest: `predicate` of type `predicate_type`. Returns the digest of the manifest that was written.
///
/// # Errors
/// See [`SignError`].
pub fn attest(
    registry: &dyn Registry,
    target: &Target<'_>,
    predicate_type: &str,
    predicate: Value,
    signer: &dyn Signer,
    options: &SignOptions,
) -> Result<Digest, SignError> {
    let statement = Statement::new(subject(target, options), predicate_type, predicate);
    put_statement(registry, target.descriptor, &statement, signer, options)
}

fn subject(target: &Target<'_>, options: &SignOptions) -> Subject {
    let mut subject = Subject::of(Some(target.repository), &target.descriptor.digest);
    let claims = &mut subject.annotations;
    claims.extend(
        options
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str()))),
    );
    claims.insert(
        names::SIGNED_AT.to_owned(),
        Value::from(options.at.to_string()),
    );
    if let Some(expires) = options.expires {
        claims.insert(names::EXPIRES.to_owned(), Value::from(expires.to_string()));
    }
    subject
}

/// A simple signing payload and its signature. The name has the tag where the user gave one: cosign takes both forms, and
/// containers/image wants the one that it will be asked for.
fn simple(
    target: &Target<'_>,
    signer: &dyn Signer,
    options: &SignOptions,
) -> Result<(Vec<u8>, Vec<u8>), SignError> {
    let mut optional = Map::new();
    optional.insert("creator".to_owned(), Value::from(options.creator.as_str()));
    optional.insert("timestamp".to_owned(), Value::from(options.at.0));
    if let Some(expires) = options.expires {
        optional.insert(names::EXPIRES.to_owned(), Value::from(expires.to_string()));
    }
    optional.extend(
        options
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.as_str()))),
    );
    let reference = match target.tag {
        Some(tag) => format!("{}:{tag}", target.repository),
        None => target.repository.to_owned(),
    };
    let payload = Payload {
        reference,
        digest: target.descriptor.digest,
        optional,
    }
    .to_json();
    let signature = signer.sign(&payload)?;
    Ok((payload, signature))
}

/// Adds a signature to those under the `.sig` tag. The tag cannot be locked: it is read right before it is written and twice
/// afterwards, and written again if the signature is not there.
fn put_simple(
    registry: &dyn Registry,
    digest: &Digest,
    payload: &[u8],
    signature: &[u8],
    settle: Duration,
) -> Result<Digest, SignError> {
    use base64::Engine as _;
    let tag = companion_tag(digest, ".sig");
    let mut layer = Descriptor::of(names::SIMPLE, payload);
    let signature = base64::engine::general_purpose::STANDARD.encode(signature);
    layer
        .annotations
        .insert(names::SIGNATURE.to_owned(), signature);
    registry.put_blob(&Descriptor::of(names::SIMPLE, payload), payload)?;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(jitter(signer_salt(payload), attempt, settle));
        }
        let known = signatures_under(registry, &tag)?;
        let is_ours = |layers: &[Descriptor]| layers.contains(&layer);
        if is_ours(&known) {
            // Another signer who overwrote it has put it back, with his own.
            return Ok(tagged(registry, &tag)?.unwrap_or(*digest));
        }
        if known.len() >= MAX_LAYERS {
            return Err(SignError::Full(tag));
        }
        let layers: Vec<Descriptor> = known.iter().chain([&layer]).cloned().collect();
        let config = put_config(registry, &layers)?;
        let manifest = signatures(config, layers);
        // What took long is done: whoever wrote meanwhile is seen now, and the time in which one can be overlooked is short.
        let began = Instant::now();
        if signatures_under(registry, &tag)? != known {
            continue;
        }
        registry.put_manifest(&tag, media_type::OCI_MANIFEST, manifest.bytes())?;
        // Another signer who read before this write may write after the first look, but soon: he is about as slow as we are.
        let wait = (began.elapsed() * 4).clamp(settle, settle + MAX_SETTLE);
        if is_ours(&signatures_under(registry, &tag)?) {
            std::thread::sleep(wait);
            if is_ours(&signatures_under(registry, &tag)?) {
                return Ok(manifest.digest());
            }
        }
    }
    Err(SignError::Contended(tag))
}

/// A config such as cosign writes: of an image that cannot run.
fn put_config(registry: &dyn Registry, layers: &[Descriptor]) -> Result<Descriptor, SignError> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| layer.digest.to_string())
        .collect();
    let config = json!({
        "architecture": "", "os": "", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = config.to_string().into_bytes();
    let descriptor = Descriptor::of(media_type::OCI_CONFIG, &config);
    registry.put_blob(&descriptor, &config)?;
    Ok(descriptor)
}

fn signatures(config: Descriptor, layers: Vec<Descriptor>) -> Raw<Manifest> {
    Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: BTreeMap::new(),
    })
}

/// What a tag stands for.
fn tagged(registry: &dyn Registry, tag: &str) -> Result<Option<Digest>, SignError> {
    let found = registry.manifest(Name::Tag(tag))?;
    Ok(found.map(|(descriptor, _)| descriptor.digest))
}

/// The layers of the manifest under a `.sig` tag.
fn signatures_under(registry: &dyn Registry, tag: &str) -> Result<Vec<Descriptor>, SignError> {
    let Some((_, bytes)) = registry.manifest(Name::Tag(tag))? else {
        return Ok(vec![]);
    };
    match Document::parse(&bytes) {
        Ok(Document::Manifest(manifest))
            if manifest
                .layers
                .iter()
                .all(|layer| layer.media_type == names::SIMPLE) =>
        {
            Ok(manifest.layers)
        }
        _ => Err(SignError::Occupied(tag.to_owned())),
    }
}

/// Different waits for different signers, so that they do not meet again.
fn jitter(salt: u8, attempt: u32, settle: Duration) -> Duration {
    let unit = settle.max(Duration::from_millis(1)) / 16;
    unit * (u32::from(salt) % 16 + 1) * (attempt + 1)
}

fn signer_salt(payload: &[u8]) -> u8 {
    Digest::sha256(payload).as_bytes()[usize::from(std::process::id().to_le_bytes()[0] % 32)]
}

fn put_statement(
    registry: &dyn Registry,
    subject: &Descriptor,
    statement: &Statement,
    signer: &dyn Signer,
    options: &SignOptions,
) -> Result<Digest, SignError> {
    let envelope = Envelope::sign(names::IN_TOTO, statement.to_json(), &[signer])?;
    let id = signer.public().id();
    let bundle = Bundle::of_key(envelope, id).to_json();
    let layer = Descriptor::of(names::BUNDLE, &bundle);
    let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let annotations = [
        (names::CONTENT_HINT, "dsse-envelope".to_owned()),
        (names::PREDICATE_HINT, statement.predicate_type.clone()),
        (names::CREATED, options.at.to_string()),
        (names::KEY_HINT, id.to_string()),
    ];
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: Some(names::BUNDLE.to_owned()),
        config: config.clone(),
        layers: vec![layer.clone()],
        subject: Some(Descriptor::new(
            &subject.media_type,
            subject.digest,
            subject.size,
        )),
        annotations: annotations
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
    });
    registry.put_blob(&config, b"{}")?;
    registry.put_blob(&layer, &bundle)?;
    put_referring(registry, &subject.digest, &manifest, options.settle)?;
    Ok(manifest.digest())
}

/// Stores a manifest that refers to `subject`. Where the list of those is a tag that clients keep, it can be overwritten like the one of
/// the signatures, and is looked at again in the same way.
pub(crate) fn put_referring(
    registry: &dyn Registry,
    subject: &Digest,
    manifest: &Raw<Manifest>,
    settle: Duration,
) -> Result<(), SignError> {
    let (digest, tag) = (manifest.digest(), companion_tag(subject, ""));
    for attempt in 0..ATTEMPTS {
        let began = Instant::now();
        registry.put_referrer(media_type::OCI_MANIFEST, manifest.bytes())?;
        if tagged(registry, &tag)?.is_none() {
            return Ok(());
        }
        let is_listed = || -> Result<bool, SignError> {
            Ok(registry
                .referrers(subject)?
                .iter()
                .any(|one| one.digest == digest))
        };
        let wait = (began.elapsed() * 2).clamp(settle, settle + MAX_SETTLE);
        if is_listed()? {
            std::thread::sleep(wait);
            if is_listed()? {
                return Ok(());
            }
        }
        std::thread::sleep(jitter(digest.as_bytes()[0], attempt, settle));
    }
    Err(SignError::Contended(tag))
}

/// The manifests of an index and of the indexes below it, as far as they can be read: what `--recursive` signs beside the index.
///
/// # Errors
/// If the registry does not have one of them.
pub fn children(registry: &dyn Registry, bytes: &[u8]) -> Result<Vec<Descriptor>, SignError> {
    let mut found: Vec<Descriptor> = vec![];
    let mut open = vec![bytes.to_vec()];
    while let Some(bytes) = open.pop() {
        let Ok(Document::Index(index)) = Document::parse(&bytes) else {
            continue;
        };
        for child in index.manifests {
            if found.len() >= MAX_LAYERS || found.iter().any(|known| known.digest == child.digest) {
                continue;
            }
            if media_type::is_index(&child.media_type)
                && let Some((_, bytes)) = registry.manifest(Name::Digest(&child.digest))?
            {
                open.push(bytes);
            }
            found.push(child);
        }
    }
    Ok(found)
}
