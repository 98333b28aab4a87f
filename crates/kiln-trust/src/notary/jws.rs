//! The JWS form: flattened JSON (RFC 7515 section 7.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{ALGORITHMS, Envelope, InvalidEnvelope, Protected, certificates};
use crate::clock::Time;

#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    pub(super) payload: String,
    pub(super) protected: String,
    pub(super) header: Header,
    pub(super) signature: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) x5c: Vec<String>,
    #[serde(
        rename = "io.cncf.notary.signingAgent",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) agent: Option<String>,
    #[serde(
        rename = "io.cncf.notary.timestampSignature",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) timestamp: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireProtected {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) crit: Vec<String>,
    pub(super) cty: String,
    #[serde(
        rename = "io.cncf.notary.expiry",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) expiry: Option<String>,
    #[serde(rename = "io.cncf.notary.signingScheme")]
    pub(super) signing_scheme: String,
    #[serde(
        rename = "io.cncf.notary.signingTime",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) signing_time: Option<String>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, InvalidEnvelope> {
    let wire: Wire = serde_json::from_slice(bytes)?;
    let url = |text: &str, what| {
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidEnvelope::Base64(what))
    };
    let protected: WireProtected =
        serde_json::from_slice(&url(&wire.protected, "protected header")?)?;
    let algorithm = ALGORITHMS
        .iter()
        .find(|(name, _, _)| *name == protected.alg);
    let (_, _, scheme) = algorithm
        .ok_or_else(|| InvalidEnvelope::Algorithm(protected.alg.chars().take(40).collect()))?;
    let time = |text: Option<String>| {
        let read = |text: String| {
            text.parse::<Time>()
                .map_err(|_| InvalidEnvelope::Time(text.chars().take(60).collect()))
        };
        text.map(read).transpose()
    };
    let headers = Protected {
        scheme: Some(*scheme),
        content_type: protected.cty,
        signing_scheme: protected.signing_scheme,
        critical: protected.crit,
        signed_at: time(protected.signing_time)?,
        expires: time(protected.expiry)?,
    };
    let scheme = headers.check()?;
    let chain = wire.header.x5c.iter().map(|text| STANDARD.decode(text));
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidEnvelope::Base64("certificate"))?;
    let timestamp = wire.header.timestamp.map(|text| STANDARD.decode(text));
    Ok(Envelope {
        message: format!("{}.{}", wire.protected, wire.payload).into_bytes(),
        signature: url(&wire.signature, "signature")?,
        scheme,
        payload: url(&wire.payload, "payload")?,
        certificates: certificates(&chain)?,
        timestamp: timestamp
            .transpose()
            .map_err(|_| InvalidEnvelope::Base64("time stamp"))?,
        signed_at: headers.signed_at,
        expires: headers.expires,
    })
}
