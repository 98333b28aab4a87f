//! Paths from a signer's certificate to an authority that is trusted.
//!
//! Source: RFC 5280 section 6. All certificates of a path must be good at one and the same time, the signer's and its issuers'
//! (CVE-2026-24122 was a verifier that looked at the signer's alone).

use super::{Certificate, CertificateError};
use crate::clock::Time;
use crate::policy::Pattern;

/// The longest path, in certificates.
const MAX_DEPTH: usize = 8;

/// How many signatures are checked in the search for one path.
const MAX_CHECKS: usize = 100;

const DIGITAL_SIGNATURE: u8 = 0x80;
const CERTIFICATE_SIGNATURE: u8 = 0x04;

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing images.
    CodeSigning,
    /// Signing time stamps (RFC 3161 section 2.3).
    TimeStamping,
}

impl Purpose {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::CodeSigning => &[0x2b, 6, 1, 5, 5, 7, 3, 3],
            Self::TimeStamping => &[0x2b, 6, 1, 5, 5, 7, 3, 8],
        }
    }
}

/// An authority that is trusted, and whom it may certify.
#[derive(Clone, Debug, PartialEq)]
pub struct Authority {
    /// What people call it.
    pub name: String,
    /// Where paths end.
    pub anchors: Vec<Certificate>,
    /// What may lie between.
    pub intermediates: Vec<Certificate>,
    /// What a signer's subject or one of its other names must be like; no pattern lets everybody in.
    pub subjects: Vec<Pattern>,
}

/// Why a certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No chain of signatures.
    #[error("`{subject}` is not certified by `{authority}`")]
    NoPath {
        /// The signer.
        subject: String,
        /// The authority's name.
        authority: String,
    },
    /// Too early or too late.
    #[error(
        "the certificate of `{subject}` was good from {not_before} to {not_after}, not at {at}"
    )]
    Time {
        /// Whose certificate.
        subject: String,
        /// When it begins.
        not_before: Time,
        /// When it ends.
        not_after: Time,
        /// The time that counts.
        at: Time,
    },
    /// Made for something else.
    #[error("the certificate of `{subject}` is not made for {purpose:?}")]
    Purpose {
        /// Whose certificate.
        subject: String,
        /// What it was used for.
        purpose: Purpose,
    },
    /// Somebody else.
    #[error("`{subject}` is not among those that the policy names for `{authority}`")]
    Subject {
        /// The signer.
        subject: String,
        /// The authority's name.
        authority: String,
    },
}

impl Authority {
    /// An authority of a PEM file: what is self-signed is where paths end, everything else may lie between. A file without a
    /// self-signed certificate ends all paths at what it has.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn from_pem(
        name: &str,
        pem: &[u8],
        subjects: Vec<Pattern>,
    ) -> Result<Self, CertificateError> {
        Ok(Self::new(name, Certificate::from_pem(pem)?, subjects))
    }

    /// The same of certificates.
    #[must_use]
    pub fn new(name: &str, certificates: Vec<Certificate>, subjects: Vec<Pattern>) -> Self {
        let is_root = |one: &Certificate| one.issuer == one.subject && one.is_signed_by(&one.key);
        let (mut anchors, mut intermediates): (Vec<_>, Vec<_>) =
            certificates.into_iter().partition(is_root);
        if anchors.is_empty() {
            std::mem::swap(&mut anchors, &mut intermediates);
        }
        Self {
            name: name.to_owned(),
            anchors,
            intermediates,
            subjects,
        }
    }

    /// Checks that `leaf` may be used for `purpose` at `at`, with the help of certificates that nobody vouches for. Gives the serial
    /// numbers of the path, the leaf's first.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn check(
        &self,
        leaf: &Certificate,
        between: &[Certificate],
        purpose: Purpose,
        at: Time,
    ) -> Result<Vec<String>, PathError> {
        let subject = leaf.subject_text.clone();
        is_for(leaf, purpose)?;
        let is_named = |pattern: &Pattern| {
            pattern.matches(&subject)
                || leaf
                    .alternative_names
                    .iter()
                    .any(|name| pattern.matches(name))
        };
        if !self.subjects.is_empty() && !self.subjects.iter().any(is_named) {
            return Err(PathError::Subject {
                subject,
                authority: self.name.clone(),
            });
        }
        let mut search = Search {
            authority: self,
            between,
            at,
            checks: 0,
            late: None,
        };
        let mut path = vec![leaf];
        if search.extend(&mut path) {
            return Ok(path.iter().map(|one| one.serial_text()).collect());
        }
        Err(search.late.unwrap_or(PathError::NoPath {
            subject,
            authority: self.name.clone(),
        }))
    }
}

struct Search<'a> {
    authority: &'a Authority,
    between: &'a [Certificate],
    at: Time,
    checks: usize,
    /// A path that fails for its time is a better reason than none.
    late: Option<PathError>,
}

impl<'a> Search<'a> {
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let last = path[path.len() - 1];
        if let Err(late) = is_in_time(last, self.at) {
            self.late = Some(late);
            return false;
        }
        let authority = self.authority;
        if authority
            .anchors
            .iter()
            .any(|anchor| anchor.der() == last.der())
        {
            return true;
        }
        if path.len() >= MAX_DEPTH {
            return false;
        }
        let known = authority.anchors.iter().chain(&authority.intermediates);
        for issuer in known.chain(self.between) {
            if issuer.subject != last.issuer
                || !may_issue(issuer, path.len() - 1)
                || path.iter().any(|one| one.der() == issuer.der())
            {
                continue;
            }
            self.checks += 1;
            if self.checks > MAX_CHECKS {
                return false;
            }
            if !last.is_signed_by(&issuer.key) {
                continue;
            }
            path.push(issuer);
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }
}

/// Whether a certificate may issue one below which there are `below` further authorities.
fn may_issue(issuer: &Certificate, below: usize) -> bool {
    let Some(length) = issuer.authority else {
        return false;
    };
    let is_short = length.is_none_or(|most| below as u64 <= most);
    is_short
        && issuer
            .usage
            .is_none_or(|usage| usage & CERTIFICATE_SIGNATURE != 0)
}

fn is_in_time(certificate: &Certificate, at: Time) -> Result<(), PathError> {
    if certificate.not_before <= at && at <= certificate.not_after {
        return Ok(());
    }
    Err(PathError::Time {
        subject: certificate.subject_text.clone(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        at,
    })
}

fn is_for(leaf: &Certificate, purpose: Purpose) -> Result<(), PathError> {
    let may_sign = leaf
        .usage
        .is_none_or(|usage| usage & DIGITAL_SIGNATURE != 0);
    let fits = leaf
        .purposes
        .as_ref()
        .is_some_and(|(purposes, critical)| match purpose {
            Purpose::CodeSigning => purposes.iter().any(|one| one == purpose.oid()),
            // RFC 3161: this purpose alone, and critical.
            Purpose::TimeStamping => {
                *critical && purposes.len() == 1 && purposes[0] == purpose.oid()
            }
        });
    if may_sign && fits && leaf.authority.is_none() {
        return Ok(());
    }
    Err(PathError::Purpose {
        subject: leaf.subject_text.clone(),
        purpose,
    })
}
