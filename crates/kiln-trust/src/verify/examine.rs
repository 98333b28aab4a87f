//! One signature that was fetched: who made it, of what, when. Nothing of a payload is read before a signature over it verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln_oci::{Descriptor, Digest};
use serde_json::{Map, Value};

use super::Question;
use super::collect::Found;
use super::reason::Reason;
use crate::clock::Time;
use crate::format::bundle::Bundle;
use crate::format::dsse::{self, Envelope};
use crate::format::names;
use crate::format::simple::Payload;
use crate::format::statement::{SIGNATURE, Statement};
use crate::key::{KeyId, PublicKey};
use crate::notary;
use crate::timestamp::{self, ProvenTime};
use crate::x509::{Certificate, Purpose};

/// How far a signer's clock may be ahead of ours, in seconds.
const CLOCK_SKEW: i64 = 300;

/// In which form a signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Simple signing, under cosign's `.sig` tag.
    Simple,
    /// A Sigstore bundle.
    Bundle,
    /// A bare DSSE envelope.
    Dsse,
    /// A Notary Project signature.
    Notary,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// The key's name in the policy, or the certificate's subject.
    pub name: String,
    /// The key.
    pub id: KeyId,
    /// The key's place in the policy, if it is named there.
    pub(crate) key: Option<usize>,
    /// The places of the authorities that certified the signer.
    pub(crate) authorities: Vec<usize>,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The image.
    Signature {
        /// Further claims.
        annotations: Map<String, Value>,
    },
    /// A statement about the image.
    Predicate {
        /// Its type.
        predicate_type: String,
        /// Its content.
        predicate: Value,
    },
}

/// A signature that a trusted key made of this image, and that was not called back and has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The manifest that it lies in.
    pub place: Digest,
    /// In which form.
    pub form: Form,
    /// Who signed.
    pub signer: SignedBy,
    /// What.
    pub claim: Claim,
    /// What the signer called the image.
    pub name: Option<String>,
    /// When the signer says that it was.
    pub claimed_at: Option<Time>,
    /// When a time stamp proves that it was.
    pub proven_at: Option<Time>,
}

/// A signature over a payload, taken apart.
struct Signed<'a> {
    form: Form,
    payload: &'a [u8],
    signers: Vec<(SignedBy, Option<ProvenTime>)>,
}

/// The keys and authorities that count, by their places in the policy.
pub(super) struct Parties {
    pub(super) keys: Vec<usize>,
    pub(super) authorities: Vec<usize>,
}

/// What a signature is about, and what it says.
pub(super) struct Examiner<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) subject: &'a Descriptor,
    pub(super) parties: Parties,
}

impl Examiner<'_> {
    /// Everything that trusted signers say in what was found.
    pub(super) fn examine(&self, found: &Found) -> Result<Vec<Evidence>, Reason> {
        if let Some(reason) = self
            .question
            .revocations
            .and_then(|list| list.of_digest(&found.manifest))
        {
            return Err(Reason::RevokedDigest {
                digest: found.manifest,
                reason: reason.to_owned(),
            });
        }
        let malformed = |error: &dyn std::error::Error| Reason::Malformed(error.to_string());
        match found.layer.media_type.as_str() {
            names::SIMPLE => self.simple(found),
            names::DSSE => {
                let envelope =
                    Envelope::parse(&found.content).map_err(|error| malformed(&error))?;
                self.envelope(found, Form::Dsse, &envelope, &[], &[])
            }
            notary::JWS | notary::COSE => self.notary(found),
            _ => {
                let bundle = Bundle::parse(&found.content).map_err(|error| malformed(&error))?;
                self.envelope(
                    found,
                    Form::Bundle,
                    &bundle.envelope,
                    &bundle.certificates,
                    &bundle.timestamps,
                )
            }
        }
    }

    /// Simple signing: the signature is an annotation of the layer that is the payload.
    fn simple(&self, found: &Found) -> Result<Vec<Evidence>, Reason> {
        let note = |name: &str| found.layer.annotations.get(name);
        let encoded = note(names::SIGNATURE)
            .ok_or_else(|| Reason::Malformed("the signature is missing".to_owned()))?;
        let signature = STANDARD.decode(encoded);
        let signature =
            signature.map_err(|_| Reason::Malformed("the signature is not base64".to_owned()))?;
        let mut certificates = vec![];
        for text in [note(names::CERTIFICATE), note(names::CHAIN)]
            .into_iter()
            .flatten()
        {
            let read = Certificate::from_pem(text.as_bytes());
            let read =
                read.map_err(|error| Reason::Malformed(format!("a certificate: {error}")))?;
            certificates.extend(read);
        }
        let stamps: Vec<Vec<u8>> = note(names::TIMESTAMP)
            .and_then(|text| stamp_of(text))
            .into_iter()
            .collect();
        let verifies = |key: &PublicKey| {
            key.verifies(&found.content, &signature)
                .then_some(&signature[..])
        };
        let signers = self.signers(&verifies, &certificates, &stamps)?;
        let signed = Signed {
            form: Form::Simple,
            payload: &found.content,
            signers,
        };
        let payload =
            Payload::parse(signed.payload).map_err(|error| Reason::Malformed(error.to_string()))?;
        if payload.digest != self.subject.digest {
            return Err(Reason::OtherImage(payload.digest.to_string()));
        }
        let at = payload
            .optional
            .get("timestamp")
            .and_then(Value::as_i64)
            .map(Time);
        let expires = payload.optional.get(names::EXPIRES).cloned();
        let claim = Claim::Signature {
            annotations: payload.optional,
        };
        self.evidence(
            found,
            signed,
            &claim,
            Some(&payload.reference),
            at,
            expires.as_ref(),
        )
    }

    /// A DSSE envelope with an in-toto statement.
    fn envelope(
        &self,
        found: &Found,
        form: Form,
        envelope: &Envelope,
        certificates: &[Vec<u8>],
        stamps: &[Vec<u8>],
    ) -> Result<Vec<Evidence>, Reason> {
        if envelope.payload_type != names::IN_TOTO {
            let kind = envelope.payload_type.chars().take(100).collect::<String>();
            return Err(Reason::Malformed(format!(
                "its payload is `{kind}`, not an in-toto statement"
            )));
        }
        let certificates = certificates.iter().map(|der| Certificate::from_der(der));
        let certificates = certificates
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Reason::Malformed(format!("a certificate: {error}")))?;
        let message = dsse::encoding(&envelope.payload_type, &envelope.payload);
        let verifies = |key: &PublicKey| {
            let mut signatures = envelope.signatures.iter().map(Vec::as_slice);
            signatures.find(|signature| key.verifies(&message, signature))
        };
        let signers = self.signers(&verifies, &certificates, stamps)?;
        let statement = Statement::parse(&envelope.payload)
            .map_err(|error| Reason::Malformed(error.to_string()))?;
        let Some(subject) = statement.about(&self.subject.digest) else {
            let other = statement
                .subject
                .first()
                .and_then(|subject| subject.digest.iter().next());
            let other = other.map_or("nothing".to_owned(), |(kind, hex)| format!("{kind}:{hex}"));
            return Err(Reason::OtherImage(other.chars().take(150).collect()));
        };
        let claims = subject.annotations.clone();
        let at = claims
            .get(names::SIGNED_AT)
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        let expires = claims.get(names::EXPIRES).cloned();
        let name = subject.name.clone();
        let claim = match statement.predicate_type.as_str() {
            SIGNATURE => Claim::Signature {
                annotations: claims,
            },
            _ => Claim::Predicate {
                predicate_type: statement.predicate_type,
                predicate: statement.predicate,
            },
        };
        let signed = Signed {
            form,
            payload: &envelope.payload,
            signers,
        };
        self.evidence(found, signed, &claim, name.as_deref(), at, expires.as_ref())
    }

    /// A Notary Project signature.
    fn notary(&self, found: &Found) -> Result<Vec<Evidence>, Reason> {
        let envelope = notary::Envelope::parse(&found.layer.media_type, &found.content)
            .map_err(|error| Reason::Malformed(error.to_string()))?;
        let verifies = |key: &PublicKey| envelope.is_signed_by(key).then_some(envelope.signature());
        let stamps: Vec<Vec<u8>> = envelope
            .timestamp()
            .map(<[u8]>::to_vec)
            .into_iter()
            .collect();
        let leaf = envelope.certificates().first().map(|leaf| leaf.key.clone());
        // The certificate that is named first is the one whose key must verify; keys without one have no place here.
        let certified =
            |key: &PublicKey| leaf.as_ref().filter(|leaf| *leaf == key).and_then(verifies);
        let signers = self.signers(&certified, envelope.certificates(), &stamps)?;
        let target = envelope
            .target()
            .map_err(|error| Reason::Malformed(error.to_string()))?;
        if target.digest != self.subject.digest {
            return Err(Reason::OtherImage(target.digest.to_string()));
        }
        if target.size != self.subject.size {
            return Err(Reason::OtherManifest("size"));
        }
        if target.media_type != self.subject.media_type {
            return Err(Reason::OtherManifest("media type"));
        }
        let annotations = target
            .annotations
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)));
        let claim = Claim::Signature {
            annotations: annotations.collect(),
        };
        let expires = envelope.expires().map(|time| Value::from(time.to_string()));
        let signed = Signed {
            form: Form::Notary,
            payload: envelope.payload(),
            signers,
        };
        self.evidence(
            found,
            signed,
            &claim,
            None,
            envelope.signed_at(),
            expires.as_ref(),
        )
    }

    /// Who of those that count made the signature. `verifies` gives the raw signature that a key verifies.
    fn signers<'s>(
        &self,
        verifies: &dyn Fn(&PublicKey) -> Option<&'s [u8]>,
        certificates: &[Certificate],
        stamps: &[Vec<u8>],
    ) -> Result<Vec<(SignedBy, Option<ProvenTime>)>, Reason> {
        let policy = self.question.policy;
        let mut found = vec![];
        let mut why = None;
        for place in &self.parties.keys {
            let trusted = &policy.keys[*place];
            let Some(signature) = verifies(&trusted.key) else {
                continue;
            };
            let proven = self.proven(stamps, signature);
            let at = proven.map_or(self.question.now, |time| time.at);
            let id = trusted.key.id();
            if let Some(reason) = self
                .question
                .revocations
                .and_then(|list| list.of_key(&id, proven.map(|time| time.at)))
            {
                why = Some(Reason::RevokedKey {
                    name: trusted.name.clone(),
                    reason: reason.to_owned(),
                });
            } else if !trusted.is_good_at(at) {
                why = Some(Reason::KeyTime {
                    name: trusted.name.clone(),
                    at,
                });
            } else {
                let signer = SignedBy {
                    name: trusted.name.clone(),
                    id,
                    key: Some(*place),
                    authorities: vec![],
                };
                found.push((signer, proven));
            }
        }
        if let Some(leaf) = certificates
            .first()
            .filter(|_| !self.parties.authorities.is_empty())
            && let Some(signature) = verifies(&leaf.key)
        {
            match self.certified(leaf, &certificates[1..], self.proven(stamps, signature)) {
                Ok(signer) => found.push(signer),
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        match found.is_empty() {
            false => Ok(found),
            true => Err(why.unwrap_or(Reason::Stranger)),
        }
    }

    fn certified(
        &self,
        leaf: &Certificate,
        between: &[Certificate],
        proven: Option<ProvenTime>,
    ) -> Result<(SignedBy, Option<ProvenTime>), Reason> {
        let revocations = self.question.revocations;
        let id = leaf.key.id();
        if let Some(reason) =
            revocations.and_then(|list| list.of_key(&id, proven.map(|time| time.at)))
        {
            return Err(Reason::RevokedKey {
                name: leaf.subject_text.clone(),
                reason: reason.to_owned(),
            });
        }
        let now = self.question.now;
        // The whole span in which the time may lie must be good.
        let (first, last) = proven.map_or((now, now), |time| {
            (time.at.plus(-time.accuracy), time.at.plus(time.accuracy))
        });
        let mut authorities = vec![];
        let mut why = None;
        for place in &self.parties.authorities {
            let authority = &self.question.policy.authorities[*place];
            let checked = authority
                .check(leaf, between, Purpose::CodeSigning, first)
                .and_then(|_| authority.check(leaf, between, Purpose::CodeSigning, last));
            match checked {
                Ok(serials) => {
                    let revoked = serials.iter().find_map(|serial| {
                        let reason = revocations?.of_certificate(serial)?;
                        Some(Reason::RevokedCertificate {
                            serial: serial.clone(),
                            reason: reason.to_owned(),
                        })
                    });
                    match revoked {
                        None => authorities.push(*place),
                        Some(reason) => why = Some(reason),
                    }
                }
                Err(error) => why = why.or(Some(Reason::Certificate(error))),
            }
        }
        match authorities.is_empty() {
            true => Err(why.unwrap_or(Reason::Stranger)),
            false => Ok((
                SignedBy {
                    name: leaf.subject_text.clone(),
                    id,
                    key: None,
                    authorities,
                },
                proven,
            )),
        }
    }

    /// The earliest time that a trusted authority proves. A stamp by nobody proves nothing, and harms nothing.
    fn proven(&self, stamps: &[Vec<u8>], signature: &[u8]) -> Option<ProvenTime> {
        let authorities = &self.question.policy.timestamps;
        let times = stamps
            .iter()
            .filter_map(|stamp| timestamp::verify(stamp, signature, authorities).ok());
        times.min_by_key(|time| time.at)
    }

    fn evidence(
        &self,
        found: &Found,
        signed: Signed<'_>,
        claim: &Claim,
        name: Option<&str>,
        claimed_at: Option<Time>,
        expires: Option<&Value>,
    ) -> Result<Vec<Evidence>, Reason> {
        let now = self.question.now;
        if let Some(expires) = expires {
            let end = expires.as_str().and_then(|text| text.parse::<Time>().ok());
            let end =
                end.ok_or_else(|| Reason::Malformed("it has an end that is no time".to_owned()))?;
            if end < now {
                return Err(Reason::Expired(end));
            }
        }
        if let Some(at) = claimed_at.filter(|at| *at > now.plus(CLOCK_SKEW)) {
            return Err(Reason::Future(at));
        }
        let one = |(signer, proven): (SignedBy, Option<ProvenTime>)| Evidence {
            place: found.manifest,
            form: signed.form,
            signer,
            claim: claim.clone(),
            name: name.map(str::to_owned),
            claimed_at,
            proven_at: proven.map(|time| time.at),
        };
        Ok(signed.signers.into_iter().map(one).collect())
    }
}

/// The token in the annotation that cosign writes beside a simple signature.
fn stamp_of(text: &str) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_str(text).ok()?;
    STANDARD
        .decode(value.get("SignedRFC3161Timestamp")?.as_str()?)
        .ok()
}
