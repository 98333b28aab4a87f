//! Public keys, their ids, and what they accept.
//!
//! Sources: RFC 5280 section 4.1.2.7 (SubjectPublicKeyInfo), RFC 5480 (elliptic curves), RFC 8017 (RSA), RFC 8410
//! (Ed25519).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p521::ecdsa::signature::Verifier as _;
use ring::digest::{SHA256, digest};
use ring::signature as r;

use super::ed25519ph;
use crate::der::{self, DerError, Reader, tag};
use crate::pem::{self, PemError};

pub(super) const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(super) const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(super) const OID_P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
pub(super) const OID_P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];
pub(super) const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
pub(super) const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// The largest key that is read, in bytes: RSA with 8192 bits.
const MAX_SPKI: usize = 1200;

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA with so many bits.
    Rsa(u16),
}

impl KeyKind {
    /// How keys of this kind sign for Sigstore's formats. The key decides, never the envelope.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Self::P256 => Scheme::EcdsaSha256,
            Self::P384 => Scheme::EcdsaSha384,
            Self::P521 => Scheme::EcdsaSha512,
            Self::Ed25519 => Scheme::Ed25519,
            Self::Rsa(_) => Scheme::RsaPkcs1Sha256,
        }
    }

    /// The length of one coordinate in bytes, for keys on curves that ECDSA uses.
    #[must_use]
    pub fn coordinate(self) -> Option<usize> {
        match self {
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::P521 => Some(66),
            Self::Ed25519 | Self::Rsa(_) => None,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
        }
    }
}

/// How a message is hashed and signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// ECDSA with SHA-256, DER.
    EcdsaSha256,
    /// ECDSA with SHA-384, DER.
    EcdsaSha384,
    /// ECDSA with SHA-512, DER.
    EcdsaSha512,
    /// Pure Ed25519.
    Ed25519,
    /// Ed25519 of a SHA-512 hash. Verified only.
    Ed25519Ph,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// RSASSA-PSS with SHA-256.
    RsaPssSha256,
    /// RSASSA-PSS with SHA-384.
    RsaPssSha384,
    /// RSASSA-PSS with SHA-512.
    RsaPssSha512,
}

/// SHA-256 of a key's SubjectPublicKeyInfo. Written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// As it stands in a Sigstore bundle: base64.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The first 16 hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for KeyId {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let digest: kiln_oci::Digest = format!("sha256:{text}")
            .parse()
            .map_err(|_| InvalidKey::Id)?;
        digest
            .as_bytes()
            .try_into()
            .map(Self)
            .map_err(|_| InvalidKey::Id)
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What is no key, or none that is used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not PEM.
    #[error("it is not a public key")]
    Pem(#[from] PemError),
    /// PEM of something else.
    #[error("it is `{0}`, not a public key")]
    Label(String),
    /// Not DER.
    #[error("the public key is damaged")]
    Der(#[from] DerError),
    /// An algorithm or a curve that nothing here knows.
    #[error("keys of this algorithm are not known: P-256, P-384, P-521, Ed25519 and RSA are")]
    Algorithm,
    /// RSA that is too short to trust or absurdly long.
    #[error("an RSA key of {0} bits: 2048 to 8192 are accepted")]
    RsaSize(usize),
    /// Not 64 hexadecimal digits.
    #[error("the id of a key is 64 hexadecimal digits")]
    Id,
}

/// A public key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    kind: KeyKind,
    /// What ring takes: a point, 32 bytes, or an `RSAPublicKey`.
    raw: Vec<u8>,
}

/// Another name, for those who import it beside other things that are called keys.
pub type Key = PublicKey;

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, InvalidKey> {
        if spki.len() > MAX_SPKI {
            return Err(InvalidKey::RsaSize(spki.len() * 8));
        }
        let mut outer = Reader::document(spki)?;
        let mut algorithm = outer.nested(tag::SEQUENCE)?;
        let raw = outer.bits()?;
        outer.end()?;
        let kind = match algorithm.take(tag::OID)? {
            OID_EC => {
                let kind = curve(algorithm.take(tag::OID)?)?;
                let size = kind.coordinate().unwrap_or(0);
                if raw.len() != 1 + 2 * size || raw[0] != 4 {
                    return Err(InvalidKey::Der(DerError::Form(
                        "a point that is not uncompressed",
                    )));
                }
                kind
            }
            OID_ED25519 if raw.len() == 32 => KeyKind::Ed25519,
            OID_RSA => {
                algorithm.take(tag::NULL)?;
                let mut numbers = Reader::document(raw)?;
                let bits = bit_length(numbers.unsigned()?);
                numbers.unsigned()?;
                numbers.end()?;
                if !(2048..=8192).contains(&bits) {
                    return Err(InvalidKey::RsaSize(bits));
                }
                KeyKind::Rsa(u16::try_from(bits).map_err(|_| InvalidKey::RsaSize(bits))?)
            }
            _ => return Err(InvalidKey::Algorithm),
        };
        algorithm.end()?;
        Ok(Self {
            spki: spki.to_vec(),
            kind,
            raw: raw.to_vec(),
        })
    }

    /// Reads PEM with one public key, `PUBLIC KEY`.
    ///
    /// # Errors
    /// See [`InvalidKey`].
    pub fn from_pem(text: &[u8]) -> Result<Self, InvalidKey> {
        let blocks = pem::decode(text)?;
        let block = &blocks[0];
        match block.label.as_str() {
            "PUBLIC KEY" => Self::from_spki(&block.content),
            "RSA PUBLIC KEY" => Self::from_spki(&wrap(OID_RSA, &[tag::NULL, 0], &block.content)),
            other => Err(InvalidKey::Label(other.to_owned())),
        }
    }

    pub(crate) fn of_point(kind: KeyKind, point: &[u8]) -> Self {
        let (algorithm, curve) = match kind {
            KeyKind::P256 => (OID_EC, OID_P256),
            KeyKind::P384 => (OID_EC, OID_P384),
            KeyKind::P521 => (OID_EC, OID_P521),
            KeyKind::Ed25519 => (OID_ED25519, &[][..]),
            KeyKind::Rsa(_) => (OID_RSA, &[][..]),
        };
        let parameters = match kind {
            KeyKind::Ed25519 => vec![],
            KeyKind::Rsa(_) => vec![tag::NULL, 0],
            _ => der::element(tag::OID, curve),
        };
        Self {
            spki: wrap(algorithm, &parameters, point),
            kind,
            raw: point.to_vec(),
        }
    }

    /// The SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// As PEM, which every tool reads.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki)
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Its id: the same for every text that the key stands in.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = digest(&SHA256, &self.spki);
        KeyId(
            hash.as_ref()
                .try_into()
                .expect("because SHA-256 gives 32 bytes"),
        )
    }

    /// Whether `signature` is this key's of `message`, in the way that Sigstore's formats have it: the key's own
    /// [scheme](KeyKind::scheme), and for Ed25519 also cosign's hashed variant.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies_with(self.kind.scheme(), message, signature)
            || self.kind == KeyKind::Ed25519
                && self.verifies_with(Scheme::Ed25519Ph, message, signature)
    }

    /// Whether `signature` is this key's of `message` by `scheme`. A scheme of another kind of key is a no.
    #[must_use]
    pub fn verifies_with(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn r::VerificationAlgorithm = match (self.kind, scheme) {
            (KeyKind::P256, Scheme::EcdsaSha256) => &r::ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Scheme::EcdsaSha384) => &r::ECDSA_P256_SHA384_ASN1,
            (KeyKind::P384, Scheme::EcdsaSha256) => &r::ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Scheme::EcdsaSha384) => &r::ECDSA_P384_SHA384_ASN1,
            (KeyKind::P521, Scheme::EcdsaSha512) => return p521(&self.raw, message, signature),
            (KeyKind::Ed25519, Scheme::Ed25519) => &r::ED25519,
            (KeyKind::Ed25519, Scheme::Ed25519Ph) => {
                let key = self.raw.as_slice().try_into();
                return key.is_ok_and(|key| ed25519ph::verify(key, message, signature));
            }
            (KeyKind::Rsa(_), Scheme::RsaPkcs1Sha256) => &r::RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa(_), Scheme::RsaPkcs1Sha384) => &r::RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa(_), Scheme::RsaPkcs1Sha512) => &r::RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::Rsa(_), Scheme::RsaPssSha256) => &r::RSA_PSS_2048_8192_SHA256,
            (KeyKind::Rsa(_), Scheme::RsaPssSha384) => &r::RSA_PSS_2048_8192_SHA384,
            (KeyKind::Rsa(_), Scheme::RsaPssSha512) => &r::RSA_PSS_2048_8192_SHA512,
            _ => return false,
        };
        r::UnparsedPublicKey::new(algorithm, &self.raw)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind, self.id().short())
    }
}

fn wrap(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = der::element(tag::OID, algorithm);
    der::sequence(&[&der::sequence(&[&algorithm, parameters]), &der::bits(key)])
}

pub(super) fn curve(oid: &[u8]) -> Result<KeyKind, InvalidKey> {
    match oid {
        OID_P256 => Ok(KeyKind::P256),
        OID_P384 => Ok(KeyKind::P384),
        OID_P521 => Ok(KeyKind::P521),
        _ => Err(InvalidKey::Algorithm),
    }
}

fn bit_length(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn p521(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point);
    let signature = p521::ecdsa::Signature::from_der(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
}
