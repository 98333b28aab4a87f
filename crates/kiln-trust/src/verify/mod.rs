//! Verifying an image against a policy.
//!
//! The name is resolved once; everything after that is about the digest. What a registry lists is a hint: a stranger's entry neither
//! satisfies nor breaks anything. What is read is bounded, and where a bound is met the answer is no, with that reason.

mod collect;
mod examine;
mod judge;
mod reason;

pub use collect::Limits;
pub use examine::{Claim, Evidence, Form, SignedBy};
pub use judge::{Decision, Refusal};
pub use reason::Reason;

use kiln_oci::{Descriptor, Digest, Document, Reference};

use crate::clock::Time;
use crate::policy::{Platforms, Policy, Rule};
use crate::registry::{AccessError, Name, Registry};
use crate::revocation::Revocations;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The image, as the user named it.
    pub reference: &'a Reference,
    /// Whom one believes what.
    pub policy: &'a Policy,
    /// What was called back.
    pub revocations: Option<&'a Revocations>,
    /// The time that counts as now.
    pub now: Time,
    /// How much is read.
    pub limits: Limits,
}

/// What came of it.
#[derive(Debug)]
pub struct Verdict {
    /// What the name stood for when it was resolved, and what alone may be used now.
    pub digest: Digest,
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// The decisions on the manifest and, if the rule says so, on each image in it.
    pub decisions: Vec<Decision>,
}

impl Verdict {
    /// Whether everything that the policy requires was found.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        !self.decisions.is_empty() && self.decisions.iter().all(Decision::is_allowed)
    }
}

/// Nothing could be decided. To be treated as a no.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no such image.
    #[error("`{0}` is not there")]
    NotFound(String),
    /// The registry did not answer.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The registry's answer is not what it says.
    #[error("the registry sent something else than {0}")]
    Mismatch(Digest),
    /// What the name stands for is no manifest.
    #[error("what `{0}` stands for is not a manifest")]
    Document(String),
    /// No rule, so no.
    #[error("the policy has no rule for `{0}`")]
    NoRule(String),
}

/// Decides on an image.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify(registry: &dyn Registry, question: &Question<'_>) -> Result<Verdict, VerifyError> {
    let reference = question.reference;
    let repository = format!("{}/{}", reference.registry(), reference.repository());
    let rule = question
        .policy
        .rule(reference)
        .ok_or(VerifyError::NoRule(repository))?;
    let (descriptor, bytes) = resolve(registry, reference)?;
    let mut decisions = vec![judge::decide(registry, question, rule, &descriptor)?];
    if rule.platforms == Platforms::Each {
        for child in platforms(&bytes, reference)? {
            decisions.push(judge::decide(registry, question, rule, &child)?);
        }
    }
    Ok(Verdict {
        digest: descriptor.digest,
        descriptor,
        decisions,
    })
}

/// Everything that trusted keys have said about a manifest, whatever a rule requires. For reports.
///
/// # Errors
/// See [`VerifyError`].
pub fn everything(
    registry: &dyn Registry,
    question: &Question<'_>,
    digest: &Digest,
) -> Result<(Vec<Evidence>, Vec<Refusal>), VerifyError> {
    judge::everything(registry, question, digest)
}

/// Resolves the name, once, and hashes what came.
///
/// # Errors
/// See [`VerifyError`].
pub fn resolve(
    registry: &dyn Registry,
    reference: &Reference,
) -> Result<(Descriptor, Vec<u8>), VerifyError> {
    let name = match reference.digest() {
        Some(digest) => Name::Digest(digest),
        None => Name::Tag(reference.tag().unwrap_or("latest")),
    };
    let familiar = || reference.familiar();
    let (descriptor, bytes) = registry
        .manifest(name)?
        .ok_or_else(|| VerifyError::NotFound(familiar()))?;
    let expected = reference.digest().unwrap_or(&descriptor.digest);
    if collect::hash(expected, &bytes) != *expected {
        return Err(VerifyError::Mismatch(*expected));
    }
    if Document::parse(&bytes).is_err() {
        return Err(VerifyError::Document(familiar()));
    }
    Ok((
        Descriptor::new(&descriptor.media_type, *expected, bytes.len() as u64),
        bytes,
    ))
}

/// The images of an index. What BuildKit keeps beside them has no platform and is covered by the index.
fn platforms(bytes: &[u8], reference: &Reference) -> Result<Vec<Descriptor>, VerifyError> {
    match Document::parse(bytes) {
        Ok(Document::Manifest(_)) => Ok(vec![]),
        Ok(Document::Index(index)) => {
            let is_image =
                |child: &Descriptor| !child.annotations.contains_key("vnd.docker.reference.type");
            Ok(index.manifests.into_iter().filter(is_image).collect())
        }
        Err(_) => Err(VerifyError::Document(reference.familiar())),
    }
}

/// The keys and authorities that a rule's roles have, so that nothing else is tried.
pub(crate) fn parties(policy: &Policy, rule: Option<&Rule>) -> (Vec<usize>, Vec<usize>) {
    let is_asked =
        |name: &String| rule.is_none_or(|rule| rule.require.iter().any(|one| one.role == *name));
    let roles = policy
        .roles
        .iter()
        .filter(|(name, _)| is_asked(name))
        .map(|(_, role)| role);
    let (mut keys, mut authorities): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
    for role in roles {
        keys.extend(&role.keys);
        authorities.extend(&role.authorities);
    }
    for list in [&mut keys, &mut authorities] {
        list.sort_unstable();
        list.dedup();
    }
    (keys, authorities)
}
