//! Notary Project signatures.

use std::collections::BTreeMap;

use kiln_trust::notary::{COSE, Envelope, JWS, NotaryError, NotaryOptions, put};
use kiln_trust::sign::SignOptions;
use kiln_trust::verify::Form;
use kiln_trust::x509::Certificate;

use crate::certified::{leaf, root, trusting};
use crate::memory::{Memory, NOW, ask, codes, key, options, target};

fn chain(pems: &[&str]) -> Vec<Certificate> {
    pems.iter()
        .flat_map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap())
        .collect()
}

#[test]
fn both_forms_are_written_and_verified() {
    let root = root(2030);
    let base = leaf(&root, "base");
    for cose in [false, true] {
        let memory = Memory::default();
        let image = memory.image("1", "image");
        let options = SignOptions {
            annotations: BTreeMap::from([("team".to_owned(), "bank".to_owned())]),
            expires: Some(NOW.plus(60)),
            ..options()
        };
        let notary = NotaryOptions {
            chain: chain(&[&base.pem, &root.pem]),
            cose,
        };
        put(&memory, &target(&image), &base.key, &options, &notary).unwrap();
        let verdict = ask(&memory, &trusting(&root, "'CN=base,O=Bank'")).unwrap();
        assert!(verdict.is_allowed(), "{verdict:?}");
        let met = &verdict.decisions[0].requirements[0].by[0];
        assert_eq!((met.form, met.claimed_at), (Form::Notary, Some(NOW)));
        assert!(
            !ask(&memory, &trusting(&self::root(2030), ""))
                .unwrap()
                .is_allowed()
        );
        let late = crate::memory::ask_as(
            &memory,
            &trusting(&root, ""),
            &format!("{}:1", crate::memory::REPOSITORY),
            NOW.plus(61),
            kiln_trust::verify::Limits::default(),
        );
        assert_eq!(codes(&late.unwrap()), ["expired"]);
    }
}

#[test]
fn of_another_image_or_another_size() {
    let root = root(2030);
    let base = leaf(&root, "base");
    for change in [0, 1] {
        let memory = Memory::default();
        let (image, other) = (memory.image("1", "image"), memory.image("2", "other"));
        let mut signed = if change == 0 { other } else { image.clone() };
        signed.size += change;
        let notary = NotaryOptions {
            chain: chain(&[&base.pem]),
            cose: false,
        };
        put(&memory, &target(&signed), &base.key, &options(), &notary).unwrap();
        // It says that it refers to the image, whatever it is about.
        let layer = {
            let blobs = memory.blobs.lock().unwrap();
            blobs
                .values()
                .find(|blob| blob.starts_with(b"{\"payload\""))
                .unwrap()
                .clone()
        };
        memory.refer(&image, JWS, &layer);
        let verdict = ask(&memory, &trusting(&root, "")).unwrap();
        assert!(!verdict.is_allowed());
        assert!(
            codes(&verdict).iter().all(|code| *code == "other-image"),
            "{verdict:?}"
        );
        assert!(!codes(&verdict).is_empty());
    }
}

#[test]
fn somebody_elses_certificate() {
    let root = root(2030);
    let base = leaf(&root, "base");
    let memory = Memory::default();
    let image = memory.image("1", "image");
    let notary = NotaryOptions {
        chain: chain(&[&base.pem]),
        cose: false,
    };
    let wrong = put(&memory, &target(&image), &key(), &options(), &notary);
    assert!(matches!(wrong, Err(NotaryError::Certificate(_))));
    let none = NotaryOptions {
        chain: vec![],
        cose: true,
    };
    assert!(matches!(
        put(&memory, &target(&image), &base.key, &options(), &none),
        Err(NotaryError::NoChain)
    ));
}

#[test]
fn every_changed_byte_is_noticed() {
    let root = root(2030);
    let base = leaf(&root, "base");
    for (cose, kind) in [(false, JWS), (true, COSE)] {
        let memory = Memory::default();
        let image = memory.image("1", "image");
        let notary = NotaryOptions {
            chain: chain(&[&base.pem]),
            cose,
        };
        put(&memory, &target(&image), &base.key, &options(), &notary).unwrap();
        let blobs = memory.blobs.lock().unwrap();
        let bytes = blobs
            .values()
            .max_by_key(|blob| blob.len())
            .unwrap()
            .clone();
        drop(blobs);
        let whole = Envelope::parse(kind, &bytes).unwrap();
        let key = whole.certificates()[0].key.clone();
        assert!(whole.is_signed_by(&key));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let Ok(changed) = Envelope::parse(kind, &changed) else {
                continue;
            };
            // What is not signed may change: certificates, the agent. What is believed may not.
            if changed.is_signed_by(&key) {
                assert_eq!(changed.payload(), whole.payload(), "{at}");
                assert_eq!(
                    (changed.expires(), changed.signed_at()),
                    (whole.expires(), whole.signed_at()),
                    "{at}"
                );
            }
        }
        for cut in 0..bytes.len() {
            assert!(Envelope::parse(kind, &bytes[..cut]).is_err(), "{cut}");
        }
    }
}
