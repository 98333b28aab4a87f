//! Writing Notary Project signatures.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kiln_oci::{Descriptor, Digest, Manifest, Raw, media_type};

use super::cbor::{self, Value};
use super::cose::{self, ALG, CONTENT_TYPE, CRIT, EPOCH, SIGN1, X5CHAIN};
use super::jws::{Header, Wire, WireProtected};
use super::{
    AGENT, ALGORITHMS, ARTIFACT_TYPE, COSE, EXPIRY, JWS, PAYLOAD, Payload, SCHEME, SIGNING_SCHEME,
    SIGNING_TIME, Target, scheme,
};
use crate::format::names;
use crate::key::{Scheme, Signer, SignerError, ecdsa_to_fixed};
use crate::registry::{AccessError, Registry};
use crate::sign::{SignError, SignOptions, Target as Image, put_referring};
use crate::x509::Certificate;

/// How such a signature is made.
#[derive(Clone, Debug)]
pub struct NotaryOptions {
    /// The signer's certificate and those behind it, up to the root.
    pub chain: Vec<Certificate>,
    /// COSE and not JWS.
    pub cose: bool,
}

/// A signature that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The registry did not take it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is not listed.
    #[error(transparent)]
    Stored(#[from] SignError),
    /// Not a kind that the specification has.
    #[error(
        "a key of kind {0} cannot make a Notary Project signature: P-256, P-384 and RSA of 2048, 3072 or 4096 bits can"
    )]
    Kind(crate::key::KeyKind),
    /// Somebody else's certificate.
    #[error("the certificate `{0}` is not of the key that signs")]
    Certificate(String),
    /// None.
    #[error("a Notary Project signature needs a certificate chain")]
    NoChain,
}

/// Signs a manifest, and stores the signature as something that refers to it. Gives the digest of the signature's manifest.
///
/// # Errors
/// See [`NotaryError`].
pub fn put(
    registry: &dyn Registry,
    image: &Image<'_>,
    signer: &dyn Signer,
    options: &SignOptions,
    notary: &NotaryOptions,
) -> Result<Digest, NotaryError> {
    let leaf = notary.chain.first().ok_or(NotaryError::NoChain)?;
    if leaf.key != *signer.public() {
        return Err(NotaryError::Certificate(leaf.subject_text.clone()));
    }
    let scheme = scheme(signer.public().kind()).ok_or(NotaryError::Kind(signer.public().kind()))?;
    let payload = Payload {
        target_artifact: Target {
            media_type: image.descriptor.media_type.clone(),
            digest: image.descriptor.digest,
            size: image.descriptor.size,
            annotations: options.annotations.clone(),
        },
    };
    let payload = serde_json::to_vec(&payload).expect("because it has a JSON form");
    let (kind, envelope) = match notary.cose {
        true => (COSE, cose(signer, scheme, options, notary, payload)?),
        false => (JWS, jws(signer, scheme, options, notary, &payload)?),
    };
    let layer = Descriptor::of(kind, &envelope);
    let config = Descriptor::of(media_type::OCI_EMPTY, b"{}");
    let thumbprints: Vec<String> = notary
        .chain
        .iter()
        .map(|one| Digest::sha256(one.der()).hex())
        .collect();
    let thumbprints = serde_json::to_string(&thumbprints).expect("because it has a JSON form");
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        config: config.clone(),
        layers: vec![layer.clone()],
        subject: Some(Descriptor::new(
            &image.descriptor.media_type,
            image.descriptor.digest,
            image.descriptor.size,
        )),
        annotations: BTreeMap::from([
            (
                "io.cncf.notary.x509chain.thumbprint#S256".to_owned(),
                thumbprints,
            ),
            (names::CREATED.to_owned(), options.at.to_string()),
            (names::KEY_HINT.to_owned(), signer.public().id().to_string()),
        ]),
    });
    registry.put_blob(&config, b"{}")?;
    registry.put_blob(&layer, &envelope)?;
    put_referring(
        registry,
        &image.descriptor.digest,
        &manifest,
        options.settle,
    )?;
    Ok(manifest.digest())
}

fn critical(options: &SignOptions) -> Vec<String> {
    let expiry = options.expires.map(|_| EXPIRY);
    [SIGNING_SCHEME]
        .into_iter()
        .chain(expiry)
        .map(str::to_owned)
        .collect()
}

/// The raw signature: `r || s` for curves.
fn raw(signer: &dyn Signer, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SignerError> {
    let signature = signer.sign_with(scheme, message)?;
    match signer.public().kind().coordinate() {
        None => Ok(signature),
        Some(size) => ecdsa_to_fixed(&signature, size).map_err(|error| SignerError::Refused {
            keeper: "the key".to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn jws(
    signer: &dyn Signer,
    scheme: Scheme,
    options: &SignOptions,
    notary: &NotaryOptions,
    payload: &[u8],
) -> Result<Vec<u8>, SignerError> {
    let algorithm = ALGORITHMS
        .iter()
        .find(|(_, _, one)| *one == scheme)
        .map_or("", |(name, _, _)| name);
    let protected = WireProtected {
        alg: algorithm.to_owned(),
        crit: critical(options),
        cty: PAYLOAD.to_owned(),
        expiry: options.expires.map(|time| time.to_string()),
        signing_scheme: SCHEME.to_owned(),
        signing_time: Some(options.at.to_string()),
    };
    let protected = serde_json::to_vec(&protected).expect("because it has a JSON form");
    let (protected, payload) = (
        URL_SAFE_NO_PAD.encode(protected),
        URL_SAFE_NO_PAD.encode(payload),
    );
    let signature = raw(signer, scheme, format!("{protected}.{payload}").as_bytes())?;
    let wire = Wire {
        payload,
        protected,
        header: Header {
            x5c: notary
                .chain
                .iter()
                .map(|one| STANDARD.encode(one.der()))
                .collect(),
            agent: Some(options.creator.clone()),
            timestamp: None,
        },
        signature: URL_SAFE_NO_PAD.encode(signature),
    };
    Ok(serde_json::to_vec(&wire).expect("because it has a JSON form"))
}

fn cose(
    signer: &dyn Signer,
    scheme: Scheme,
    options: &SignOptions,
    notary: &NotaryOptions,
    payload: Vec<u8>,
) -> Result<Vec<u8>, SignerError> {
    let text = |text: &str| Value::Text(text.to_owned());
    let time = |seconds| Value::Tagged(EPOCH, Box::new(Value::Integer(seconds)));
    let algorithm = ALGORITHMS
        .iter()
        .find(|(_, _, one)| *one == scheme)
        .map_or(0, |(_, code, _)| *code);
    let mut headers = vec![
        (Value::Integer(ALG), Value::Integer(algorithm)),
        (
            Value::Integer(CRIT),
            Value::List(critical(options).into_iter().map(Value::Text).collect()),
        ),
        (Value::Integer(CONTENT_TYPE), text(PAYLOAD)),
    ];
    headers.extend(options.expires.map(|at| (text(EXPIRY), time(at.0))));
    headers.push((text(SIGNING_TIME), time(options.at.0)));
    headers.push((text(SIGNING_SCHEME), text(SCHEME)));
    let mut protected = vec![];
    cbor::write(&Value::Map(headers), &mut protected);
    let signature = raw(signer, scheme, &cose::to_be_signed(&protected, &payload))?;
    let chain = notary
        .chain
        .iter()
        .map(|one| Value::Bytes(one.der().to_vec()));
    let unprotected = vec![
        (Value::Integer(X5CHAIN), Value::List(chain.collect())),
        (text(AGENT), text(&options.creator)),
    ];
    let parts = vec![
        Value::Bytes(protected),
        Value::Map(unprotected),
        Value::Bytes(payload),
        Value::Bytes(signature),
    ];
    let mut out = vec![];
    cbor::write(
        &Value::Tagged(SIGN1, Box::new(Value::List(parts))),
        &mut out,
    );
    Ok(out)
}
