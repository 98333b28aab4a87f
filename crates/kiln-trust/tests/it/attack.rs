//! What somebody would do who wants an image to be used that should not be, or one not to be used that should.

use std::time::Duration;

use kiln_oci::{Descriptor, Digest, media_type};
use kiln_trust::format::bundle::Bundle;
use kiln_trust::format::dsse::Envelope;
use kiln_trust::format::names;
use kiln_trust::format::statement::{SIGNATURE, Statement, Subject};
use kiln_trust::key::{PrivateKey, Signer as _};
use kiln_trust::registry::companion_tag;
use kiln_trust::sign::{SignOptions, Target, sign};
use kiln_trust::verify::{Limits, VerifyError};
use serde_json::{Value, json};

use crate::memory::{
    Memory, NOW, REPOSITORY, any_of, ask, ask_as, attested, codes, key, options, policy, signed,
    target,
};

/// A bundle with any payload, signed.
fn bundle(key: &PrivateKey, kind: &str, payload: Vec<u8>) -> Vec<u8> {
    let envelope = Envelope::sign(kind, payload, &[key]).unwrap();
    Bundle::of_key(envelope, key.public().id()).to_json()
}

fn statement(digest: &Digest, kind: &str, predicate: Value) -> Vec<u8> {
    Statement::new(Subject::of(Some(REPOSITORY), digest), kind, predicate).to_json()
}

#[test]
fn a_signature_of_another_image() {
    let memory = Memory::default();
    let (image, other, key) = (
        memory.image("1", "image"),
        memory.image("2", "other"),
        key(),
    );
    // In both forms, moved to where those of this image lie.
    memory.refer(
        &image,
        names::BUNDLE,
        &bundle(
            &key,
            names::IN_TOTO,
            statement(&other.digest, SIGNATURE, json!({})),
        ),
    );
    sign(
        &memory,
        &target(&other),
        &key,
        &SignOptions {
            bundle: false,
            ..options()
        },
    )
    .unwrap();
    let mut tags = memory.tags.lock().unwrap();
    let of_other = tags[&companion_tag(&other.digest, ".sig")];
    tags.insert(companion_tag(&image.digest, ".sig"), of_other);
    drop(tags);
    let verdict = ask(&memory, &any_of(&[&key])).unwrap();
    assert!(!verdict.is_allowed());
    assert_eq!(codes(&verdict), ["other-image", "other-image"]);
}

#[test]
fn a_manifest_that_is_not_what_its_digest_says() {
    let memory = Memory::default();
    let (image, evil, key) = (memory.image("1", "image"), memory.image("2", "evil"), key());
    signed(&memory, &image, &key);
    let bytes = memory.manifests.lock().unwrap()[&evil.digest].clone();
    memory.manifests.lock().unwrap().insert(image.digest, bytes);
    assert!(matches!(
        ask(&memory, &any_of(&[&key])),
        Err(VerifyError::Mismatch(_))
    ));
}

#[test]
fn a_statement_is_no_signature_and_one_kind_not_another() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    attested(
        &memory,
        &image,
        &key,
        "https://example.org/scan-failed/v1",
        json!({"passed": false}),
    );
    let verdict = ask(&memory, &any_of(&[&key])).unwrap();
    assert!(!verdict.is_allowed(), "cosign 3.1 accepts this");
    let text = |kind: &str| {
        format!(
            "version = 1\n[[key]]\nname = 'k'\nfile = 'k'\n[[role]]\nname = 'r'\nkeys = ['k']\n\
             [[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r', predicate = '{kind}' }}]\n"
        )
    };
    for (kind, expected) in [
        ("https://example.org/scan-failed/v1", true),
        ("https://example.org/scan-failed/v2", false),
        ("https://example.org/scan-failed", false),
        ("vuln", false),
    ] {
        let verdict = ask(&memory, &policy(&text(kind), &[("k", &key)])).unwrap();
        assert_eq!(verdict.is_allowed(), expected, "{kind}");
    }
    // A signature of the image is no statement, either.
    let other = memory.image("1", "another");
    signed(&memory, &other, &key);
    assert!(
        !ask(&memory, &policy(&text("vuln"), &[("k", &key)]))
            .unwrap()
            .is_allowed()
    );
    // The right words in an envelope that says that they are something else.
    let third = memory.image("1", "third");
    memory.refer(
        &third,
        names::BUNDLE,
        &bundle(
            &key,
            "text/plain",
            statement(&third.digest, SIGNATURE, json!({})),
        ),
    );
    let verdict = ask(&memory, &any_of(&[&key])).unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["malformed"])
    );
}

#[test]
fn strangers_neither_satisfy_nor_break() {
    let memory = Memory::default();
    let (image, ours, stranger) = (memory.image("1", "image"), key(), key());
    signed(&memory, &image, &stranger);
    let verdict = ask(&memory, &any_of(&[&ours])).unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["stranger", "stranger"])
    );
    // Ours under the old tag, a stranger's bundle beside it: cosign 3.1 refuses this.
    sign(
        &memory,
        &target(&image),
        &ours,
        &SignOptions {
            bundle: false,
            ..options()
        },
    )
    .unwrap();
    assert!(ask(&memory, &any_of(&[&ours])).unwrap().is_allowed());
    // A hint at our key does not make a stranger's signature ours.
    let image = memory.image("1", "two");
    let envelope = Envelope::sign(
        names::IN_TOTO,
        statement(&image.digest, SIGNATURE, json!({})),
        &[&stranger],
    )
    .unwrap();
    memory.refer(
        &image,
        names::BUNDLE,
        &Bundle::of_key(envelope, ours.public().id()).to_json(),
    );
    assert!(!ask(&memory, &any_of(&[&ours])).unwrap().is_allowed());
}

#[test]
fn damaged_cut_and_lying_entries_are_told_apart_and_harm_nothing() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    let good = bundle(
        &key,
        names::IN_TOTO,
        statement(&image.digest, SIGNATURE, json!({})),
    );
    memory.refer(&image, names::BUNDLE, &good[..good.len() / 2]);
    memory.refer(&image, names::BUNDLE, b"");
    memory.refer(&image, names::BUNDLE, "[".repeat(1 << 20).as_bytes());
    memory.refer(&image, "text/plain", b"a note");
    // What its descriptor announces is what is asked for, and no more.
    let liar = memory.refer(&image, names::BUNDLE, b"lie");
    memory
        .blobs
        .lock()
        .unwrap()
        .insert(Digest::sha256(b"lie"), vec![b' '; 100]);
    let mut extra = memory.extra.lock().unwrap();
    extra.push(Descriptor::new(
        media_type::OCI_MANIFEST,
        Digest::sha256(b"nothing"),
        10,
    ));
    extra.push(Descriptor::new(
        media_type::OCI_MANIFEST,
        Digest::sha256(b"huge"),
        u64::MAX,
    ));
    drop(extra);
    let verdict = ask(&memory, &any_of(&[&key])).unwrap();
    assert!(!verdict.is_allowed());
    let mut found = codes(&verdict);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "digest",
            "fetch",
            "malformed",
            "malformed",
            "malformed",
            "other",
            "too-large"
        ]
    );
    assert!(
        verdict.decisions[0]
            .refused
            .iter()
            .any(|one| one.place == liar.digest)
    );
    memory.refer(&image, names::BUNDLE, &good);
    assert!(ask(&memory, &any_of(&[&key])).unwrap().is_allowed());
}

#[test]
fn endless_lists_end_and_the_likely_comes_first() {
    let memory = Memory::default();
    let (image, ours, stranger) = (memory.image("1", "image"), key(), key());
    for number in 0..300 {
        let content = statement(&image.digest, SIGNATURE, json!({ "number": number }));
        memory.refer(
            &image,
            names::BUNDLE,
            &bundle(&stranger, names::IN_TOTO, content),
        );
    }
    let limits = Limits {
        entries: 50,
        ..Limits::default()
    };
    let ask = |limits| {
        ask_as(
            &memory,
            &any_of(&[&ours]),
            &format!("{REPOSITORY}:1"),
            NOW,
            limits,
        )
    };
    let verdict = ask(limits).unwrap();
    assert!(!verdict.is_allowed());
    assert!(
        verdict.decisions[0].incomplete[0].contains("250 more were not"),
        "{:?}",
        verdict.decisions[0].incomplete
    );
    assert!(memory.count() < 120, "{}", memory.count());
    // Ours says whose it is, and is looked at first.
    sign(
        &memory,
        &target(&image),
        &ours,
        &SignOptions {
            tag: false,
            ..options()
        },
    )
    .unwrap();
    memory.asked.lock().unwrap().clear();
    assert!(ask(limits).unwrap().is_allowed());
    assert!(memory.count() < 25, "{}", memory.count());
    // Time and bytes are bounds, too.
    for limits in [
        Limits {
            time: Duration::ZERO,
            ..Limits::default()
        },
        Limits {
            total: 100,
            ..Limits::default()
        },
        Limits {
            document: 10,
            ..Limits::default()
        },
        Limits {
            entries: 0,
            ..Limits::default()
        },
    ] {
        assert!(!ask(limits).unwrap().is_allowed());
    }
}

#[test]
fn an_old_signed_image_again() {
    let memory = Memory::default();
    let key = key();
    let old = memory.image("1", "vulnerable");
    let before = SignOptions {
        at: NOW.plus(-40 * 86_400),
        ..options()
    };
    sign(&memory, &target(&old), &key, &before).unwrap();
    assert!(
        ask(&memory, &any_of(&[&key])).unwrap().is_allowed(),
        "a signature alone says nothing of age"
    );
    let text = "version = 1\n[[key]]\nname = 'k'\nfile = 'k'\n[[role]]\nname = 'r'\nkeys = ['k']\n\
                [[image]]\nrepositories = ['**']\nrequire = [{ role = 'r', max-age = '30d' }]\n";
    let strict = policy(text, &[("k", &key)]);
    let verdict = ask(&memory, &strict).unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["old", "old"])
    );
    // Nor under another name: it was signed for one repository.
    let strict = policy(&text.replace(", max-age = '30d'", ""), &[("k", &key)]);
    assert!(ask(&memory, &strict).unwrap().is_allowed());
    let verdict = ask_as(
        &memory,
        &strict,
        "registry.example.org/team/other:1",
        NOW,
        Limits::default(),
    )
    .unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["name", "name"])
    );
    // Nor under another tag, where that is asked for.
    memory
        .tags
        .lock()
        .unwrap()
        .insert("2".to_owned(), old.digest);
    let exact = text
        .replace(", max-age = '30d'", "")
        .replace("require", "identity = 'exact'\nrequire");
    let exact = policy(&exact, &[("k", &key)]);
    assert!(
        !ask_as(
            &memory,
            &exact,
            &format!("{REPOSITORY}:2"),
            NOW,
            Limits::default()
        )
        .unwrap()
        .is_allowed()
    );
    assert!(ask(&memory, &exact).unwrap().is_allowed());
}

#[test]
fn a_mirror_stands_for_where_it_mirrors_from() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    let origin = Target {
        descriptor: &image,
        repository: "docker.io/library/app",
        tag: Some("1"),
    };
    sign(&memory, &origin, &key, &options()).unwrap();
    let text = "version = 1\n[[key]]\nname = 'k'\nfile = 'k'\n[[role]]\nname = 'r'\nkeys = ['k']\n\
                [[image]]\nrepositories = ['**']\nidentity = 'repository'\nrequire = [{ role = 'r' }]\n";
    assert!(
        !ask(&memory, &policy(text, &[("k", &key)]))
            .unwrap()
            .is_allowed()
    );
    let moved =
        format!("{text}named-as = {{ 'registry.example.org/team/' = 'docker.io/library/' }}\n");
    assert!(
        ask(&memory, &policy(&moved, &[("k", &key)]))
            .unwrap()
            .is_allowed()
    );
}

#[test]
fn a_tag_that_moves_between_check_and_use() {
    let memory = Memory::default();
    let (good, evil, key) = (
        memory.image("1", "good"),
        memory.image("evil", "evil"),
        key(),
    );
    signed(&memory, &good, &key);
    *memory.hook.lock().unwrap() = Some(Box::new(move |memory, what| {
        // As soon as the name was asked for, it stands for something else.
        if what != "tag 1" {
            memory
                .tags
                .lock()
                .unwrap()
                .insert("1".to_owned(), evil.digest);
        }
    }));
    let verdict = ask(&memory, &any_of(&[&key])).unwrap();
    assert!(verdict.is_allowed());
    assert_eq!(
        verdict.digest, good.digest,
        "what was verified is what is named"
    );
    let asked = memory.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|what| *what == "tag 1").count(), 1);
    drop(asked);
    assert!(!ask(&memory, &any_of(&[&key])).unwrap().is_allowed());
}

#[test]
fn a_key_counts_once_and_only_in_its_role() {
    let memory = Memory::default();
    let (image, one, two) = (memory.image("1", "image"), key(), key());
    let text = "version = 1\n[[key]]\nname = 'one'\nfile = 'one'\n[[key]]\nname = 'again'\nfile = 'one'\n[[key]]\nname = 'two'\nfile = 'two'\n\
                [[role]]\nname = 'team'\nkeys = ['one', 'again']\n[[role]]\nname = 'all'\nkeys = ['one', 'two']\n\
                [[image]]\nrepositories = ['**']\nrequire = [{ role = 'ROLE', threshold = 2 }]\n";
    let policy = |role: &str| policy(&text.replace("ROLE", role), &[("one", &one), ("two", &two)]);
    signed(&memory, &image, &one);
    signed(&memory, &image, &one);
    assert!(
        !ask(&memory, &policy("all")).unwrap().is_allowed(),
        "twice by one"
    );
    assert!(
        !ask(&memory, &policy("team")).unwrap().is_allowed(),
        "one key under two names"
    );
    // One envelope with one signature twice.
    let twice = Envelope::sign(
        names::IN_TOTO,
        statement(&image.digest, SIGNATURE, json!({})),
        &[&one, &one],
    )
    .unwrap();
    memory.refer(
        &image,
        names::BUNDLE,
        &Bundle::of_key(twice, one.public().id()).to_json(),
    );
    assert!(!ask(&memory, &policy("all")).unwrap().is_allowed());
    signed(&memory, &image, &two);
    assert!(ask(&memory, &policy("all")).unwrap().is_allowed());
    let verdict = ask(&memory, &policy("team")).unwrap();
    assert!(!verdict.is_allowed(), "a key of another role");
}

#[test]
fn a_key_out_of_its_role_is_named() {
    let memory = Memory::default();
    let (image, base, app) = (memory.image("1", "image"), key(), key());
    let text = "version = 1\n[[key]]\nname = 'b'\nfile = 'b'\n[[key]]\nname = 'a'\nfile = 'a'\n\
                [[role]]\nname = 'base'\nkeys = ['b']\n[[role]]\nname = 'app'\nkeys = ['a']\n\
                [[image]]\nrepositories = ['**']\nrequire = [{ role = 'base' }, { role = 'app', predicate = 'approval' }]\n";
    let policy = policy(text, &[("a", &app), ("b", &base)]);
    signed(&memory, &image, &app);
    attested(
        &memory,
        &image,
        &app,
        "https://kiln.dev/attestation/approval/v1",
        json!({}),
    );
    let verdict = ask(&memory, &policy).unwrap();
    assert!(!verdict.is_allowed());
    assert_eq!(
        verdict.decisions[0].requirements[0].refused[0]
            .reason
            .to_string(),
        "`a` is not in the role `base`"
    );
    signed(&memory, &image, &base);
    assert!(ask(&memory, &policy).unwrap().is_allowed());
}

#[test]
fn no_rule_no_image_no_list() {
    let memory = Memory::default();
    let key = key();
    let mut policy = any_of(&[&key]);
    assert!(matches!(
        ask(&memory, &policy),
        Err(VerifyError::NotFound(_))
    ));
    memory.image("1", "image");
    policy.rules.clear();
    assert!(matches!(ask(&memory, &policy), Err(VerifyError::NoRule(_))));
    memory.store(Some("1"), "text/html", b"<html>");
    assert!(matches!(
        ask(&memory, &any_of(&[&key])),
        Err(VerifyError::Document(_))
    ));
}
