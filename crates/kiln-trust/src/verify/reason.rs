//! Why something that was found does not count. Exact, and never more than one reads in a line.

use kiln_oci::Digest;

use crate::clock::Time;
use crate::x509::PathError;

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It could not be fetched.
    #[error("it cannot be fetched: {0}")]
    Fetch(String),
    /// It is too large to be looked at.
    #[error("it has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// What it announces, in bytes.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// It is not what its digest says.
    #[error("the registry sent something else than its digest says")]
    Digest,
    /// It is no signature at all.
    #[error("it is not a signature ({0})")]
    Other(String),
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// Nobody whom the policy names signed it.
    #[error("it is signed by nobody whom the policy names")]
    Stranger,
    /// Another thing was signed.
    #[error("it is about {0}, not about this image")]
    OtherImage(String),
    /// Another size or media type was signed.
    #[error("it is about a manifest of another {0}")]
    OtherManifest(&'static str),
    /// The signer's key is called back.
    #[error("the key `{name}` is revoked{}", because(reason))]
    RevokedKey {
        /// The key's name.
        name: String,
        /// Why it is.
        reason: String,
    },
    /// The signer's certificate is called back.
    #[error("the certificate {serial} is revoked{}", because(reason))]
    RevokedCertificate {
        /// Its serial number.
        serial: String,
        /// Why it is.
        reason: String,
    },
    /// The evidence itself is called back.
    #[error("{digest} is revoked{}", because(reason))]
    RevokedDigest {
        /// The manifest.
        digest: Digest,
        /// Why it is.
        reason: String,
    },
    /// The key was not good then.
    #[error("the key `{name}` is not good at {at}")]
    KeyTime {
        /// The key's name.
        name: String,
        /// The time that counts.
        at: Time,
    },
    /// The certificate is not believed.
    #[error(transparent)]
    Certificate(#[from] PathError),
    /// It has ended.
    #[error("it ended on {0}")]
    Expired(Time),
    /// It says that it was made later than now.
    #[error("it claims to be of {0}, which is in the future")]
    Future(Time),
    /// It is too old.
    #[error("it is of {at}, which is more than {max_age} seconds ago")]
    Old {
        /// When it was made.
        at: Time,
        /// The bound in seconds.
        max_age: i64,
    },
    /// Nothing says when it was made.
    #[error("nothing says when it was made, and its age is limited")]
    NoTime,
    /// Another name was signed.
    #[error("it was made for `{found}`, not for `{wanted}`")]
    OtherName {
        /// What the signer called it.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// No name was signed.
    #[error("it names no repository, and the policy wants one")]
    NoName,
    /// The signer is not in the role.
    #[error("`{signer}` is not in the role `{role}`")]
    Role {
        /// Who signed.
        signer: String,
        /// Who should have.
        role: String,
    },
    /// A statement does not meet a condition.
    #[error("{0}")]
    Condition(String),
    /// A claim is missing or different.
    #[error("the annotation `{name}` is not `{wanted}`")]
    Annotation {
        /// Which claim.
        name: String,
        /// What it should be.
        wanted: String,
    },
}

impl Reason {
    /// A word for programs; it does not change between versions.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "fetch",
            Self::TooLarge { .. } => "too-large",
            Self::Digest => "digest",
            Self::Other(_) => "other",
            Self::Malformed(_) => "malformed",
            Self::Stranger => "stranger",
            Self::OtherImage(_) | Self::OtherManifest(_) => "other-image",
            Self::RevokedKey { .. } => "revoked-key",
            Self::RevokedCertificate { .. } => "revoked-certificate",
            Self::RevokedDigest { .. } => "revoked-digest",
            Self::KeyTime { .. } => "key-time",
            Self::Certificate(_) => "certificate",
            Self::Expired(_) => "expired",
            Self::Future(_) => "future",
            Self::Old { .. } => "old",
            Self::NoTime => "no-time",
            Self::OtherName { .. } | Self::NoName => "name",
            Self::Role { .. } => "role",
            Self::Condition(_) => "condition",
            Self::Annotation { .. } => "annotation",
        }
    }
}

fn because(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    }
}
