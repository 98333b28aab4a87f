//! Private keys in files.

use kiln_trust::key::{
    Cost, Generate, KeyKind, PrivateKey, PrivateKeyError, PublicKey, Scheme, SealError,
    Signer as _, open, seal,
};
use zeroize::Zeroizing;

fn password(text: &str) -> impl FnOnce() -> Option<Zeroizing<Vec<u8>>> {
    let bytes = text.as_bytes().to_vec();
    move || Some(Zeroizing::new(bytes))
}

/// A key of OpenSSL: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA: &str = include_str!("../data/rsa.pem");

#[test]
fn sealed_and_opened() {
    for kind in [Generate::P256, Generate::P384, Generate::Ed25519] {
        let key = PrivateKey::generate(kind).unwrap();
        let file = seal(&key, b"secret", Cost::Cheap).unwrap();
        assert!(file.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        let opened = open(file.as_bytes(), password("secret")).unwrap();
        assert_eq!(opened.public(), key.public());
        let older = file.replace("SIGSTORE", "COSIGN");
        assert_eq!(
            open(older.as_bytes(), password("secret")).unwrap().public(),
            key.public()
        );
        assert!(matches!(
            open(file.as_bytes(), password("Secret")),
            Err(SealError::Password)
        ));
        assert!(matches!(
            open(file.as_bytes(), || None),
            Err(SealError::NoPassword)
        ));
        let signature = opened.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"massage", &signature));
        assert!(!format!("{opened:?}").contains("secret"));
    }
}

#[test]
fn an_rsa_key_of_another_tool() {
    let key = open(RSA.as_bytes(), || panic!("it is not encrypted")).unwrap();
    assert_eq!(key.public().kind(), KeyKind::Rsa(2048));
    for scheme in [Scheme::RsaPkcs1Sha256, Scheme::RsaPssSha256] {
        let signature = key.sign_with(scheme, b"m").unwrap();
        assert!(key.public().verifies_with(scheme, b"m", &signature));
        assert!(
            !key.public()
                .verifies_with(Scheme::RsaPkcs1Sha512, b"m", &signature)
        );
    }
    assert!(key.sign_with(Scheme::EcdsaSha256, b"m").is_err());
    let file = seal(&key, b"", Cost::Cheap).unwrap();
    assert_eq!(
        open(file.as_bytes(), password("")).unwrap().public(),
        key.public()
    );
    let pem = key.public().to_pem();
    assert_eq!(PublicKey::from_pem(pem.as_bytes()).unwrap(), *key.public());
}

/// A file whose JSON was changed.
fn changed(from: &str, to: &str) -> String {
    let key = PrivateKey::generate(Generate::P256).unwrap();
    let file = seal(&key, b"x", Cost::Cheap).unwrap();
    let block = &kiln_trust::pem::decode(file.as_bytes()).unwrap()[0];
    let json = String::from_utf8(block.content.to_vec()).unwrap();
    assert!(json.contains(from), "{json}");
    kiln_trust::pem::encode(&block.label, json.replacen(from, to, 1).as_bytes())
}

#[test]
fn hostile_files_cost_nothing() {
    for (from, to) in [
        ("\"N\":1024", "\"N\":2147483648"),
        ("\"N\":1024", "\"N\":18446744073709551615"),
        ("\"N\":1024", "\"N\":1023"),
        ("\"N\":1024", "\"N\":0"),
        ("\"r\":8", "\"r\":1048577"),
        ("\"p\":1", "\"p\":1000000"),
        ("\"p\":1", "\"p\":0"),
    ] {
        let result = open(changed(from, to).as_bytes(), password("x"));
        assert!(
            matches!(result, Err(SealError::Excessive { .. })),
            "{to}: {result:?}"
        );
    }
    for (from, to) in [
        ("\"scrypt\"", "\"none\""),
        ("nacl/secretbox", "rot13"),
        ("\"nonce\":\"", "\"nonce\":\"AAAA"),
    ] {
        let result = open(changed(from, to).as_bytes(), password("x"));
        assert!(
            matches!(result, Err(SealError::Unsupported(_))),
            "{to}: {result:?}"
        );
    }
    assert!(matches!(
        open(changed("\"kdf\"", "\"xyz\"").as_bytes(), password("x")),
        Err(SealError::Format(_))
    ));
}

#[test]
fn what_is_no_private_key() {
    let open = |text: &str| open(text.as_bytes(), || panic!("it is not encrypted")).unwrap_err();
    let public = PrivateKey::generate(Generate::P256)
        .unwrap()
        .public()
        .to_pem();
    assert!(matches!(
        open(&public),
        SealError::Key(PrivateKeyError::Label(_))
    ));
    assert!(matches!(
        open("hello"),
        SealError::Key(PrivateKeyError::Pem(_))
    ));
    let other = RSA.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert!(matches!(
        open(&other),
        SealError::Key(PrivateKeyError::Encrypted)
    ));
    let cut = kiln_trust::pem::encode("PRIVATE KEY", &[0x30, 3, 2, 1]);
    assert!(matches!(
        open(&cut),
        SealError::Key(PrivateKeyError::Der(_))
    ));
}

#[test]
fn keys_that_are_too_weak_are_refused() {
    // SubjectPublicKeyInfo of RSA with 1024 bits.
    let modulus = [&[0x02, 0x81, 0x81, 0x00, 0x80][..], &[1; 127]].concat();
    let numbers = [&[0x30, 0x81, 0x89][..], &modulus, &[0x02, 0x03, 1, 0, 1]].concat();
    let algorithm = [
        0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0,
    ];
    let bits = [&[0x03, 0x81, 0x8d, 0x00][..], &numbers].concat();
    let body = [&algorithm[..], &bits].concat();
    let spki = [&[0x30, 0x81, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let result = PublicKey::from_spki(&spki);
    assert_eq!(result, Err(kiln_trust::key::InvalidKey::RsaSize(1024)));
}
