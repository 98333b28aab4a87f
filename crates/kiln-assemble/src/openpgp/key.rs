//! Public keys, and the arithmetic of signatures.
//!
//! Source: RFC 9580 sections 5.5.2 (key packets), 5.5.4 (fingerprints), 5.5.5 and 9.1 (algorithms), 5.2.3.1 to
//! 5.2.3.5 (values of signatures), 5.2.4 (what is hashed of a key).

use ring::digest;
use ring::signature as arithmetic;

use super::packet::Bytes;
use super::signature::Signature;
use super::{Malformed, Outcome};

/// Algorithms of keys (section 9.1).
mod algorithm {
    pub(super) const RSA: u8 = 1;
    pub(super) const RSA_SIGN_ONLY: u8 = 3;
    pub(super) const ECDSA: u8 = 19;
    pub(super) const EDDSA_LEGACY: u8 = 22;
    pub(super) const ED25519: u8 = 27;
}

/// Object identifiers of curves (section 9.2).
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519_LEGACY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// Bytes of a modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// A public key or subkey.
#[derive(Debug)]
pub(crate) struct Key {
    version: u8,
    /// When it was made, in seconds since 1970.
    pub(super) created: u32,
    algorithm: u8,
    /// Its packet as certifications cover it, with a header of their own.
    hashed: Vec<u8>,
    fingerprint: Vec<u8>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Other(&'static str),
}

/// Digests that are not broken (section 9.5).
#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Key {
    /// Reads the body of a packet. Nothing if it is of a version that is not known.
    pub(super) fn parse(body: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut bytes = Bytes(body);
        let version = bytes.u8()?;
        if ![4, 6].contains(&version) {
            return Ok(None);
        }
        let created = bytes.u32()?;
        let algorithm = bytes.u8()?;
        if version == 6 && bytes.length()? != bytes.0.len() {
            return Err(Malformed("a key has another length than it says"));
        }
        let material = Material::parse(&mut bytes, version, algorithm)?;
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let header: &[u8] = match version {
            4 => &[0x99, length[2], length[3]],
            _ => &[&[0x9b][..], &length].concat(),
        };
        let hashed = [header, body].concat();
        let digest = match version {
            // Not a choice: a fingerprint of version 4 is a SHA-1.
            4 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            _ => &digest::SHA256,
        };
        Ok(Some(Self {
            version,
            created,
            algorithm,
            fingerprint: digest::digest(digest, &hashed).as_ref().to_vec(),
            hashed,
            material,
        }))
    }

    pub(crate) fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// The eight bytes by which old signatures name it.
    pub(super) fn id(&self) -> &[u8] {
        match self.version {
            4 => &self.fingerprint[self.fingerprint.len() - 8..],
            _ => &self.fingerprint[..8],
        }
    }

    /// What signatures over keys cover of this one.
    pub(super) fn hashed(&self) -> &[u8] {
        &self.hashed
    }

    /// Whether this key made `signature` over the parts of `data`, one behind the other.
    pub(crate) fn check(&self, signature: &Signature, data: &[&[u8]]) -> Outcome {
        if signature.is_unclear {
            return Outcome::Unsupported("it asks for something that is not understood");
        }
        let is_rsa = |of: u8| [algorithm::RSA, algorithm::RSA_SIGN_ONLY].contains(&of);
        let both_rsa = is_rsa(self.algorithm) && is_rsa(signature.algorithm);
        if self.version != signature.version || !(self.algorithm == signature.algorithm || both_rsa)
        {
            return Outcome::Bad;
        }
        let hash = match signature.hash {
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            1..=3 => return Outcome::Unsupported("it uses a digest that is broken"),
            _ => return Outcome::Unsupported("it uses a digest that is not supported"),
        };
        if let Material::Other(reason) = self.material {
            return Outcome::Unsupported(reason);
        }
        if signature.version == 6 && signature.salt.len() != hash.salt() {
            return Outcome::Bad;
        }
        let message = [&[&signature.salt[..]], data, &[&signature.trailer[..]]]
            .concat()
            .concat();
        match self.is_made_over(&message, hash, &signature.value) {
            Ok(true) => Outcome::Good,
            Ok(false) | Err(Malformed(_)) => Outcome::Bad,
        }
    }

    fn is_made_over(&self, message: &[u8], hash: Hash, value: &[u8]) -> Result<bool, Malformed> {
        let mut value = Bytes(value);
        let verified = match &self.material {
            Material::Rsa { modulus, exponent } => {
                let signed = padded(value.integer()?, modulus.len())?;
                let key = arithmetic::RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(hash.rsa(), message, &signed)
            }
            Material::Ed25519(point) => {
                let signed = match self.algorithm {
                    algorithm::ED25519 => value.take(64)?.to_vec(),
                    _ => {
                        let (r, s) = (value.integer()?, value.integer()?);
                        [padded(r, 32)?, padded(s, 32)?].concat()
                    }
                };
                let digest = digest::digest(hash.digest(), message);
                let key = arithmetic::UnparsedPublicKey::new(&arithmetic::ED25519, point);
                key.verify(digest.as_ref(), &signed)
            }
            Material::P256(point) | Material::P384(point) => {
                let (r, s) = (value.integer()?, value.integer()?);
                let signed = der(r, s);
                let algorithm = hash
                    .ecdsa(&self.material)
                    .ok_or(Malformed("a digest that does not go with the curve"))?;
                arithmetic::UnparsedPublicKey::new(algorithm, point).verify(message, &signed)
            }
            Material::Other(_) => return Ok(false),
        };
        Ok(verified.is_ok() && value.is_empty())
    }
}

impl Material {
    fn parse(bytes: &mut Bytes<'_>, version: u8, of: u8) -> Result<Self, Malformed> {
        let material = match of {
            algorithm::RSA | algorithm::RSA_SIGN_ONLY => {
                let (modulus, exponent) = (bytes.integer()?, bytes.integer()?);
                match MODULUS.contains(&modulus.len()) && modulus[0] >= 0x80 {
                    true => Self::Rsa {
                        modulus: modulus.to_vec(),
                        exponent: exponent.to_vec(),
                    },
                    false => Self::Other("its RSA key is not of 2048 to 8192 bits"),
                }
            }
            algorithm::ED25519 => Self::Ed25519(bytes.take(32)?.to_vec()),
            algorithm::ECDSA | algorithm::EDDSA_LEGACY => {
                let length = bytes.u8()?;
                let curve = bytes.take(length.into())?;
                let point = bytes.integer()?.to_vec();
                match (of, curve, point.split_first()) {
                    (algorithm::ECDSA, P256, _) => Self::P256(point),
                    (algorithm::ECDSA, P384, _) => Self::P384(point),
                    (algorithm::EDDSA_LEGACY, ED25519_LEGACY, Some((0x40, point)))
                        if version == 4 && point.len() == 32 =>
                    {
                        Self::Ed25519(point.to_vec())
                    }
                    _ => Self::Other("its key is on a curve that is not supported"),
                }
            }
            _ => {
                bytes.rest();
                Self::Other("its key is of a kind that is not supported")
            }
        };
        match bytes.is_empty() {
            true => Ok(material),
            false => Err(Malformed("a key is longer than its numbers")),
        }
    }
}

impl Hash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// Bytes of salt that signatures of version 6 have (section 9.5).
    fn salt(self) -> usize {
        match self {
            Self::Sha256 => 16,
            Self::Sha384 => 24,
            Self::Sha512 => 32,
        }
    }

    fn rsa(self) -> &'static arithmetic::RsaParameters {
        match self {
            Self::Sha256 => &arithmetic::RSA_PKCS1_2048_8192_SHA256,
            Self::Sha384 => &arithmetic::RSA_PKCS1_2048_8192_SHA384,
            Self::Sha512 => &arithmetic::RSA_PKCS1_2048_8192_SHA512,
        }
    }

    fn ecdsa(self, material: &Material) -> Option<&'static arithmetic::EcdsaVerificationAlgorithm> {
        Some(match (material, self) {
            (Material::P256(_), Self::Sha256) => &arithmetic::ECDSA_P256_SHA256_ASN1,
            (Material::P256(_), Self::Sha384) => &arithmetic::ECDSA_P256_SHA384_ASN1,
            (Material::P384(_), Self::Sha256) => &arithmetic::ECDSA_P384_SHA256_ASN1,
            (Material::P384(_), Self::Sha384) => &arithmetic::ECDSA_P384_SHA384_ASN1,
            _ => return None,
        })
    }
}

/// A number in exactly `length` bytes.
fn padded(number: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    let zeros = length
        .checked_sub(number.len())
        .ok_or(Malformed("a number is too large"))?;
    Ok([&vec![0; zeros][..], number].concat())
}

/// Two numbers as ASN.1 has them: `SEQUENCE { INTEGER, INTEGER }`. Those of curves are short.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let sign = number.first().is_none_or(|first| *first >= 0x80);
        let zero: &[u8] = if sign { &[0] } else { &[] };
        let length = u8::try_from(number.len() + zero.len()).unwrap_or(u8::MAX);
        [&[0x02, length], zero, number].concat()
    };
    let both = [integer(r), integer(s)].concat();
    let length = u8::try_from(both.len()).unwrap_or(u8::MAX);
    // Two numbers of 48 bytes make 102: lengths of one byte suffice, and what is longer cannot be right.
    [&[0x30, length][..], &both].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_and_written_as_asn1_has_them() {
        assert_eq!(padded(&[1, 2], 4), Ok(vec![0, 0, 1, 2]));
        assert_eq!(padded(&[], 2), Ok(vec![0, 0]));
        assert!(padded(&[1, 2, 3], 2).is_err());
        assert_eq!(der(&[0x7f], &[0x80]), [0x30, 7, 2, 1, 0x7f, 2, 2, 0, 0x80]);
        assert_eq!(der(&[], &[1]), [0x30, 6, 2, 1, 0, 2, 1, 1]);
    }

    #[test]
    fn keys_of_unknown_versions_and_kinds_are_told_apart_from_broken_ones() {
        assert!(matches!(Key::parse(&[3, 0, 0]), Ok(None)));
        assert!(Key::parse(&[]).is_err());
        assert!(Key::parse(&[4, 0, 0, 0, 0]).is_err());
        let short_rsa = [&[4, 0, 0, 0, 0, 1][..], &[0, 8, 0xff], &[0, 2, 3]].concat();
        let key = Key::parse(&short_rsa).unwrap().unwrap();
        assert!(matches!(key.material, Material::Other(reason) if reason.contains("2048")));
        assert!(Key::parse(&[&short_rsa[..], &[0]].concat()).is_err());
        let dsa = Key::parse(&[4, 0, 0, 0, 0, 17, 9, 9]).unwrap().unwrap();
        assert!(matches!(dsa.material, Material::Other(_)));
        assert_eq!(dsa.id().len(), 8);
        let wrong_length = [&[6, 0, 0, 0, 0, 27, 0, 0, 0, 31][..], &[7; 32]].concat();
        assert!(Key::parse(&wrong_length).is_err());
        let v6 = [&[6, 0, 0, 0, 0, 27, 0, 0, 0, 32][..], &[7; 32]].concat();
        let key = Key::parse(&v6).unwrap().unwrap();
        assert_eq!((key.fingerprint().len(), key.hashed()[0]), (32, 0x9b));
        assert_eq!(key.id(), &key.fingerprint()[..8]);
    }
}
