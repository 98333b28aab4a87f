//! Signing and finding it again.

use kiln_oci::{Descriptor, Digest, Document, Index, Raw, media_type};
use kiln_trust::format::statement::SIGNATURE;
use kiln_trust::key::{Generate, PrivateKey, Signer as _};
use kiln_trust::registry::{Name, Registry as _, companion_tag};
use kiln_trust::sign::{SignError, SignOptions, children, sign};
use kiln_trust::verify::{Form, Limits};

use crate::memory::{Memory, NOW, any_of, ask, ask_as, codes, key, options, signed, target};

#[test]
fn every_kind_of_key_in_both_forms() {
    for kind in [Generate::P256, Generate::P384, Generate::Ed25519] {
        let memory = Memory::default();
        let image = memory.image("1", "image");
        let key = PrivateKey::generate(kind).unwrap();
        for (tag, bundle, form) in [(true, false, Form::Simple), (false, true, Form::Bundle)] {
            let memory = Memory::default();
            memory.image("1", "image");
            sign(
                &memory,
                &target(&image),
                &key,
                &SignOptions {
                    tag,
                    bundle,
                    ..options()
                },
            )
            .unwrap();
            let verdict = ask(&memory, &any_of(&[&key])).unwrap();
            assert!(verdict.is_allowed(), "{kind:?} {form:?} {verdict:?}");
            let met = &verdict.decisions[0].requirements[0].by[0];
            assert_eq!(
                (met.form, met.claimed_at, met.signer.id),
                (form, Some(NOW), key.public().id())
            );
        }
        signed(&memory, &image, &key);
        assert!(ask(&memory, &any_of(&[&key])).unwrap().is_allowed());
    }
}

#[test]
fn a_registry_without_a_list_of_referrers() {
    let memory = Memory {
        is_old: true,
        ..Memory::default()
    };
    let (image, one, two) = (memory.image("1", "image"), key(), key());
    for key in [&one, &two] {
        sign(
            &memory,
            &target(&image),
            key,
            &SignOptions {
                tag: false,
                ..options()
            },
        )
        .unwrap();
        assert!(ask(&memory, &any_of(&[key])).unwrap().is_allowed());
    }
    assert!(
        ask(&memory, &any_of(&[&one])).unwrap().is_allowed(),
        "the second did not push out the first"
    );
}

#[test]
fn the_manifests_are_as_cosign_writes_them() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    let written = sign(&memory, &target(&image), &key, &options()).unwrap();
    let (_, bytes) = memory
        .manifest(Name::Tag(&companion_tag(&image.digest, ".sig")))
        .unwrap()
        .unwrap();
    assert_eq!(Digest::sha256(&bytes), written[0]);
    let Ok(Document::Manifest(manifest)) = Document::parse(&bytes) else {
        panic!()
    };
    assert_eq!(
        manifest.layers[0].media_type,
        "application/vnd.dev.cosign.simplesigning.v1+json"
    );
    assert!(
        manifest.layers[0]
            .annotations
            .contains_key("dev.cosignproject.cosign/signature")
    );
    let config = &memory.blobs.lock().unwrap()[&manifest.config.digest].clone();
    let config: serde_json::Value = serde_json::from_slice(config).unwrap();
    assert_eq!(
        config["rootfs"]["diff_ids"][0],
        manifest.layers[0].digest.to_string()
    );
    let bytes = memory.manifests.lock().unwrap()[&written[1]].1.clone();
    let Ok(Document::Manifest(manifest)) = Document::parse(&bytes) else {
        panic!()
    };
    assert_eq!(
        manifest.artifact_type.as_deref(),
        Some("application/vnd.dev.sigstore.bundle.v0.3+json")
    );
    assert_eq!(
        manifest.annotations["dev.sigstore.bundle.predicateType"],
        SIGNATURE
    );
    assert_eq!(
        manifest.config,
        Descriptor::of(media_type::OCI_EMPTY, b"{}")
    );
    assert_eq!(manifest.subject.unwrap().digest, image.digest);
}

#[test]
fn a_second_signer_adds_and_a_foreign_tag_is_left_alone() {
    let memory = Memory::default();
    let (image, one, two) = (memory.image("1", "image"), key(), key());
    signed(&memory, &image, &one);
    signed(&memory, &image, &two);
    for key in [&one, &two] {
        assert!(ask(&memory, &any_of(&[key])).unwrap().is_allowed());
    }
    let other = memory.image("2", "other");
    memory.image(&companion_tag(&other.digest, ".sig"), "something else");
    let taken = memory.refer(&other, "text/plain", b"not a signature");
    memory
        .tags
        .lock()
        .unwrap()
        .insert(companion_tag(&other.digest, ".sig"), taken.digest);
    let result = sign(&memory, &target(&other), &one, &options());
    assert!(matches!(result, Err(SignError::Occupied(_))), "{result:?}");
}

#[test]
fn signers_at_once_lose_nothing_as_long_as_they_look_again() {
    let memory = Memory::default();
    let (image, loser) = (memory.image("1", "image"), key());
    let tag = companion_tag(&image.digest, ".sig");
    signed(&memory, &image, &key());
    let before = memory.tags.lock().unwrap()[&tag];
    // Another signer, who read before us, writes after us: once.
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let name = tag.clone();
    *memory.hook.lock().unwrap() = Some(Box::new(move |memory, what| {
        // read, read, put, read: before the third question our write is gone.
        let is_ours = what == format!("tag {name}");
        if is_ours && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 2 {
            memory.tags.lock().unwrap().insert(name.clone(), before);
        }
    }));
    sign(
        &memory,
        &target(&image),
        &loser,
        &SignOptions {
            bundle: false,
            ..options()
        },
    )
    .unwrap();
    assert!(ask(&memory, &any_of(&[&loser])).unwrap().is_allowed());
    // Always: it must not be called a success.
    let name = tag.clone();
    *memory.hook.lock().unwrap() = Some(Box::new(move |memory, _| {
        memory.tags.lock().unwrap().insert(name.clone(), before);
    }));
    let result = sign(
        &memory,
        &target(&image),
        &loser,
        &SignOptions {
            bundle: false,
            ..options()
        },
    );
    assert!(matches!(result, Err(SignError::Contended(_))), "{result:?}");
}

#[test]
fn a_list_of_referrers_that_clients_keep_is_looked_at_again() {
    let memory = Memory {
        is_old: true,
        ..Memory::default()
    };
    let (image, loser) = (memory.image("1", "image"), key());
    let bundle = SignOptions {
        tag: false,
        ..options()
    };
    sign(&memory, &target(&image), &key(), &bundle).unwrap();
    let tag = companion_tag(&image.digest, "");
    let before = memory.tags.lock().unwrap()[&tag];
    let asked = std::sync::atomic::AtomicUsize::new(0);
    *memory.hook.lock().unwrap() = Some(Box::new(move |memory, what| {
        let is_list = what.starts_with("referrers ");
        if is_list && asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            memory.tags.lock().unwrap().insert(tag.clone(), before);
        }
    }));
    sign(&memory, &target(&image), &loser, &bundle).unwrap();
    assert!(ask(&memory, &any_of(&[&loser])).unwrap().is_allowed());
}

#[test]
fn an_index_and_what_is_in_it() {
    let memory = Memory::default();
    let (one, two, key) = (memory.image("a", "one"), memory.image("b", "two"), key());
    let inner = Raw::new(Index::new(vec![two.clone()]));
    let inner = memory.store(None, media_type::OCI_INDEX, inner.bytes());
    let outer = Raw::new(Index::new(vec![one.clone(), inner.clone()]));
    let outer_descriptor = memory.store(Some("1"), media_type::OCI_INDEX, outer.bytes());
    let all = children(&memory, outer.bytes()).unwrap();
    let digests: Vec<_> = all.iter().map(|child| child.digest).collect();
    assert_eq!(digests, [one.digest, inner.digest, two.digest]);
    signed(&memory, &outer_descriptor, &key);
    assert!(ask(&memory, &any_of(&[&key])).unwrap().is_allowed());
    let mut each = any_of(&[&key]);
    each.rules[0].platforms = kiln_trust::policy::Platforms::Each;
    assert!(!ask(&memory, &each).unwrap().is_allowed());
    signed(&memory, &one, &key);
    signed(&memory, &inner, &key);
    assert!(ask(&memory, &each).unwrap().is_allowed());
}

#[test]
fn a_signature_ends() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    for (tag, bundle) in [(true, false), (false, true)] {
        let options = SignOptions {
            tag,
            bundle,
            expires: Some(NOW.plus(60)),
            ..options()
        };
        sign(&memory, &target(&image), &key, &options).unwrap();
    }
    let ask = |now| {
        ask_as(
            &memory,
            &any_of(&[&key]),
            &format!("{}:1", crate::memory::REPOSITORY),
            now,
            Limits::default(),
        )
    };
    assert!(ask(NOW.plus(60)).unwrap().is_allowed());
    let late = ask(NOW.plus(61)).unwrap();
    assert!(!late.is_allowed());
    assert_eq!(codes(&late), ["expired", "expired"]);
    let early = ask(NOW.plus(-301)).unwrap();
    assert_eq!(codes(&early), ["future", "future"]);
}
