//! One certificate, read strictly.
//!
//! Source: RFC 5280 section 4.

use crate::clock::Time;
use crate::der::{DerError, Reader, tag};
use crate::key::{InvalidKey, PublicKey, Scheme};
use crate::pem::{self, PemError};

/// The largest certificate that is read, in bytes.
const MAX_SIZE: usize = 64 << 10;

/// The most certificates of one file.
const MAX_COUNT: usize = 64;

/// A certificate that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM.
    #[error("it has no certificates")]
    Pem(#[from] PemError),
    /// Not DER.
    #[error("the certificate is damaged")]
    Der(#[from] DerError),
    /// Larger than certificates are, or too many of them.
    #[error("the certificate is too large, or there are too many of them")]
    TooLarge,
    /// A key that nothing here knows.
    #[error("the certificate's key cannot be used")]
    Key(#[from] InvalidKey),
    /// A signature algorithm that nothing here knows.
    #[error("the certificate of `{0}` is signed by an algorithm that is not known")]
    Algorithm(String),
    /// The algorithm outside is not the one that was signed.
    #[error("the certificate names two different signature algorithms")]
    TwoAlgorithms,
    /// An extension that must be understood and is not.
    #[error("the certificate of `{0}` has a critical extension that is not known")]
    Critical(String),
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    scheme: Scheme,
    /// Its number, big-endian without leading zeros.
    pub serial: Vec<u8>,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// The subject's name in DER.
    pub subject: Vec<u8>,
    /// The subject's name as RFC 4514 writes it: `CN=signer,O=Bank,C=DE`.
    pub subject_text: String,
    /// E-mail addresses, URIs and host names of the subject.
    pub alternative_names: Vec<String>,
    /// From when it is good.
    pub not_before: Time,
    /// Until when it is good.
    pub not_after: Time,
    /// The subject's key.
    pub key: PublicKey,
    /// Whether the subject may issue certificates, and how many more authorities may follow.
    pub authority: Option<Option<u64>>,
    /// What the key may be used for: the bits of KeyUsage, the first as the highest of the first byte; nothing said is everything.
    pub usage: Option<u8>,
    /// The purposes in DER, and whether the extension is critical.
    pub purposes: Option<(Vec<Vec<u8>>, bool)>,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_SIZE {
            return Err(CertificateError::TooLarge);
        }
        let mut outer = Reader::document(der)?;
        let signed = outer.whole(tag::SEQUENCE)?;
        let algorithm = outer.whole(tag::SEQUENCE)?;
        let signature = outer.bits()?.to_vec();
        outer.end()?;

        let mut body = Reader::document(signed)?;
        if let Some(version) = body.optional(0xa0)? {
            let mut version = Reader::new(version);
            version.small()?;
            version.end()?;
        }
        let serial = body.take(tag::INTEGER)?.to_vec();
        if body.whole(tag::SEQUENCE)? != algorithm {
            return Err(CertificateError::TwoAlgorithms);
        }
        let issuer = body.whole(tag::SEQUENCE)?.to_vec();
        let mut validity = body.nested(tag::SEQUENCE)?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.end()?;
        let subject = body.whole(tag::SEQUENCE)?.to_vec();
        let subject_text = name_text(&subject)?;
        let key = PublicKey::from_spki(body.whole(tag::SEQUENCE)?)?;
        let scheme =
            scheme(algorithm)?.ok_or_else(|| CertificateError::Algorithm(subject_text.clone()))?;
        let mut certificate = Self {
            der: der.to_vec(),
            signed: signed.to_vec(),
            signature,
            scheme,
            serial: serial.into_iter().skip_while(|byte| *byte == 0).collect(),
            issuer,
            subject,
            subject_text,
            alternative_names: vec![],
            not_before,
            not_after,
            key,
            authority: None,
            usage: None,
            purposes: None,
        };
        // Unique identifiers, which nobody writes any more.
        body.optional(0x81)?;
        body.optional(0x82)?;
        if let Some(extensions) = body.optional(0xa3)? {
            certificate.read_extensions(extensions)?;
        }
        body.end()?;
        Ok(certificate)
    }

    /// All certificates of a PEM text.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let blocks = pem::decode(text)?;
        let certificates: Vec<_> = blocks
            .iter()
            .filter(|block| {
                matches!(
                    block.label.as_str(),
                    "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"
                )
            })
            .collect();
        match certificates.len() {
            0 => Err(CertificateError::Pem(PemError::None)),
            1..=MAX_COUNT => certificates
                .iter()
                .map(|block| Self::from_der(&block.content))
                .collect(),
            _ => Err(CertificateError::TooLarge),
        }
    }

    /// The whole in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether `issuer`'s key signed it. Names are not compared.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        issuer.verifies_with(self.scheme, &self.signed, &self.signature)
    }

    /// The serial number in hexadecimal, as openssl shows it.
    #[must_use]
    pub fn serial_text(&self) -> String {
        self.serial
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn read_extensions(&mut self, bytes: &[u8]) -> Result<(), CertificateError> {
        let mut list = Reader::document(bytes)?;
        while !list.is_empty() {
            let mut extension = list.nested(tag::SEQUENCE)?;
            let id = extension.take(tag::OID)?;
            let critical = match extension.peek() {
                Some(tag::BOOLEAN) => extension.boolean()?,
                _ => false,
            };
            let value = extension.take(tag::OCTET_STRING)?;
            extension.end()?;
            self.read_extension(id, critical, value)?;
        }
        Ok(())
    }

    fn read_extension(
        &mut self,
        id: &[u8],
        critical: bool,
        value: &[u8],
    ) -> Result<(), CertificateError> {
        match id {
            // basicConstraints
            [0x55, 0x1d, 0x13] => {
                let mut constraints = Reader::document(value)?;
                let is_authority =
                    constraints.peek() == Some(tag::BOOLEAN) && constraints.boolean()?;
                let length = match constraints.is_empty() {
                    true => None,
                    false => Some(constraints.small()?),
                };
                constraints.end()?;
                self.authority = is_authority.then_some(length);
            }
            // keyUsage
            [0x55, 0x1d, 0x0f] => {
                let bits = Reader::new(value).take(tag::BIT_STRING)?;
                self.usage = Some(bits.get(1).copied().unwrap_or(0));
            }
            // extKeyUsage
            [0x55, 0x1d, 0x25] => {
                let mut list = Reader::document(value)?;
                let mut purposes = vec![];
                while !list.is_empty() {
                    purposes.push(list.take(tag::OID)?.to_vec());
                }
                self.purposes = Some((purposes, critical));
            }
            // subjectAltName
            [0x55, 0x1d, 0x11] => {
                let mut list = Reader::document(value)?;
                while !list.is_empty() {
                    let (kind, name, _) = list.any()?;
                    // rfc822Name, dNSName, uniformResourceIdentifier
                    if matches!(kind, 0x81 | 0x82 | 0x86) {
                        self.alternative_names
                            .push(String::from_utf8_lossy(name).into_owned());
                    }
                }
            }
            _ if critical => return Err(CertificateError::Critical(self.subject_text.clone())),
            _ => {}
        }
        Ok(())
    }
}

/// Which scheme an AlgorithmIdentifier names.
pub(crate) fn scheme(algorithm: &[u8]) -> Result<Option<Scheme>, DerError> {
    Ok(match Reader::document(algorithm)?.take(tag::OID)? {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => Some(Scheme::EcdsaSha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => Some(Scheme::EcdsaSha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => Some(Scheme::EcdsaSha512),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b] => Some(Scheme::RsaPkcs1Sha256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0c] => Some(Scheme::RsaPkcs1Sha384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0d] => Some(Scheme::RsaPkcs1Sha512),
        [0x2b, 0x65, 0x70] => Some(Scheme::Ed25519),
        _ => None,
    })
}

/// A name as RFC 4514 writes it: the last part first.
fn name_text(name: &[u8]) -> Result<String, CertificateError> {
    let mut sets = Reader::document(name)?;
    let mut parts = vec![];
    while !sets.is_empty() {
        let mut set = sets.nested(tag::SET)?;
        let mut together = vec![];
        while !set.is_empty() {
            let mut pair = set.nested(tag::SEQUENCE)?;
            let kind = pair.take(tag::OID)?;
            let (_, value, _) = pair.any()?;
            pair.end()?;
            together.push(format!(
                "{}={}",
                attribute(kind),
                escape(&String::from_utf8_lossy(value))
            ));
        }
        parts.push(together.join("+"));
    }
    parts.reverse();
    Ok(parts.join(","))
}

fn attribute(oid: &[u8]) -> String {
    match oid {
        [0x55, 4, 3] => "CN".to_owned(),
        [0x55, 4, 6] => "C".to_owned(),
        [0x55, 4, 7] => "L".to_owned(),
        [0x55, 4, 8] => "ST".to_owned(),
        [0x55, 4, 9] => "STREET".to_owned(),
        [0x55, 4, 10] => "O".to_owned(),
        [0x55, 4, 11] => "OU".to_owned(),
        [0x55, 4, 5] => "serialNumber".to_owned(),
        other => other
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join("."),
    }
}

/// A comma within a value must not look like the end of it, or one name can pretend to be another.
fn escape(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#') {
            out.push('\\');
        }
        if c.is_control() {
            out.push('\u{fffd}');
        } else {
            out.push(c);
        }
    }
    out
}
