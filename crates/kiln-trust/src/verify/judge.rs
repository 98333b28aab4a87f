//! Comparing what trusted signers say with what is required.

use std::collections::BTreeSet;

use kiln_oci::{Descriptor, Digest, Reference};
use serde_json::Value;

use super::collect::{Collector, Interest};
use super::examine::{Claim, Evidence, Examiner, Parties};
use super::reason::Reason;
use super::{Question, VerifyError, parties};
use crate::clock::Time;
use crate::policy::{Demand, Identity, Requirement, Rule};
use crate::registry::Registry;

/// Something that was found and does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The manifest that it lies in.
    pub place: Digest,
    /// Why.
    pub reason: Reason,
}

/// What is required, and who met it.
#[derive(Clone, Debug)]
pub struct Met {
    /// The requirement.
    pub requirement: Requirement,
    /// What meets it.
    pub by: Vec<Evidence>,
    /// What is by the right signers or of the right kind and does not meet it.
    pub refused: Vec<Refusal>,
}

impl Met {
    /// Whether enough different members of the role spoke. Two certificates of one key, and two keys of one subject, are one member.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        let keys: BTreeSet<_> = self.by.iter().map(|one| one.signer.id).collect();
        let names: BTreeSet<_> = self.by.iter().map(|one| one.signer.name.as_str()).collect();
        keys.len().min(names.len()) >= self.requirement.threshold
    }
}

/// The decision on one manifest.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The manifest.
    pub digest: Digest,
    /// The manifest itself is called back.
    pub revoked: Option<Reason>,
    /// Each requirement.
    pub requirements: Vec<Met>,
    /// What was found and is no evidence at all.
    pub refused: Vec<Refusal>,
    /// Why less was looked at than there is.
    pub incomplete: Vec<String>,
}

impl Decision {
    /// Whether all requirements are met.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.revoked.is_none()
            && !self.requirements.is_empty()
            && self.requirements.iter().all(Met::is_enough)
    }
}

/// Decides on one manifest: looks at what is there until all requirements are met.
pub(super) fn decide(
    registry: &dyn Registry,
    question: &Question<'_>,
    rule: &Rule,
    subject: &Descriptor,
) -> Result<Decision, VerifyError> {
    let mut decision = Decision {
        digest: subject.digest,
        revoked: None,
        requirements: rule
            .require
            .iter()
            .map(|one| Met {
                requirement: one.clone(),
                by: vec![],
                refused: vec![],
            })
            .collect(),
        refused: vec![],
        incomplete: vec![],
    };
    if let Some(reason) = question
        .revocations
        .and_then(|list| list.of_digest(&subject.digest))
    {
        decision.revoked = Some(Reason::RevokedDigest {
            digest: subject.digest,
            reason: reason.to_owned(),
        });
        return Ok(decision);
    }
    let (keys, authorities) = parties(question.policy, Some(rule));
    let types = rule.require.iter().flat_map(|one| match &one.subject {
        Demand::Predicate { types, .. } => types.clone(),
        Demand::Signature { .. } => vec![],
    });
    let types: Vec<String> = types.collect();
    let interest = Interest {
        keys: keys
            .iter()
            .map(|place| question.policy.keys[*place].key.id())
            .collect(),
        signatures: rule
            .require
            .iter()
            .any(|one| matches!(one.subject, Demand::Signature { .. })),
        predicates: !types.is_empty(),
        types,
    };
    let mut collector = Collector::new(registry, subject.digest, question.limits, interest);
    let examiner = Examiner {
        question,
        subject,
        parties: Parties { keys, authorities },
    };
    while !decision.requirements.iter().all(Met::is_enough)
        && let Some(batch) = collector.next_batch()
    {
        for found in batch {
            match examiner.examine(&found) {
                Err(reason) => collector.refuse(found.manifest, reason),
                Ok(all) => all
                    .iter()
                    .for_each(|one| weigh(question, rule, &mut decision, one)),
            }
        }
    }
    decision.refused = collector.refusals;
    decision.incomplete = collector.incomplete;
    Ok(decision)
}

/// Everything that any key of the policy says about a manifest.
pub(super) fn everything(
    registry: &dyn Registry,
    question: &Question<'_>,
    digest: &Digest,
) -> Result<(Vec<Evidence>, Vec<Refusal>), VerifyError> {
    let pinned = pinned(question.reference, digest);
    let (subject, _) = super::resolve(registry, &pinned)?;
    let (keys, authorities) = parties(question.policy, None);
    let interest = Interest {
        keys: keys
            .iter()
            .map(|place| question.policy.keys[*place].key.id())
            .collect(),
        signatures: true,
        predicates: true,
        types: vec![],
    };
    let mut collector = Collector::new(registry, subject.digest, question.limits, interest);
    let examiner = Examiner {
        question,
        subject: &subject,
        parties: Parties { keys, authorities },
    };
    let mut evidence = vec![];
    while let Some(batch) = collector.next_batch() {
        for found in batch {
            match examiner.examine(&found) {
                Err(reason) => collector.refuse(found.manifest, reason),
                Ok(all) => evidence.extend(all),
            }
        }
    }
    Ok((evidence, collector.refusals))
}

fn pinned(reference: &Reference, digest: &Digest) -> Reference {
    let text = format!(
        "{}/{}@{digest}",
        reference.registry(),
        reference.repository()
    );
    text.parse()
        .expect("because it is made of the parts of a reference")
}

/// Adds a piece of evidence to each requirement that it meets, and says of the others that are about the same why it does not.
fn weigh(question: &Question<'_>, rule: &Rule, decision: &mut Decision, evidence: &Evidence) {
    for met in &mut decision.requirements {
        let is_kind = match (&met.requirement.subject, &evidence.claim) {
            (Demand::Signature { .. }, Claim::Signature { .. }) => true,
            (Demand::Predicate { .. }, Claim::Predicate { predicate_type, .. }) => {
                met.requirement.wants(predicate_type)
            }
            _ => false,
        };
        if !is_kind {
            continue;
        }
        match meets(question, rule, &met.requirement, evidence) {
            Ok(())
                if met.by.iter().any(|known| {
                    known.signer.id == evidence.signer.id && known.place == evidence.place
                }) => {}
            Ok(()) => met.by.push(evidence.clone()),
            Err(reason) => met.refused.push(Refusal {
                place: evidence.place,
                reason,
            }),
        }
    }
}

fn meets(
    question: &Question<'_>,
    rule: &Rule,
    requirement: &Requirement,
    evidence: &Evidence,
) -> Result<(), Reason> {
    let role = question.policy.roles.get(&requirement.role);
    let signer = &evidence.signer;
    let is_member = role.is_some_and(|role| {
        signer.key.is_some_and(|place| role.keys.contains(&place))
            || signer
                .authorities
                .iter()
                .any(|place| role.authorities.contains(place))
    });
    if !is_member {
        return Err(Reason::Role {
            signer: signer.name.clone(),
            role: requirement.role.clone(),
        });
    }
    is_named(question.reference, rule, evidence.name.as_deref())?;
    is_fresh(question.now, requirement, evidence)?;
    match (&requirement.subject, &evidence.claim) {
        (
            Demand::Signature {
                annotations: wanted,
            },
            Claim::Signature { annotations },
        ) => {
            for (name, value) in wanted {
                if annotations.get(name).and_then(Value::as_str) != Some(value) {
                    return Err(Reason::Annotation {
                        name: name.clone(),
                        wanted: value.clone(),
                    });
                }
            }
        }
        (Demand::Predicate { conditions, .. }, Claim::Predicate { predicate, .. }) => {
            conditions
                .iter()
                .try_for_each(|one| one.check(predicate))
                .map_err(Reason::Condition)?;
        }
        _ => unreachable!("because `weigh` compares kinds"),
    }
    Ok(())
}

/// Compares the name that was signed with the one that is asked for.
fn is_named(reference: &Reference, rule: &Rule, name: Option<&str>) -> Result<(), Reason> {
    let Some(name) = name.filter(|_| rule.identity != Identity::Ignore) else {
        return match rule.identity {
            Identity::Ignore | Identity::IfNamed => Ok(()),
            Identity::Repository | Identity::Exact => Err(Reason::NoName),
        };
    };
    let asked = format!("{}/{}", reference.registry(), reference.repository());
    // The longest prefix says most about where the image comes from.
    let moved = rule
        .named_as
        .iter()
        .filter(|(place, _)| asked.starts_with(place.as_str()));
    let original = match moved.max_by_key(|(place, _)| place.len()) {
        Some((place, origin)) => format!("{origin}{}", &asked[place.len()..]),
        None => asked,
    };
    let other = |wanted: String| Reason::OtherName {
        found: name.chars().take(200).collect(),
        wanted,
    };
    let Ok(signed) = name.parse::<Reference>() else {
        return Err(other(original));
    };
    let is_same = format!("{}/{}", signed.registry(), signed.repository()) == original;
    if rule.identity != Identity::Exact {
        return if is_same {
            Ok(())
        } else {
            Err(other(original))
        };
    }
    // A name by digest alone is exact as it is.
    let wanted = reference.tag();
    let has_tag = |signed: &Reference| {
        signed.tag() == wanted || reference.digest().is_some() && wanted.is_none()
    };
    match is_same && has_tag(&signed) {
        true => Ok(()),
        false => {
            Err(other(wanted.map_or(original.clone(), |tag| {
                format!("{original}:{tag}")
            })))
        }
    }
}

/// The proven time counts, else the one that the signer claims in what is signed, else where the policy says that the predicate has it.
fn is_fresh(now: Time, requirement: &Requirement, evidence: &Evidence) -> Result<(), Reason> {
    let Some(max_age) = requirement.max_age else {
        return Ok(());
    };
    let inside = || match (&requirement.time_at, &evidence.claim) {
        (Some(path), Claim::Predicate { predicate, .. }) => {
            predicate.pointer(path)?.as_str()?.parse::<Time>().ok()
        }
        _ => None,
    };
    let times = [inside(), evidence.proven_at, evidence.claimed_at];
    // The oldest: a scan does not become newer by being signed again.
    let at = times.into_iter().flatten().min().ok_or(Reason::NoTime)?;
    match at.plus(max_age) < now {
        true => Err(Reason::Old { at, max_age }),
        false => Ok(()),
    }
}
