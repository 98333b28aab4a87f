//! Whatever bytes come as a key, a certificate, a signature or a statement: reading ends, and what is read and written again is the same.
//!
//! The last byte of the input chooses what the rest is taken for.

#![no_main]

use kiln_trust::format::bundle::Bundle;
use kiln_trust::format::dsse;
use kiln_trust::format::simple::Payload;
use kiln_trust::format::statement::Statement;
use kiln_trust::key::{PrivateKey, PublicKey, ecdsa_to_der, ecdsa_to_fixed};
use kiln_trust::notary::{COSE, Envelope, JWS};
use kiln_trust::x509::Certificate;
use kiln_trust::{Policy, pem, timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_last() else {
        return;
    };
    match mode % 10 {
        0 => pem_text(data),
        1 => key(data),
        2 => {
            if let Ok(bundle) = Bundle::parse(data)
                && bundle.certificates.len() < 2
                && !(bundle.hint.is_some() && !bundle.certificates.is_empty())
            {
                let again = Bundle::parse(&bundle.to_json()).expect("because it was written by us");
                assert_eq!(again.envelope, bundle.envelope);
            }
        }
        3 => {
            if let Ok(envelope) = dsse::Envelope::parse(data) {
                let again = dsse::Envelope::parse(&envelope.to_json());
                assert_eq!(again.expect("because it was written by us"), envelope);
            }
        }
        4 => drop(Envelope::parse(JWS, data)),
        5 => drop(Envelope::parse(COSE, data)),
        6 => certificate(data),
        7 => drop(timestamp::verify(data, b"signature", &[])),
        8 => {
            drop(Payload::parse(data));
            drop(Statement::parse(data));
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(data) {
                let load = |_: &str| Err(std::io::Error::other("no files"));
                drop(Policy::parse(text, &load));
            }
        }
    }
});

fn pem_text(data: &[u8]) {
    for block in pem::decode(data).into_iter().flatten() {
        let text = pem::encode(&block.label, &block.content);
        // A label may hold what ends its own line.
        if !block.label.contains("-----") {
            let again = pem::decode(text.as_bytes()).expect("because it was written by us");
            assert_eq!(again[0].content, block.content);
        }
    }
    drop(PublicKey::from_pem(data));
    drop(PrivateKey::from_pem(data));
    drop(Certificate::from_pem(data));
}

fn key(data: &[u8]) {
    drop(PrivateKey::from_pkcs8(data));
    if let Ok(fixed) = ecdsa_to_fixed(data, 32) {
        assert_eq!(ecdsa_to_fixed(&ecdsa_to_der(&fixed), 32), Ok(fixed));
    }
    if let Ok(key) = PublicKey::from_spki(data) {
        assert_eq!(key.spki(), data);
        assert!(!key.verifies(b"message", b"not a signature"));
    }
}

fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data);
        let _ = certificate.is_signed_by(&certificate.key);
    }
}
