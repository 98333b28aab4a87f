//! Lists of what is called back.

use kiln_oci::Digest;
use kiln_trust::Time;
use kiln_trust::key::Signer as _;
use kiln_trust::revocation::{
    RevocationError, Revocations, RevokedCertificate, RevokedDigest, RevokedKey, Seen,
};
use kiln_trust::verify::{Limits, Question, verify};

use crate::memory::{Memory, NOW, REPOSITORY, any_of, codes, key, signed, trusted};

fn list(version: u64) -> Revocations {
    Revocations {
        version,
        issued: NOW,
        expires: NOW.plus(60),
        keys: vec![],
        certificates: vec![],
        digests: vec![],
    }
}

#[test]
fn signed_and_read_and_never_older() {
    let (one, two, stranger) = (key(), key(), key());
    let keys = [trusted("one", &one), trusted("two", &two)];
    let keys: Vec<_> = keys.iter().collect();
    let read = |bytes: &[u8], threshold, now, seen: Option<&Seen>| {
        Revocations::read(bytes, &keys, threshold, now, seen)
    };
    let first = list(1).sign(&[&one]).unwrap();
    let (_, seen) = read(&first, 1, NOW, None).unwrap();
    assert_eq!(
        read(&first, 1, NOW, Some(&seen)).unwrap().1,
        seen,
        "the same again"
    );
    let second = list(2).sign(&[&one, &two]).unwrap();
    let (_, newer) = read(&second, 2, NOW, Some(&seen)).unwrap();
    let rolled = read(&first, 1, NOW, Some(&newer)).unwrap_err();
    assert!(
        matches!(rolled, RevocationError::RolledBack { seen: 2, found: 1 }),
        "{rolled}"
    );
    let other = Revocations {
        issued: NOW.plus(1),
        ..list(2)
    }
    .sign(&[&one])
    .unwrap();
    assert!(matches!(
        read(&other, 1, NOW, Some(&newer)),
        Err(RevocationError::Changed(2))
    ));
    assert!(matches!(
        read(&first, 2, NOW, None),
        Err(RevocationError::Signatures {
            found: 1,
            wanted: 2
        })
    ));
    let twice = list(1).sign(&[&one, &one]).unwrap();
    assert!(matches!(
        read(&twice, 2, NOW, None),
        Err(RevocationError::Signatures { found: 1, .. })
    ));
    let forged = list(9).sign(&[&stranger]).unwrap();
    assert!(matches!(
        read(&forged, 1, NOW, None),
        Err(RevocationError::Signatures { found: 0, .. })
    ));
    assert!(
        matches!(
            read(&forged, 0, NOW, None),
            Err(RevocationError::Signatures { .. })
        ),
        "0 means 1"
    );
    assert!(matches!(
        read(&first, 1, NOW.plus(61), None),
        Err(RevocationError::Expired(_))
    ));
    for cut in [0, 1, first.len() / 2, first.len() - 1] {
        assert!(read(&first[..cut], 1, NOW, None).is_err());
    }
}

#[test]
fn a_revoked_key_image_and_signature() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    signed(&memory, &image, &key);
    let policy = any_of(&[&key]);
    let reference = format!("{REPOSITORY}:1").parse().unwrap();
    let ask = |revocations: &Revocations| {
        let question = Question {
            reference: &reference,
            policy: &policy,
            revocations: Some(revocations),
            now: NOW,
            limits: Limits::default(),
        };
        verify(&memory, &question).unwrap()
    };
    assert!(ask(&list(1)).is_allowed());
    let id = key.public().id();
    for since in [None, Some(NOW.plus(1000))] {
        let revoked = RevokedKey {
            id,
            since,
            reason: "stolen".to_owned(),
        };
        let verdict = ask(&Revocations {
            keys: vec![revoked],
            ..list(1)
        });
        // Nothing proves that the signature is older: what it claims of itself does not count.
        assert_eq!(
            (verdict.is_allowed(), codes(&verdict)),
            (false, vec!["revoked-key", "revoked-key"])
        );
        assert_eq!(
            verdict.decisions[0].refused[0].reason.to_string(),
            "the key `key 0` is revoked: stolen"
        );
    }
    let digest = |digest: Digest| Revocations {
        digests: vec![RevokedDigest {
            digest,
            reason: String::new(),
        }],
        ..list(1)
    };
    let verdict = ask(&digest(image.digest));
    assert!(!verdict.is_allowed() && verdict.decisions[0].revoked.is_some());
    let tag = kiln_trust::registry::companion_tag(&image.digest, ".sig");
    let signature = memory.tags.lock().unwrap()[&tag];
    let verdict = ask(&digest(signature));
    assert!(verdict.is_allowed(), "the bundle is still good");
    assert_eq!(codes(&verdict), ["revoked-digest"]);
}

#[test]
fn a_key_that_was_good_before() {
    let id = key().public().id();
    let list = Revocations {
        keys: vec![RevokedKey {
            id,
            since: Some(Time(100)),
            reason: "lost".to_owned(),
        }],
        certificates: vec![RevokedCertificate {
            serial: "00:AB:01".to_owned(),
            reason: "left".to_owned(),
        }],
        ..list(1)
    };
    assert_eq!(list.of_key(&id, Some(Time(99))), None);
    assert_eq!(list.of_key(&id, Some(Time(100))), Some("lost"));
    assert_eq!(list.of_key(&id, None), Some("lost"));
    assert_eq!(list.of_certificate("ab01"), Some("left"));
    assert_eq!(list.of_certificate("ab02"), None);
}
