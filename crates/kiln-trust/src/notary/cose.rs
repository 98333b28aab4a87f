//! The COSE form: a tagged COSE_Sign1 (RFC 9052 section 4.2).

use super::cbor::{self, Value};
use super::{
    ALGORITHMS, EXPIRY, Envelope, InvalidEnvelope, Protected, SIGNING_SCHEME, SIGNING_TIME,
    TIMESTAMP, certificates,
};
use crate::clock::Time;

/// The tag of COSE_Sign1.
pub(super) const SIGN1: u64 = 18;
/// The tag of a time in seconds.
pub(super) const EPOCH: u64 = 1;
/// Labels of headers: RFC 9052 section 3.1, RFC 9360.
pub(super) const ALG: i64 = 1;
pub(super) const CRIT: i64 = 2;
pub(super) const CONTENT_TYPE: i64 = 3;
pub(super) const X5CHAIN: i64 = 33;

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, InvalidEnvelope> {
    let value = cbor::read(bytes).map_err(InvalidEnvelope::Cbor)?;
    let Value::Tagged(SIGN1, inner) = value else {
        return Err(InvalidEnvelope::Cbor("it is not a COSE_Sign1"));
    };
    let Value::List(parts) = *inner else {
        return Err(InvalidEnvelope::Cbor("it is not a COSE_Sign1"));
    };
    let Ok(
        [
            Value::Bytes(protected),
            Value::Map(unprotected),
            Value::Bytes(payload),
            Value::Bytes(signature),
        ],
    ) = <[Value; 4]>::try_from(parts)
    else {
        return Err(InvalidEnvelope::Cbor(
            "its parts are not those of a COSE_Sign1",
        ));
    };
    let headers = headers(&protected)?;
    let scheme = headers.check()?;
    let find = |wanted: &Value| {
        unprotected
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value)
    };
    let chain = match find(&Value::Integer(X5CHAIN)) {
        Some(Value::Bytes(one)) => vec![one.clone()],
        Some(Value::List(many)) => many
            .iter()
            .map(|one| match one {
                Value::Bytes(der) => Ok(der.clone()),
                _ => Err(InvalidEnvelope::Cbor("a certificate is not bytes")),
            })
            .collect::<Result<_, _>>()?,
        _ => vec![],
    };
    let timestamp = match find(&Value::Text(TIMESTAMP.to_owned())) {
        Some(Value::Bytes(token)) => Some(token.clone()),
        _ => None,
    };
    Ok(Envelope {
        message: to_be_signed(&protected, &payload),
        signature,
        scheme,
        payload,
        certificates: certificates(&chain)?,
        timestamp,
        signed_at: headers.signed_at,
        expires: headers.expires,
    })
}

/// RFC 9052 section 4.4.
pub(super) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let structure = Value::List(vec![
        Value::Text("Signature1".to_owned()),
        Value::Bytes(protected.to_vec()),
        Value::Bytes(vec![]),
        Value::Bytes(payload.to_vec()),
    ]);
    let mut out = vec![];
    cbor::write(&structure, &mut out);
    out
}

fn headers(protected: &[u8]) -> Result<Protected, InvalidEnvelope> {
    let Value::Map(map) = cbor::read(protected).map_err(InvalidEnvelope::Cbor)? else {
        return Err(InvalidEnvelope::Cbor("its protected headers are no map"));
    };
    let mut headers = Protected::default();
    for (name, value) in map {
        match (name, value) {
            (Value::Integer(ALG), Value::Integer(number)) => {
                let known = ALGORITHMS.iter().find(|(_, code, _)| *code == number);
                let (_, _, scheme) =
                    known.ok_or_else(|| InvalidEnvelope::Algorithm(number.to_string()))?;
                headers.scheme = Some(*scheme);
            }
            (Value::Integer(CRIT), Value::List(names)) => {
                headers.critical = names.into_iter().map(label).collect();
            }
            (Value::Integer(CONTENT_TYPE), Value::Text(kind)) => headers.content_type = kind,
            (Value::Text(name), Value::Text(scheme)) if name == SIGNING_SCHEME => {
                headers.signing_scheme = scheme;
            }
            (Value::Text(name), value) if name == SIGNING_TIME => {
                headers.signed_at = Some(time(&value)?);
            }
            (Value::Text(name), value) if name == EXPIRY => headers.expires = Some(time(&value)?),
            _ => {}
        }
    }
    Ok(headers)
}

fn label(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

fn time(value: &Value) -> Result<Time, InvalidEnvelope> {
    match value {
        Value::Tagged(EPOCH, inner) if matches!(**inner, Value::Integer(_)) => match **inner {
            Value::Integer(seconds) => Ok(Time(seconds)),
            _ => Err(InvalidEnvelope::Time(format!("{inner:?}"))),
        },
        other => Err(InvalidEnvelope::Time(
            format!("{other:?}").chars().take(60).collect(),
        )),
    }
}
