//! Keys and signatures that other programs made, and what is wrong with some.
//!
//! The files were made by `tests/fixtures/openpgp/make` with GnuPG and Sequoia.

use std::path::Path;
use std::process::Command;

use kiln_assemble::{Keyring, SignatureError};
use kiln_testkit::TempDir;
use kiln_testkit::debian::{Flaw, SigningKey};

use crate::world::MADE;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openpgp")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn keyring(name: &str) -> Keyring {
    Keyring::parse(&fixture(&format!("{name}.key"))).unwrap()
}

/// The text without what no signature covers.
const TEXT: &str = "Suite: stable\n- a hyphen\n\ntwo  blanks\nUmlaut: \u{e4}\n";

const GOOD: &[&str] = &[
    "ed25519",
    "nistp256",
    "nistp384",
    "rsa2048",
    "rsa4096",
    "subkey",
    "v6-cv25519",
    "v6-rsa3k",
];

#[test]
fn what_other_programs_sign_is_trusted() {
    for name in GOOD {
        let ring = keyring(name);
        let text = ring.verify(&fixture(&format!("{name}.asc")), MADE);
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        // Sequoia keeps the last line feed as an empty line.
        assert_eq!(text.trim_end(), TEXT.trim_end());
        let signature = fixture(&format!("{name}.sig"));
        ring.verify_detached(&fixture("text"), &signature, MADE)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    keyring("ed25519")
        .verify_detached(&fixture("text"), &fixture("textmode.sig"), MADE)
        .unwrap();
}

#[test]
fn one_trusted_signer_of_several_suffices() {
    for name in ["rsa2048", "ed25519"] {
        keyring(name).verify(&fixture("two.asc"), MADE).unwrap();
    }
    let error = keyring("nistp256")
        .verify(&fixture("two.asc"), MADE)
        .unwrap_err();
    let told = error.to_string();
    assert!(
        matches!(error, SignatureError::UnknownSigner { .. }),
        "{told}"
    );
    assert_eq!(told.matches(", ").count(), 2, "both are named: {told}");
    // Binary keyrings are joined by writing one behind the other; armoured ones are texts.
    let is_binary = |name: &&&str| !fixture(&format!("{name}.key")).starts_with(b"-");
    let binary: Vec<_> = GOOD.iter().filter(is_binary).collect();
    let all = binary
        .iter()
        .flat_map(|name| fixture(&format!("{name}.key")));
    let all = Keyring::parse(&all.collect::<Vec<_>>()).unwrap();
    assert!(binary.len() >= 5);
    for name in binary {
        all.verify(&fixture(&format!("{name}.asc")), MADE).unwrap();
    }
}

#[test]
fn what_other_programs_would_refuse_is_refused() {
    for (name, reason) in [
        ("sha1", "a digest that is broken"),
        ("sha1-itself", "only with a digest that is broken"),
        ("dsa", "of a kind that is not supported"),
        ("revoked", "the key was revoked"),
        ("year", "the key has expired"),
    ] {
        for (what, result) in [
            (
                "text",
                keyring(name)
                    .verify(&fixture(&format!("{name}.asc")), MADE + 86_400)
                    .map(drop),
            ),
            (
                "file",
                keyring(name).verify_detached(
                    &fixture("text"),
                    &fixture(&format!("{name}.sig")),
                    MADE + 86_400,
                ),
            ),
        ] {
            let error = result.expect_err(name).to_string();
            assert!(error.contains(reason), "{name} {what}: {error}");
        }
    }
    // It still held in its first year.
    keyring("year")
        .verify(&fixture("year.asc"), MADE - 30 * 86_400)
        .unwrap();
}

#[test]
fn every_changed_byte_of_a_signature_is_noticed_or_changes_nothing() {
    for name in ["ed25519", "nistp256", "rsa2048", "subkey", "v6-cv25519"] {
        let ring = keyring(name);
        let text = fixture("text");
        let mut signature = fixture(&format!("{name}.sig"));
        if signature.starts_with(b"-") {
            // What armour says is changed as a whole below.
            continue;
        }
        let mut accepted = 0;
        for at in 0..signature.len() {
            signature[at] ^= 0x10;
            if ring.verify_detached(&text, &signature, MADE).is_ok() {
                accepted += 1;
            }
            signature[at] ^= 0x10;
        }
        // Only hints are not covered: the first bits of the digest, and the id of who made it where the
        // fingerprint says the same.
        assert!(
            accepted <= 2 + 9,
            "{name}: {accepted} changes were not noticed"
        );
        for end in 0..signature.len() {
            assert!(
                ring.verify_detached(&text, &signature[..end], MADE)
                    .is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn every_changed_byte_of_a_keyring_is_noticed_or_changes_nothing() {
    for name in ["ed25519", "nistp384", "v6-cv25519"] {
        let (text, signature) = (fixture("text"), fixture(&format!("{name}.sig")));
        let mut bytes = fixture(&format!("{name}.key"));
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                bytes[at] ^= bit;
                // Whatever comes of it, it is no panic; and the text is still the one that was signed.
                if let Ok(ring) = Keyring::parse(&bytes) {
                    let changed = [&text[..], b"x"].concat();
                    assert!(ring.verify_detached(&changed, &signature, MADE).is_err());
                    let _ = ring.verify_detached(&text, &signature, MADE);
                }
                bytes[at] ^= bit;
            }
        }
    }
}

#[test]
fn keys_with_something_wrong_are_not_trusted() {
    let cases = [
        (false, Flaw::Expired, "the key has expired"),
        (true, Flaw::Expired, "the key has expired"),
        (false, Flaw::Revoked, "the key was revoked"),
        (true, Flaw::RevokedWeakly, "the key was revoked"),
        (true, Flaw::SubkeyRevoked, "the subkey was revoked"),
        (true, Flaw::SubkeyExpired, "the subkey has expired"),
        (true, Flaw::SubkeyForOther, "the subkey is not for signing"),
        (true, Flaw::SubkeyClaimed, "does not say that it belongs"),
        (false, Flaw::ForOther, "the key is not for signing"),
        (true, Flaw::Silent, "does not vouch for itself"),
        (false, Flaw::NameRevoked, "does not vouch for itself"),
        (true, Flaw::WeakDigest, "a digest that is broken"),
        (false, Flaw::Critical, "something that is not understood"),
        (false, Flaw::ShortLived, "it has expired"),
        (true, Flaw::Early, "a time that cannot be"),
        (true, Flaw::BeforeItself, "a time that cannot be"),
        (false, Flaw::OtherKind, "something else than a file"),
    ];
    for (with_subkey, flaw, reason) in cases {
        let key = SigningKey::flawed(with_subkey, flaw);
        let ring = Keyring::parse(&key.keyring()).unwrap();
        for error in [
            ring.verify(&key.sign("Suite: stable\n"), MADE + 1)
                .unwrap_err(),
            ring.verify_detached(b"x", &key.sign_detached(b"x"), MADE + 1)
                .unwrap_err(),
        ] {
            let told = error.to_string();
            assert!(told.contains(reason), "{flaw:?}: {told}");
        }
    }
}

#[test]
fn a_key_cannot_borrow_what_others_say() {
    // The name and what vouches for it of another key, and its subkey.
    let (key, other) = (
        SigningKey::flawed(false, Flaw::Silent),
        SigningKey::new(true),
    );
    let ring = [key.keyring(), other.keyring()[55..].to_vec()].concat();
    if let Ok(ring) = Keyring::parse(&ring) {
        for signed in [key.sign("x\n"), other.sign("x\n")] {
            assert!(ring.verify(&signed, MADE).is_err());
        }
    }
}

#[test]
fn what_is_no_keyring_is_refused() {
    let key = SigningKey::new(false);
    let ring = key.keyring();
    for end in 1..ring.len() {
        // A key alone is one, if a silent one.
        if let Ok(cut) = Keyring::parse(&ring[..end]) {
            assert!(cut.verify(&key.sign("x\n"), MADE).is_err(), "cut at {end}");
        }
    }
    for (bytes, reason) in [
        (&b"\0\0\0\x20\x01\x01\0\x02KBXf\0\0"[..], "gpg --export"),
        (b"\xc5\x01\x04", "secret key"),
        (b"\xcd\x01a", "does not begin with a key"),
        (
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
            "another armoured block",
        ),
        (b"plain text", "not made of OpenPGP packets"),
    ] {
        let error = Keyring::parse(bytes).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(reason), "{source}");
    }
    assert!(
        Keyring::parse(b"\xc6\x01\x03")
            .unwrap_err()
            .to_string()
            .contains("without a key")
    );
}

#[test]
fn gpgv_agrees_about_what_tests_sign() {
    if Command::new("gpgv").arg("--version").output().is_err() {
        return;
    }
    for with_subkey in [true, false] {
        for flaw in [Flaw::None, Flaw::SubkeyClaimed, Flaw::Revoked] {
            let key = SigningKey::flawed(with_subkey, flaw);
            let directory = TempDir::new();
            let (ring, file) = (
                directory.path().join("ring"),
                directory.path().join("signed"),
            );
            std::fs::write(&ring, key.keyring()).unwrap();
            std::fs::write(&file, key.sign("Suite: stable\n- a dash\n")).unwrap();
            let checked = Command::new("gpgv")
                .args(["--status-fd", "1", "--keyring"])
                .arg(&ring)
                .arg(&file)
                .output();
            let checked = checked.unwrap();
            let ours = Keyring::parse(&key.keyring()).unwrap();
            let ours = ours.verify(&std::fs::read(&file).unwrap(), MADE);
            // As apt reads it: a revoked key's is no GOODSIG but a REVKEYSIG.
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            assert_eq!(ours.is_ok(), said.contains(" GOODSIG "), "{flaw:?} {said}");
        }
    }
}

#[test]
fn the_machines_own_archive_keyring_is_read() {
    let path = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if let Ok(bytes) = std::fs::read(path) {
        Keyring::parse(&bytes).unwrap();
    }
}
