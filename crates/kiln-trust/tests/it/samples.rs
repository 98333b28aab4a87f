//! What real tools made: `KILN_SIGN_SAMPLES` names a folder of their artifacts (cosign 3.1.1, notation 1.3.2, skopeo 1.22).
//!
//! `KILN_SIGN_SAMPLES=… cargo test -p kiln-trust --test it -- --ignored samples`

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kiln_oci::{Descriptor, Digest, Document, media_type};
use kiln_trust::format::bundle::Bundle;
use kiln_trust::format::names;
use kiln_trust::format::statement::Statement;
use kiln_trust::key::{PublicKey, Signer as _, open};
use kiln_trust::notary::{COSE, Envelope, JWS};
use kiln_trust::policy::{Demand, TrustedKey};
use kiln_trust::registry::companion_tag;
use kiln_trust::timestamp;
use kiln_trust::verify::{Form, Limits};
use kiln_trust::x509::{Authority, Certificate, Purpose};
use kiln_trust::{Policy, Time};
use zeroize::Zeroizing;

use crate::memory::{Memory, ask_as};

fn folder() -> PathBuf {
    std::env::var_os("KILN_SIGN_SAMPLES")
        .expect("KILN_SIGN_SAMPLES names the samples")
        .into()
}

fn read(path: &str) -> Vec<u8> {
    let path = folder().join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn key(path: &str) -> PublicKey {
    PublicKey::from_pem(&read(path)).unwrap()
}

fn day() -> Time {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

#[test]
#[ignore = "needs the samples"]
fn samples_of_keys() {
    let password = || Some(Zeroizing::new(b"testpw".to_vec()));
    let public = key("keys/cosign.pub");
    for file in [
        "keys/cosign.key",
        "keys/own-COSIGN.key",
        "keys/own-SIGSTORE.key",
    ] {
        let opened = open(&read(file), password).unwrap();
        assert!(opened.public().verifies(b"m", &opened.sign(b"m").unwrap()));
        if file == "keys/cosign.key" {
            assert_eq!(*opened.public(), public);
        }
    }
}

#[test]
#[ignore = "needs the samples"]
fn samples_of_bundles() {
    let all = [
        "cosign-v3-sign",
        "algs/p384",
        "algs/p521",
        "algs/ed",
        "algs/rsa3072",
        "cosign-v3-key-tsa",
    ];
    for name in all {
        let bundle = Bundle::parse(&read(&format!("{name}/bundle.json"))).unwrap();
        let public = match name.strip_prefix("algs/") {
            Some(_) => key(&format!("{name}/pub.pem")),
            None => key("keys/cosign.pub"),
        };
        let signature = bundle
            .envelope
            .signature_of(&public)
            .unwrap_or_else(|| panic!("{name}"));
        Statement::parse(&bundle.envelope.payload).unwrap();
        for stamp in &bundle.timestamps {
            let bank = Authority::from_pem("tsa", &read("pki/tsachain.pem"), vec![]).unwrap();
            let time = timestamp::verify(stamp, signature, std::slice::from_ref(&bank)).unwrap();
            assert_eq!(time.at.to_string(), "2026-11-24T06:29:00Z");
            assert!(timestamp::verify(stamp, b"another", &[bank]).is_err());
            let other = Authority::from_pem("ca", &read("pki/ca.crt"), vec![]).unwrap();
            assert!(timestamp::verify(stamp, signature, &[other]).is_err());
            for cut in 0..stamp.len() {
                assert!(timestamp::verify(&stamp[..cut], signature, &[]).is_err());
            }
        }
    }
    for entry in fs::read_dir(folder().join("cosign-v3-attest")).unwrap() {
        let bundle =
            Bundle::parse(&fs::read(entry.unwrap().path().join("bundle.json")).unwrap()).unwrap();
        assert!(
            bundle
                .envelope
                .signature_of(&key("keys/cosign.pub"))
                .is_some()
        );
    }
}

/// A repository with one image and what belongs to it.
fn with(image: &str, place: &str, files: &[&str], as_tag: Option<&str>) -> (Memory, Descriptor) {
    let memory = Memory::default();
    let manifest = read(&format!("{place}/manifest.json"));
    for file in files {
        let blob = read(&format!("{place}/{file}"));
        memory
            .blobs
            .lock()
            .unwrap()
            .insert(Digest::sha256(&blob), blob);
    }
    let subject: Digest = image.parse().unwrap();
    let tag = as_tag.map(|suffix| companion_tag(&subject, suffix));
    memory.store(tag.as_deref(), media_type::OCI_MANIFEST, &manifest);
    let app = read("image/app-manifest.json");
    let descriptor = memory.store(Some("1"), media_type::OCI_MANIFEST, &app);
    (memory, descriptor)
}

const APP: &str = "sha256:e3c1da27969d7f968638d0bf1bc69cfd64ac26a3e7ab8de8ff4fa005b3a276cb";

fn by_key() -> Policy {
    let key = TrustedKey {
        name: "cosign".to_owned(),
        key: key("keys/cosign.pub"),
        not_before: None,
        not_after: None,
    };
    Policy::of_keys(
        vec![key],
        Demand::Signature {
            annotations: BTreeMap::new(),
        },
    )
}

#[test]
#[ignore = "needs the samples"]
fn samples_of_whole_images() {
    for (place, files, tag, form) in [
        (
            "cosign-legacy-sig",
            &["payload.json"][..],
            Some(".sig"),
            Form::Simple,
        ),
        ("cosign-v3-sign", &["bundle.json"], None, Form::Bundle),
    ] {
        let (memory, _) = with(APP, place, files, tag);
        let verdict = ask_as(
            &memory,
            &by_key(),
            "127.0.0.1:5055/demo/app:1",
            day(),
            Limits::default(),
        )
        .unwrap();
        assert!(verdict.is_allowed(), "{place}: {verdict:?}");
        assert_eq!(verdict.decisions[0].requirements[0].by[0].form, form);
    }
    let text = read("skopeo-sigstore-sig/payload.json");
    assert!(
        kiln_trust::format::simple::Payload::parse(&text)
            .unwrap()
            .reference
            .contains(':')
    );
}

#[test]
#[ignore = "needs the samples"]
fn samples_of_certificates() {
    let bundle = Bundle::parse(&read("cosign-v3-x509-tsa/bundle.json")).unwrap();
    let leaf = Certificate::from_der(&bundle.certificates[0]).unwrap();
    assert!(
        leaf.subject_text.contains("CN=base-signer")
            && leaf.alternative_names == ["base@bank.test"]
    );
    let authority = Authority::from_pem("bank", &read("pki/ca.crt"), vec![]).unwrap();
    authority
        .check(&leaf, &[], Purpose::CodeSigning, day())
        .unwrap();
    assert!(
        authority
            .check(&leaf, &[], Purpose::TimeStamping, day())
            .is_err()
    );
    let Ok(Document::Manifest(manifest)) =
        Document::parse(&read("cosign-legacy-x509-tsa/manifest.json"))
    else {
        panic!()
    };
    assert!(
        manifest.layers[0]
            .annotations
            .contains_key(names::TIMESTAMP)
    );
}

#[test]
#[ignore = "needs the samples"]
fn samples_of_notation() {
    for (file, kind, certificates) in [
        ("jws.rsa", JWS, "notation/bank.test.crt"),
        ("cose.rsa", COSE, "notation/bank.test.crt"),
        ("jws.tsa", JWS, "pki/ca.crt"),
        ("cose.tsa", COSE, "pki/ca.crt"),
    ] {
        let envelope = Envelope::parse(kind, &read(&format!("notation/{file}.sig.bin"))).unwrap();
        let leaf = &envelope.certificates()[0];
        assert!(envelope.is_signed_by(&leaf.key), "{file}");
        let authority = Authority::from_pem("ca", &read(certificates), vec![]).unwrap();
        let others = &envelope.certificates()[1..];
        authority
            .check(leaf, others, Purpose::CodeSigning, day())
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let target = envelope.target().unwrap();
        assert_eq!(target.media_type, media_type::OCI_MANIFEST);
        if let Some(token) = envelope.timestamp() {
            let bank = Authority::from_pem("tsa", &read("pki/tsachain.pem"), vec![]).unwrap();
            timestamp::verify(token, envelope.signature(), &[bank])
                .unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}
