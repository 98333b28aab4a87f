//! A private key from a file, and signing with it.
//!
//! Sources: OpenSSH, `PROTOCOL.key`, for its own format; RFC 8017 (PKCS #1), RFC 5915 (EC) and RFC 5958 (PKCS #8) for
//! the others, which ring reads; RFC 8709, RFC 5656 and RFC 8332 for public keys and signatures on the wire.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
};

use super::wire::{Reader, mpint, string};
use super::{pem, rsa};

/// What OpenSSH's format begins with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The flags of a request that choose RSA's hash. Source: `draft-ietf-sshm-ssh-agent`, section 5.7.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// Why a file is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no private key in it.
    #[error("it holds no private key in a form that is known (OpenSSH, PKCS #1, PKCS #8, EC)")]
    NotAKey,
    /// A passphrase would be needed.
    #[error("the key is protected by a passphrase")]
    Encrypted,
    /// A kind of key that kiln cannot sign with.
    #[error("keys of type {0} are not supported")]
    Type(String),
    /// The key contradicts itself, is cut short, or is too weak to be used.
    #[error("the key cannot be used: {0}")]
    Damaged(String),
}

/// A private key that is not encrypted.
#[derive(Debug)]
pub struct SshKey {
    pair: Pair,
    public: Vec<u8>,
    comment: String,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(Curve, EcdsaKeyPair),
    Rsa(Box<ring::rsa::KeyPair>),
}

/// The curves that both ssh and ring know.
#[derive(Debug, Clone, Copy)]
struct Curve {
    name: &'static str,
    algorithm: &'static EcdsaSigningAlgorithm,
    /// Bytes of a private key, and of half a signature.
    length: usize,
    /// The DER of its object identifier. Source: RFC 5480, section 2.1.1.1.
    oid: &'static [u8],
}

const CURVES: [Curve; 2] = [
    Curve {
        name: "nistp256",
        algorithm: &ECDSA_P256_SHA256_FIXED_SIGNING,
        length: 32,
        oid: &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    },
    Curve {
        name: "nistp384",
        algorithm: &ECDSA_P384_SHA384_FIXED_SIGNING,
        length: 48,
        oid: &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
    },
];

impl SshKey {
    /// Reads a key file. `name` is the key's comment where the file has none.
    ///
    /// # Errors
    /// If it holds no private key, an encrypted one, or one that cannot be used.
    pub fn parse(file: &[u8], name: &str) -> Result<Self, KeyError> {
        let pem = pem::decode(file).ok_or(KeyError::NotAKey)?;
        if pem.encrypted || pem.label == "ENCRYPTED PRIVATE KEY" {
            return Err(KeyError::Encrypted);
        }
        let (pair, comment) = match &*pem.label {
            "OPENSSH PRIVATE KEY" => openssh(&pem.content)?,
            "RSA PRIVATE KEY" => {
                let pair = ring::rsa::KeyPair::from_der(&pem.content).map_err(rejected)?;
                (Pair::Rsa(Box::new(pair)), String::new())
            }
            "EC PRIVATE KEY" => (sec1(&pem.content)?, String::new()),
            "PRIVATE KEY" => (pkcs8(&pem.content)?, String::new()),
            label => return Err(KeyError::Type(format!("\u{201c}{label}\u{201d}"))),
        };
        Ok(Self {
            public: pair.public(),
            pair,
            comment: match comment.is_empty() {
                true => name.to_owned(),
                false => comment,
            },
        })
    }

    /// The public key as it goes over the wire.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// What the key is called.
    pub(super) fn comment(&self) -> &str {
        &self.comment
    }

    /// Signs `data`; `None` if the flags ask for something that is not done: RSA with SHA-1, which OpenSSH has not
    /// taken since 8.8.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let mut signature = vec![];
        match &self.pair {
            Pair::Ed25519(pair) => {
                string(&mut signature, b"ssh-ed25519");
                string(&mut signature, pair.sign(data).as_ref());
            }
            Pair::Ecdsa(curve, pair) => {
                let fixed = pair.sign(&SystemRandom::new(), data).ok()?;
                let (r, s) = fixed.as_ref().split_at_checked(curve.length)?;
                let mut both = vec![];
                mpint(&mut both, r);
                mpint(&mut both, s);
                string(
                    &mut signature,
                    format!("ecdsa-sha2-{}", curve.name).as_bytes(),
                );
                string(&mut signature, &both);
            }
            Pair::Rsa(pair) => {
                let (name, padding) = match flags {
                    flags if flags & RSA_SHA2_512 != 0 => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
                    flags if flags & RSA_SHA2_256 != 0 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
                    _ => return None,
                };
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), data, &mut bytes)
                    .ok()?;
                string(&mut signature, name.as_bytes());
                string(&mut signature, &bytes);
            }
        }
        Some(signature)
    }
}

impl Pair {
    fn public(&self) -> Vec<u8> {
        let mut public = vec![];
        match self {
            Self::Ed25519(pair) => {
                string(&mut public, b"ssh-ed25519");
                string(&mut public, pair.public_key().as_ref());
            }
            Self::Ecdsa(curve, pair) => {
                string(&mut public, format!("ecdsa-sha2-{}", curve.name).as_bytes());
                string(&mut public, curve.name.as_bytes());
                string(&mut public, pair.public_key().as_ref());
            }
            Self::Rsa(pair) => {
                let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                string(&mut public, b"ssh-rsa");
                mpint(&mut public, &parts.e);
                mpint(&mut public, &parts.n);
            }
        }
        public
    }
}

fn rejected(error: ring::error::KeyRejected) -> KeyError {
    KeyError::Damaged(error.to_string())
}

fn cut() -> KeyError {
    KeyError::Damaged("it ends too early".to_owned())
}

/// A key in OpenSSH's own format, and its comment.
fn openssh(content: &[u8]) -> Result<(Pair, String), KeyError> {
    let mut reader = Reader(content.strip_prefix(MAGIC).ok_or(KeyError::NotAKey)?);
    let cipher = reader.string().ok_or_else(cut)?;
    if cipher != b"none" {
        return Err(KeyError::Encrypted);
    }
    let (_derivation, _its_options) = (
        reader.string().ok_or_else(cut)?,
        reader.string().ok_or_else(cut)?,
    );
    if reader.number().ok_or_else(cut)? != 1 {
        return Err(KeyError::Damaged("it is not one key".to_owned()));
    }
    let _public = reader.string().ok_or_else(cut)?;
    let mut secret = Reader(reader.string().ok_or_else(cut)?);
    if secret.number().ok_or_else(cut)? != secret.number().ok_or_else(cut)? {
        return Err(KeyError::Damaged("its check numbers differ".to_owned()));
    }
    let kind = String::from_utf8_lossy(secret.string().ok_or_else(cut)?).into_owned();
    let pair = match kind.split_once("ecdsa-sha2-") {
        Some(("", curve)) => openssh_ecdsa(&mut secret, curve)?,
        _ if kind == "ssh-ed25519" => openssh_ed25519(&mut secret)?,
        _ if kind == "ssh-rsa" => {
            let pair = rsa::from_openssh(&mut secret).ok_or_else(cut)?;
            Pair::Rsa(Box::new(pair.map_err(rejected)?))
        }
        _ => return Err(KeyError::Type(kind)),
    };
    let comment = secret.string().ok_or_else(cut)?;
    Ok((pair, String::from_utf8_lossy(comment).into_owned()))
}

fn openssh_ed25519(secret: &mut Reader<'_>) -> Result<Pair, KeyError> {
    let public = secret.string().ok_or_else(cut)?;
    // The seed, and the public key once more.
    let seed = secret
        .string()
        .and_then(|both| both.get(..32))
        .ok_or_else(cut)?;
    let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(rejected)?;
    Ok(Pair::Ed25519(pair))
}

fn openssh_ecdsa(secret: &mut Reader<'_>, name: &str) -> Result<Pair, KeyError> {
    let curve = CURVES.into_iter().find(|curve| curve.name == name);
    let curve = curve.ok_or_else(|| KeyError::Type(format!("ecdsa-sha2-{name}")))?;
    let _name = secret.string().ok_or_else(cut)?;
    let (public, number) = (
        secret.string().ok_or_else(cut)?,
        secret.mpint().ok_or_else(cut)?,
    );
    let zeros = curve.length.checked_sub(number.len());
    let zeros = zeros.ok_or_else(|| KeyError::Damaged("its number is too large".to_owned()))?;
    let padded = [&vec![0; zeros], number].concat();
    let random = SystemRandom::new();
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm, &padded, public, &random);
    Ok(Pair::Ecdsa(curve, pair.map_err(rejected)?))
}

fn pkcs8(content: &[u8]) -> Result<Pair, KeyError> {
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(content) {
        return Ok(Pair::Ed25519(pair));
    }
    if let Some(pair) = pkcs8_ecdsa(content) {
        return Ok(pair);
    }
    match ring::rsa::KeyPair::from_pkcs8(content) {
        Ok(pair) => Ok(Pair::Rsa(Box::new(pair))),
        Err(error) => Err(rejected(error)),
    }
}

fn pkcs8_ecdsa(content: &[u8]) -> Option<Pair> {
    CURVES.into_iter().find_map(|curve| {
        let pair = EcdsaKeyPair::from_pkcs8(curve.algorithm, content, &SystemRandom::new());
        Some(Pair::Ecdsa(curve, pair.ok()?))
    })
}

/// RFC 5915's structure is what PKCS #8 wraps for such a key; ring reads only the wrapped one.
fn sec1(content: &[u8]) -> Result<Pair, KeyError> {
    const EC_PUBLIC_KEY: [u8; 9] = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const VERSION_0: [u8; 3] = [0x02, 0x01, 0x00];
    let wrapped = CURVES.into_iter().find_map(|curve| {
        let algorithm = der(0x30, &[&EC_PUBLIC_KEY[..], curve.oid].concat())?;
        let key = der(0x04, content)?;
        pkcs8_ecdsa(&der(0x30, &[&VERSION_0[..], &algorithm, &key].concat())?)
    });
    wrapped.ok_or_else(|| KeyError::Type("EC on another curve than P-256 and P-384".to_owned()))
}

/// One element of DER, of up to 64 KiB. Source: X.690, section 8.1.3.
fn der(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok()?.to_be_bytes();
    let head: &[u8] = match (length[0], length[1]) {
        (0, short) if short < 0x80 => &[short],
        (0, long) => &[0x81, long],
        (high, low) => &[0x82, high, low],
    };
    Some([&[tag], head, content].concat())
}
