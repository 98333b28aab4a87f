//! What is not signed by who should, was changed, or is too old, is refused.

use kiln_assemble::{Keyring, LockError, RepositoryError, SignatureError};
use kiln_testkit::debian::{Deb, DebianRepository, SigningKey};

use crate::world::{MADE, World, key, told};

fn repository() -> DebianRepository {
    DebianRepository::new(vec![Deb::new("app", "1")])
}

fn refusal(world: &World) -> RepositoryError {
    match world.lock(&world.spec("packages = [\"app\"]")).unwrap_err() {
        LockError::Repository(error) => *error,
        error => panic!("{}", told(&error)),
    }
}

#[test]
fn keys_sign_with_subkeys_or_by_themselves_and_rings_have_two_forms() {
    for with_subkey in [true, false] {
        let key = SigningKey::new(with_subkey);
        let signed = key.sign("Suite: stable\n- a dash\ntwo  blanks\n");
        for ring in [key.keyring(), key.armored_keyring()] {
            let text = Keyring::parse(&ring)
                .unwrap()
                .verify(&signed, MADE)
                .unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            assert_eq!(lines, ["Suite: stable", "- a dash", "two  blanks"]);
        }
        let two = [SigningKey::new(false).keyring(), key.keyring()].concat();
        Keyring::parse(&two).unwrap().verify(&signed, MADE).unwrap();
    }
    assert!(Keyring::parse(b"no keys").is_err());
    assert!(Keyring::parse(b"").is_err());
}

#[test]
fn a_stranger_is_not_trusted() {
    let world = World::of(&repository());
    world
        .server
        .replace(repository().publish(&SigningKey::new(true)));
    let error = refusal(&world);
    assert!(
        matches!(
            &error,
            RepositoryError::Signature {
                source: SignatureError::UnknownSigner { .. },
                ..
            }
        ),
        "{}",
        told(&error)
    );
}

#[test]
fn every_changed_byte_of_the_signed_text_is_noticed() {
    let ring = Keyring::parse(&key().keyring()).unwrap();
    let signed = key().sign("Suite: stable\nCodename: x\n");
    let begin = String::from_utf8(signed.clone())
        .unwrap()
        .find("Suite")
        .unwrap();
    for at in begin..begin + "Suite: stable\nCodename: x".len() {
        let mut changed = signed.clone();
        changed[at] ^= 1;
        assert!(ring.verify(&changed, MADE).is_err(), "byte {at}");
    }
    for end in (0..signed.len() - 60).step_by(37) {
        assert!(ring.verify(&signed[..end], MADE).is_err(), "cut at {end}");
    }
}

#[test]
fn text_around_the_signed_text_is_not_believed() {
    let ring = Keyring::parse(&key().keyring()).unwrap();
    let signed = key().sign("Suite: stable\n");
    let framed = [b"Suite: evil\n\n", &signed[..], b"\nSuite: evil\n"].concat();
    if let Ok(text) = ring.verify(&framed, MADE) {
        assert!(!text.contains("evil"), "{text}");
    }
    let unsigned = world_files_without_signature();
    assert!(matches!(
        ring.verify(&unsigned, MADE),
        Err(SignatureError::Format(_))
    ));
}

fn world_files_without_signature() -> Vec<u8> {
    b"Suite: stable\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n".to_vec()
}

#[test]
fn a_changed_index_is_refused() {
    for by_hash in [true, false] {
        let repository = DebianRepository {
            by_hash,
            ..repository()
        };
        let world = World::of(&repository);
        let mut files = repository.publish(key());
        for (path, content) in &mut files {
            if path.contains("binary-amd64") {
                let last = content.len() - 1;
                content[last] ^= 1;
            }
        }
        world.server.replace(files);
        let error = told(&refusal(&world));
        assert!(error.contains("checksum"), "{error}");
    }
}

#[test]
fn a_release_that_has_expired_is_refused_unless_that_is_meant() {
    let mut world = World::of(&DebianRepository {
        valid_until: Some("Mon, 08 Jan 2024 00:00:00 UTC".to_owned()),
        ..repository()
    });
    let spec = world.spec("packages = [\"app\"]");
    world.lock(&spec).unwrap();
    world.now = MADE + 10 * 86_400;
    assert!(matches!(
        refusal(&world),
        RepositoryError::Expired { days: 3, .. }
    ));
    let mut old = spec.clone();
    old.repositories[0].check_valid_until = false;
    world.lock(&old).unwrap();
}

#[test]
fn a_mirror_that_goes_back_in_time_is_refused() {
    let world = World::of(&repository());
    let spec = world.spec("packages = [\"app\"]");
    let lock = world.lock(&spec).unwrap();
    let older = DebianRepository {
        date: "Sun, 31 Dec 2023 00:00:00 UTC".to_owned(),
        ..repository()
    };
    world.server.replace(older.publish(key()));
    let error = world.lock_after(&spec, Some(&lock), true).unwrap_err();
    assert!(told(&error).contains("1 days older"), "{}", told(&error));
}

#[test]
fn another_suite_under_the_same_address_is_refused() {
    let world = World::of(&repository());
    let other = DebianRepository {
        suite: "testing".to_owned(),
        ..repository()
    };
    let mut files = other.publish(key());
    let release = files["dists/testing/InRelease"].clone();
    files.insert("dists/stable/InRelease".to_owned(), release);
    world.server.replace(files);
    assert!(matches!(refusal(&world), RepositoryError::Suite { .. }));
}

#[test]
fn a_connection_that_breaks_is_taken_up_again() {
    let world = World::of(&repository());
    world.server.cut(1);
    world.lock(&world.spec("packages = [\"app\"]")).unwrap();
}

#[test]
fn the_signature_may_be_in_a_file_of_its_own() {
    let detached = DebianRepository {
        detached: true,
        ..repository()
    };
    let mut world = World::of(&detached);
    let spec = world.spec("packages = [\"app\"]");
    let lock = world.lock(&spec).unwrap();
    world.offline = true;
    assert_eq!(world.lock(&spec).unwrap(), lock);
    world.offline = false;
    let mut changed = detached.publish(key());
    changed.get_mut("dists/stable/Release").unwrap()[0] ^= 1;
    world.server.replace(changed);
    let error = refusal(&world);
    assert!(
        matches!(
            &error,
            RepositoryError::Signature {
                source: SignatureError::Bad { .. },
                ..
            }
        ),
        "{}",
        told(&error)
    );
    let mut unsigned = detached.publish(key());
    unsigned.remove("dists/stable/Release.gpg");
    world.server.replace(unsigned);
    let error = told(&refusal(&world));
    assert!(
        error.contains("InRelease") && error.contains("404"),
        "{error}"
    );
}
