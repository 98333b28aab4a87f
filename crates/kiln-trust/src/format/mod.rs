//! The documents that signatures and attestations are: read from bytes that nobody vouches for, written as others read them.

pub mod bundle;
pub mod dsse;
pub mod simple;
pub mod statement;

/// Media types and annotations of these documents.
pub mod names {
    /// A Sigstore bundle, version 0.3.
    pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    /// What all versions of a Sigstore bundle's media type begin with.
    pub const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
    /// A bare DSSE envelope, as cosign's older attestations have it.
    pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
    /// The payload of simple signing.
    pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// An in-toto statement.
    pub const IN_TOTO: &str = "application/vnd.in-toto+json";
    /// The signature of a simple signing payload: an annotation of its layer.
    pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
    /// The certificate beside it.
    pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
    /// The chain of that certificate.
    pub const CHAIN: &str = "dev.sigstore.cosign/chain";
    /// The time stamp beside it.
    pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
    /// The predicate of a bundle, as an annotation: a hint that nothing relies on.
    pub const PREDICATE_HINT: &str = "dev.sigstore.bundle.predicateType";
    /// What is in a bundle, as an annotation.
    pub const CONTENT_HINT: &str = "dev.sigstore.bundle.content";
    /// kiln's hint: the id of the key that signed a referrer, so that it is looked at first. Nothing relies on it.
    pub const KEY_HINT: &str = "dev.kiln.trust.key";
    /// When a signer says that it signed, in what it signed.
    pub const SIGNED_AT: &str = "dev.kiln.trust.signed-at";
    /// Until when a signature is good, in what is signed.
    pub const EXPIRES: &str = "dev.kiln.trust.expires";
    /// When a manifest was made.
    pub const CREATED: &str = "org.opencontainers.image.created";
}
