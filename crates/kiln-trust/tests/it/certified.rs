//! Signers with certificates.

use kiln_oci::Descriptor;
use kiln_trust::Policy;
use kiln_trust::format::bundle::Bundle;
use kiln_trust::format::dsse::Envelope;
use kiln_trust::format::names;
use kiln_trust::format::statement::{SIGNATURE, Statement, Subject};
use kiln_trust::key::{PrivateKey, Signer as _};
use kiln_trust::revocation::{Revocations, RevokedCertificate};
use kiln_trust::verify::{Limits, Question, Verdict, verify};
use kiln_trust::x509::{Authority, Certificate, PathError, Purpose};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::json;

use crate::memory::{Memory, NOW, REPOSITORY, ask, codes};

/// An authority that issues certificates.
pub(crate) struct Root {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A signer whom one certified.
pub(crate) struct Leaf {
    pub(crate) key: PrivateKey,
    pub(crate) pem: String,
}

impl Leaf {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.pem.as_bytes())
            .unwrap()
            .remove(0)
    }
}

fn named(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    // The one that it begins with has a name already.
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Bank");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn authority(name: &str, until: i32) -> CertificateParams {
    let mut params = named(name, until);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn signer(name: &str, until: i32) -> CertificateParams {
    let mut params = named(name, until);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params
}

pub(crate) fn root(until: i32) -> Root {
    let (params, key) = (authority("Image CA", until), KeyPair::generate().unwrap());
    let certificate = params.self_signed(&key).unwrap();
    Root {
        pem: certificate.pem(),
        issuer: Issuer::new(params, key),
    }
}

fn below(root: &Root, params: CertificateParams) -> Root {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root.issuer).unwrap();
    Root {
        pem: certificate.pem(),
        issuer: Issuer::new(params, key),
    }
}

fn issue(root: &Root, params: &CertificateParams) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root.issuer).unwrap();
    Leaf {
        key: PrivateKey::from_pkcs8(&key.serialize_der()).unwrap(),
        pem: certificate.pem(),
    }
}

pub(crate) fn leaf(root: &Root, name: &str) -> Leaf {
    issue(root, &signer(name, 2028))
}

pub(crate) fn trusting(root: &Root, subjects: &str) -> Policy {
    let text = format!(
        "version = 1\n[[authority]]\nname = 'bank'\nfile = 'ca'\nsubjects = [{subjects}]\n[[role]]\nname = 'r'\nauthorities = ['bank']\n\
         [[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r' }}]\n"
    );
    Policy::parse(&text, &|_| Ok(root.pem.clone().into_bytes())).unwrap()
}

fn put(memory: &Memory, image: &Descriptor, leaf: &Leaf) {
    let statement = Statement::new(
        Subject::of(Some(REPOSITORY), &image.digest),
        SIGNATURE,
        json!({}),
    );
    let envelope = Envelope::sign(names::IN_TOTO, statement.to_json(), &[&leaf.key]).unwrap();
    let mut bundle = Bundle::of_key(envelope, leaf.key.public().id());
    bundle.certificates = vec![leaf.certificate().der().to_vec()];
    memory.refer(image, names::BUNDLE, &bundle.to_json());
}

fn ask_of(leaf: &Leaf, policy: &Policy) -> Verdict {
    let memory = Memory::default();
    let image = memory.image("1", "image");
    put(&memory, &image, leaf);
    ask(&memory, policy).unwrap()
}

#[test]
fn whom_the_authority_certified_and_the_policy_names() {
    let root = root(2030);
    let base = leaf(&root, "base-signer");
    assert!(ask_of(&base, &trusting(&root, "")).is_allowed());
    let named = ask_of(&base, &trusting(&root, "'CN=base-*,O=Bank'"));
    assert!(named.is_allowed(), "{named:?}");
    let other = ask_of(&base, &trusting(&root, "'CN=app-*,O=Bank'"));
    assert_eq!(
        (other.is_allowed(), codes(&other)),
        (false, vec!["certificate"])
    );
    let stranger = self::root(2030);
    let verdict = ask_of(&leaf(&stranger, "base-signer"), &trusting(&root, ""));
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["certificate"])
    );
}

#[test]
fn a_name_cannot_pretend_to_be_two_parts() {
    let root = root(2030);
    let verdict = ask_of(
        &leaf(&root, "base-x,O=Bank"),
        &trusting(&root, "'CN=base-x,O=Bank,O=Bank'"),
    );
    assert!(!verdict.is_allowed());
}

#[test]
fn all_of_the_chain_must_be_good_now() {
    // NOW is in January 2027.
    let good = root(2030);
    let ended = issue(&good, &signer("base", 2027));
    let verdict = ask_of(&ended, &trusting(&good, ""));
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["certificate"])
    );
    assert!(
        verdict.decisions[0].refused[0]
            .reason
            .to_string()
            .contains("to 2027-01-01T00:00:00Z, not at 2027-01-15")
    );
    // The signer's is good, its issuer's is not (CVE-2026-24122).
    let old = root(2027);
    assert!(!ask_of(&issue(&old, &signer("base", 2029)), &trusting(&old, "")).is_allowed());
    let between = below(&good, authority("Old team CA", 2027));
    let signer = issue(&between, &signer("base", 2029));
    let authority = Authority::from_pem("bank", good.pem.as_bytes(), vec![]).unwrap();
    let others = Certificate::from_pem(between.pem.as_bytes()).unwrap();
    let check = |at| authority.check(&signer.certificate(), &others, Purpose::CodeSigning, at);
    assert!(matches!(check(NOW), Err(PathError::Time { .. })));
    assert_eq!(check(NOW.plus(-60 * 86_400)).unwrap().len(), 3);
}

#[test]
fn made_for_something_else() {
    let root = root(2030);
    let mut server = signer("server", 2028);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut nothing = signer("nothing", 2028);
    nothing.extended_key_usages = vec![];
    let mut encrypts = signer("encrypts", 2028);
    encrypts.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    for params in [server, nothing, encrypts] {
        let verdict = ask_of(&issue(&root, &params), &trusting(&root, ""));
        assert_eq!(
            (verdict.is_allowed(), codes(&verdict)),
            (false, vec!["certificate"])
        );
    }
    // A signer who issues certificates himself.
    let base = signer("base", 2028);
    let signer_as_issuer = below(&root, base);
    let forged = issue(&signer_as_issuer, &signer("forged", 2028));
    let authority = Authority::from_pem("bank", root.pem.as_bytes(), vec![]).unwrap();
    let others = Certificate::from_pem(signer_as_issuer.pem.as_bytes()).unwrap();
    let checked = authority.check(&forged.certificate(), &others, Purpose::CodeSigning, NOW);
    assert!(
        matches!(checked, Err(PathError::NoPath { .. })),
        "{checked:?}"
    );
}

#[test]
fn a_chain_that_is_longer_than_its_authority_allows() {
    let root = root(2030);
    let one = below(&root, authority("One", 2030));
    let two = below(&one, authority("Two", 2030));
    let authority = Authority::from_pem("bank", root.pem.as_bytes(), vec![]).unwrap();
    let others =
        [&one, &two].map(|one| Certificate::from_pem(one.pem.as_bytes()).unwrap().remove(0));
    let check =
        |leaf: &Leaf| authority.check(&leaf.certificate(), &others, Purpose::CodeSigning, NOW);
    assert!(check(&leaf(&one, "short")).is_ok());
    assert!(matches!(
        check(&leaf(&two, "long")),
        Err(PathError::NoPath { .. })
    ));
}

#[test]
fn a_certificate_that_was_called_back() {
    let root = root(2030);
    let base = leaf(&root, "base");
    let memory = Memory::default();
    let image = memory.image("1", "image");
    put(&memory, &image, &base);
    let policy = trusting(&root, "");
    let reference = format!("{REPOSITORY}:1").parse().unwrap();
    let serial = base.certificate().serial_text();
    let revocations = Revocations {
        version: 1,
        issued: NOW,
        expires: NOW,
        keys: vec![],
        certificates: vec![RevokedCertificate {
            serial,
            reason: "left".to_owned(),
        }],
        digests: vec![],
    };
    let question = Question {
        reference: &reference,
        policy: &policy,
        revocations: Some(&revocations),
        now: NOW,
        limits: Limits::default(),
    };
    let verdict = verify(&memory, &question).unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["revoked-certificate"])
    );
}

#[test]
fn cut_and_changed_certificates() {
    let root = root(2030);
    let certificate = leaf(&root, "base").certificate();
    let der = certificate.der();
    for cut in 0..der.len() {
        assert!(Certificate::from_der(&der[..cut]).is_err(), "{cut}");
    }
    let authority = Authority::from_pem("bank", root.pem.as_bytes(), vec![]).unwrap();
    for at in 0..der.len() {
        let mut changed = der.to_vec();
        changed[at] ^= 1;
        // Whatever can still be read is not what the authority signed.
        if let Ok(changed) = Certificate::from_der(&changed) {
            assert!(
                authority
                    .check(&changed, &[], Purpose::CodeSigning, NOW)
                    .is_err(),
                "{at}"
            );
        }
    }
}
