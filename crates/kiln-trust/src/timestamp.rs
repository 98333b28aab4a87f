//! RFC 3161 time stamps: an authority's word that a signature existed at a time.
//!
//! Sources: RFC 3161 section 2.4.2, RFC 5652 sections 5.1 to 5.6 (CMS).

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};

use crate::clock::Time;
use crate::der::{self, DerError, Reader, tag};
use crate::key::{KeyKind, PublicKey, Scheme};
use crate::x509::{Authority, Certificate, PathError, Purpose};

/// The largest token that is read, in bytes.
const MAX_SIZE: usize = 256 << 10;

/// The most certificates of one token.
const MAX_CERTIFICATES: usize = 16;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// A time that an authority vouches for, and how far it may be off, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenTime {
    /// When.
    pub at: Time,
    /// The accuracy that the authority claims, rounded up.
    pub accuracy: i64,
}

/// A time stamp that proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    /// Not DER.
    #[error("the time stamp is damaged")]
    Der(#[from] DerError),
    /// Larger than time stamps are.
    #[error("the time stamp has {0} bytes, which is too much")]
    TooLarge(usize),
    /// Not a granted token.
    #[error("the time stamp is {0}")]
    Content(&'static str),
    /// Of something else.
    #[error("the time stamp is of another signature")]
    Imprint,
    /// Its own signature is wrong.
    #[error("the time stamp's signature is wrong")]
    Signature,
    /// Nobody whom the policy knows.
    #[error("the time stamp is by nobody whom the policy names")]
    Untrusted(#[source] Option<PathError>),
}

/// The parts of a token that count.
struct Token<'a> {
    content: &'a [u8],
    certificates: Vec<Certificate>,
    serial: Vec<u8>,
    digest: &'static Algorithm,
    attributes: &'a [u8],
    scheme: Option<&'a [u8]>,
    signature: &'a [u8],
}

/// What a token says.
struct Info<'a> {
    digest: &'static Algorithm,
    imprint: &'a [u8],
    time: ProvenTime,
}

/// Verifies a token or response over `stamped`, which is a raw signature.
///
/// # Errors
/// See [`TimestampError`].
pub fn verify(
    token: &[u8],
    stamped: &[u8],
    authorities: &[Authority],
) -> Result<ProvenTime, TimestampError> {
    if token.len() > MAX_SIZE {
        return Err(TimestampError::TooLarge(token.len()));
    }
    let token = read(token)?;
    let info = info(token.content)?;
    if digest(info.digest, stamped).as_ref() != info.imprint {
        return Err(TimestampError::Imprint);
    }
    check_attributes(&token)?;
    // What is signed is the attributes as a SET, whatever they are tagged with in the message.
    let message = der::element(tag::SET, token.attributes);
    let mut why = None;
    let mut has_signature = false;
    for authority in authorities {
        let own = authority.anchors.iter().chain(&authority.intermediates);
        for certificate in token.certificates.iter().chain(own) {
            if certificate.serial != token.serial
                || !is_signature_of(&certificate.key, &token, &message)
            {
                continue;
            }
            has_signature = true;
            match authority.check(
                certificate,
                &token.certificates,
                Purpose::TimeStamping,
                info.time.at,
            ) {
                Ok(_) => return Ok(info.time),
                Err(error) => why = Some(error),
            }
        }
    }
    let is_known = has_signature
        || token
            .certificates
            .iter()
            .any(|one| is_signature_of(&one.key, &token, &message));
    match is_known || token.certificates.is_empty() {
        true => Err(TimestampError::Untrusted(why)),
        false => Err(TimestampError::Signature),
    }
}

fn read(bytes: &[u8]) -> Result<Token<'_>, TimestampError> {
    let mut outer = Reader::document(bytes)?;
    // A response has a status before the token.
    if outer.peek() == Some(tag::SEQUENCE) {
        let status = outer.nested(tag::SEQUENCE)?.small()?;
        if status > 1 {
            return Err(TimestampError::Content("a refusal"));
        }
        outer = outer.nested(tag::SEQUENCE)?;
    }
    if outer.take(tag::OID)? != SIGNED_DATA {
        return Err(TimestampError::Content("not signed data"));
    }
    let mut data = Reader::document(outer.take(0xa0)?)?;
    data.small()?;
    data.take(tag::SET)?;
    let mut encapsulated = data.nested(tag::SEQUENCE)?;
    if encapsulated.take(tag::OID)? != TST_INFO {
        return Err(TimestampError::Content("not about a time"));
    }
    let content = Reader::new(encapsulated.take(0xa0)?).take(tag::OCTET_STRING)?;
    let mut certificates = vec![];
    if let Some(list) = data.optional(0xa0)? {
        let mut list = Reader::new(list);
        while !list.is_empty() && certificates.len() < MAX_CERTIFICATES {
            let (_, _, whole) = list.any()?;
            // One that cannot be read may be one that is not needed.
            certificates.extend(Certificate::from_der(whole));
        }
    }
    data.optional(0xa1)?;
    let mut signers = data.nested(tag::SET)?;
    let mut signer = signers.nested(tag::SEQUENCE)?;
    signers.end()?;
    signer.small()?;
    let mut identifier = signer.nested(tag::SEQUENCE)?;
    identifier.whole(tag::SEQUENCE)?;
    let serial = identifier
        .take(tag::INTEGER)?
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    let digest = algorithm(signer.nested(tag::SEQUENCE)?.take(tag::OID)?)?;
    let attributes = signer.take(0xa0)?;
    let scheme = signer.whole(tag::SEQUENCE)?;
    let signature = signer.take(tag::OCTET_STRING)?;
    let is_plain_rsa = Reader::document(scheme)?.take(tag::OID)? == RSA;
    Ok(Token {
        content,
        certificates,
        serial,
        digest,
        attributes,
        scheme: (!is_plain_rsa).then_some(scheme),
        signature,
    })
}

fn info(content: &[u8]) -> Result<Info<'_>, TimestampError> {
    let mut info = Reader::document(content)?;
    if info.small()? != 1 {
        return Err(TimestampError::Content("of another version"));
    }
    info.take(tag::OID)?;
    let mut imprint = info.nested(tag::SEQUENCE)?;
    let hashed = algorithm(imprint.nested(tag::SEQUENCE)?.take(tag::OID)?)?;
    let value = imprint.take(tag::OCTET_STRING)?;
    info.take(tag::INTEGER)?;
    let at = info.time()?;
    let accuracy = match info.optional(tag::SEQUENCE)? {
        Some(accuracy) => {
            let mut accuracy = Reader::new(accuracy);
            let seconds = match accuracy.peek() {
                Some(tag::INTEGER) => accuracy.small()?,
                _ => 0,
            };
            i64::try_from(seconds)
                .unwrap_or(i64::MAX)
                .saturating_add(i64::from(!accuracy.is_empty()))
        }
        None => 0,
    };
    Ok(Info {
        digest: hashed,
        imprint: value,
        time: ProvenTime { at, accuracy },
    })
}

/// The signed attributes must name the content by its type and digest.
fn check_attributes(token: &Token<'_>) -> Result<(), TimestampError> {
    let mut list = Reader::new(token.attributes);
    let (mut kind, mut hash) = (None, None);
    while !list.is_empty() {
        let mut attribute = list.nested(tag::SEQUENCE)?;
        let id = attribute.take(tag::OID)?;
        let mut values = attribute.nested(tag::SET)?;
        match id {
            CONTENT_TYPE => kind = Some(values.take(tag::OID)?),
            MESSAGE_DIGEST => hash = Some(values.take(tag::OCTET_STRING)?),
            _ => {}
        }
    }
    let actual = digest(token.digest, token.content);
    match kind == Some(TST_INFO) && hash == Some(actual.as_ref()) {
        true => Ok(()),
        false => Err(TimestampError::Signature),
    }
}

fn is_signature_of(key: &PublicKey, token: &Token<'_>, message: &[u8]) -> bool {
    let named = token
        .scheme
        .and_then(|scheme| crate::x509::scheme_of(scheme).ok().flatten());
    let scheme = match (named, key.kind()) {
        (Some(scheme), _) => scheme,
        (None, KeyKind::Rsa(_)) if token.scheme.is_none() => match token.digest.output_len() {
            32 => Scheme::RsaPkcs1Sha256,
            48 => Scheme::RsaPkcs1Sha384,
            _ => Scheme::RsaPkcs1Sha512,
        },
        _ => return false,
    };
    key.verifies_with(scheme, message, token.signature)
}

fn algorithm(oid: &[u8]) -> Result<&'static Algorithm, TimestampError> {
    match oid {
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => Ok(&SHA256),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => Ok(&SHA384),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => Ok(&SHA512),
        _ => Err(TimestampError::Content(
            "made with a hash that is not accepted",
        )),
    }
}
