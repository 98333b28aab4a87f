//! Private keys in memory.
//!
//! What is secret is wiped when it is dropped: the numbers by the crates that hold them, the DER by us. The one exception is
//! the form that ring keeps of an RSA key while it is in use.
//!
//! Sources: RFC 5208 and 5958 (PKCS #8), RFC 5915 (elliptic curves), RFC 8017 appendix A (RSA), RFC 8410 (Ed25519).

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature as r;
use zeroize::Zeroizing;

use super::public::{OID_EC, OID_ED25519, OID_P256, OID_P384, OID_RSA, curve};
use super::{InvalidKey, KeyKind, PublicKey, Scheme, Signer, SignerError};
use crate::der::{self, DerError, Reader, tag};
use crate::pem::{self, PemError};

/// Kinds of keys that can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generate {
    /// ECDSA P-256, which everything verifies.
    #[default]
    P256,
    /// ECDSA P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

/// A private key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PrivateKeyError {
    /// Not PEM.
    #[error("it is not a private key")]
    Pem(#[from] PemError),
    /// PEM of something else.
    #[error("it is `{0}`, not a private key")]
    Label(String),
    /// A form of encryption that kiln does not read.
    #[error(
        "it is encrypted in a way that only OpenSSL's tools read; `openssl pkcs8 -in KEY` decrypts it for `kiln key import`"
    )]
    Encrypted,
    /// Not DER.
    #[error("the private key is damaged")]
    Der(#[from] DerError),
    /// An algorithm that kiln cannot sign with.
    #[error(
        "private keys of this algorithm cannot be used: P-256, P-384, Ed25519 and RSA of 2048 to 4096 bits can"
    )]
    Algorithm,
    /// Numbers that are no key.
    #[error("the private key is not valid: {0}")]
    Invalid(String),
}

impl From<InvalidKey> for PrivateKeyError {
    fn from(error: InvalidKey) -> Self {
        match error {
            InvalidKey::Der(error) => Self::Der(error),
            InvalidKey::Algorithm => Self::Algorithm,
            other => Self::Invalid(other.to_string()),
        }
    }
}

/// A private key. It has no text form that shows more than its id.
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Box<r::RsaKeyPair>),
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// [`PrivateKeyError::Invalid`] if the system gives no random numbers.
    pub fn generate(kind: Generate) -> Result<Self, PrivateKeyError> {
        let size = if kind == Generate::P384 { 48 } else { 32 };
        let random = SystemRandom::new();
        // A number above the order of the curve, which is no key, comes once in 2^32 times on P-256.
        for _ in 0..8 {
            let mut number = Zeroizing::new(vec![0; size]);
            random.fill(&mut number).map_err(|_| {
                PrivateKeyError::Invalid("the system gives no random numbers".to_owned())
            })?;
            let made = match kind {
                Generate::P256 => Self::of_number(KeyKind::P256, &number),
                Generate::P384 => Self::of_number(KeyKind::P384, &number),
                Generate::Ed25519 => Self::of_number(KeyKind::Ed25519, &number),
            };
            if made.is_ok() {
                return made;
            }
        }
        Err(PrivateKeyError::Invalid(
            "the random numbers of the system are no keys".to_owned(),
        ))
    }

    /// Reads PEM with one private key that is not encrypted: PKCS #8, or OpenSSL's older forms for curves and RSA.
    ///
    /// # Errors
    /// See [`PrivateKeyError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, PrivateKeyError> {
        let blocks = pem::decode(text)?;
        // OpenSSL writes the curve's parameters before a key of the old form.
        let block = blocks.iter().find(|block| block.label != "EC PARAMETERS");
        let block = block.ok_or(PrivateKeyError::Pem(PemError::None))?;
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&block.content),
            "EC PRIVATE KEY" => {
                let mut key = Reader::document(&block.content)?;
                key.small()?;
                key.take(tag::OCTET_STRING)?;
                let mut parameters = key.nested(0xa0)?;
                let oid = parameters.whole(tag::OID)?;
                Self::from_pkcs8(&wrap(OID_EC, oid, &block.content))
            }
            "RSA PRIVATE KEY" => Self::from_pkcs8(&wrap(OID_RSA, &[tag::NULL, 0], &block.content)),
            "ENCRYPTED PRIVATE KEY" => Err(PrivateKeyError::Encrypted),
            other => Err(PrivateKeyError::Label(other.to_owned())),
        }
    }

    /// Reads PKCS #8.
    ///
    /// # Errors
    /// See [`PrivateKeyError`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut outer = Reader::document(der)?;
        outer.small()?;
        let mut algorithm = outer.nested(tag::SEQUENCE)?;
        let key = outer.take(tag::OCTET_STRING)?;
        match algorithm.take(tag::OID)? {
            OID_EC => {
                let kind = curve(algorithm.take(tag::OID)?)?;
                let mut key = Reader::document(key)?;
                key.small()?;
                Self::of_number(kind, key.take(tag::OCTET_STRING)?)
            }
            OID_ED25519 => {
                let mut key = Reader::new(key);
                Self::of_number(KeyKind::Ed25519, key.take(tag::OCTET_STRING)?)
            }
            OID_RSA => Self::rsa(der),
            _ => Err(PrivateKeyError::Algorithm),
        }
    }

    fn of_number(kind: KeyKind, number: &[u8]) -> Result<Self, PrivateKeyError> {
        let invalid = || PrivateKeyError::Invalid("the number is out of range".to_owned());
        match kind {
            KeyKind::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(number).map_err(|_| invalid())?;
                let point = key.verifying_key().to_encoded_point(false);
                let pkcs8 = on_curve(OID_P256, number, point.as_bytes());
                let public = PublicKey::of_point(kind, point.as_bytes());
                Ok(Self {
                    pkcs8,
                    secret: Secret::P256(Box::new(key)),
                    public,
                })
            }
            KeyKind::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(number).map_err(|_| invalid())?;
                let point = key.verifying_key().to_encoded_point(false);
                let pkcs8 = on_curve(OID_P384, number, point.as_bytes());
                let public = PublicKey::of_point(kind, point.as_bytes());
                Ok(Self {
                    pkcs8,
                    secret: Secret::P384(Box::new(key)),
                    public,
                })
            }
            KeyKind::Ed25519 => {
                let seed = Zeroizing::new(<[u8; 32]>::try_from(number).map_err(|_| invalid())?);
                let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                let inner = Zeroizing::new(der::element(tag::OCTET_STRING, number));
                let pkcs8 = Zeroizing::new(wrap(OID_ED25519, &[], &inner));
                let public = PublicKey::of_point(kind, key.verifying_key().as_bytes());
                Ok(Self {
                    pkcs8,
                    secret: Secret::Ed25519(Box::new(key)),
                    public,
                })
            }
            KeyKind::P521 | KeyKind::Rsa(_) => Err(PrivateKeyError::Algorithm),
        }
    }

    fn rsa(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let pair = r::RsaKeyPair::from_pkcs8(der)
            .map_err(|error| PrivateKeyError::Invalid(error.to_string()))?;
        let raw = r::KeyPair::public_key(&pair).as_ref().to_vec();
        let bits = u16::try_from(pair.public().modulus_len() * 8)
            .map_err(|_| PrivateKeyError::Algorithm)?;
        let public = PublicKey::from_spki(PublicKey::of_point(KeyKind::Rsa(bits), &raw).spki())?;
        let pkcs8 = Zeroizing::new(der.to_vec());
        Ok(Self {
            pkcs8,
            secret: Secret::Rsa(Box::new(pair)),
            public,
        })
    }

    /// PKCS #8 in DER, to be encrypted.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl Signer for PrivateKey {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign_with(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match (&self.secret, scheme) {
            (Secret::P256(key), Scheme::EcdsaSha256) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            (Secret::P384(key), Scheme::EcdsaSha384) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            (Secret::Ed25519(key), Scheme::Ed25519) => Ok(key.sign(message).to_bytes().to_vec()),
            (Secret::Rsa(key), scheme) => {
                rsa_sign(key, scheme, message).ok_or(SignerError::Scheme {
                    kind: self.public.kind(),
                    scheme,
                })
            }
            _ => Err(SignerError::Scheme {
                kind: self.public.kind(),
                scheme,
            }),
        }
    }
}

fn rsa_sign(key: &r::RsaKeyPair, scheme: Scheme, message: &[u8]) -> Option<Vec<u8>> {
    let padding: &dyn r::RsaEncoding = match scheme {
        Scheme::RsaPkcs1Sha256 => &r::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1Sha384 => &r::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1Sha512 => &r::RSA_PKCS1_SHA512,
        Scheme::RsaPssSha256 => &r::RSA_PSS_SHA256,
        Scheme::RsaPssSha384 => &r::RSA_PSS_SHA384,
        Scheme::RsaPssSha512 => &r::RSA_PSS_SHA512,
        _ => return None,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &SystemRandom::new(), message, &mut signature)
        .ok()?;
    Some(signature)
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey of {:?}", self.public)
    }
}

/// PKCS #8 of a key on a curve, with its public key, as Go and OpenSSL write it.
fn on_curve(oid: &[u8], number: &[u8], point: &[u8]) -> Zeroizing<Vec<u8>> {
    let number = Zeroizing::new(der::element(tag::OCTET_STRING, number));
    let public = der::element(0xa1, &der::bits(point));
    let key = Zeroizing::new(der::sequence(&[&[tag::INTEGER, 1, 1], &number, &public]));
    Zeroizing::new(wrap(OID_EC, &der::element(tag::OID, oid), &key))
}

fn wrap(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::element(tag::OID, algorithm), parameters]);
    let key = Zeroizing::new(der::element(tag::OCTET_STRING, key));
    der::sequence(&[&[tag::INTEGER, 1, 0], &algorithm, &key])
}
