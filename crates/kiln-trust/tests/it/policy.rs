//! Policies: what they say, and what is refused in them.

use kiln_oci::Reference;
use kiln_trust::clock::Time;
use kiln_trust::policy::{Policy, PolicyError};
use serde_json::json;

use crate::memory::{Memory, NOW, REPOSITORY, ask, ask_as, attested, codes, key, policy, signed};

const KEYS: &str =
    "version = 1\n[[key]]\nname = 'k'\nfile = 'k'\n[[role]]\nname = 'r'\nkeys = ['k']\n";

fn error(text: &str) -> PolicyError {
    let key = key();
    use kiln_trust::key::Signer as _;
    let pem = key.public().to_pem();
    let load = |name: &str| match name {
        "k" => Ok(pem.clone().into_bytes()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    Policy::parse(text, &load).expect_err(text)
}

#[test]
fn the_most_specific_rule_counts() {
    let key = key();
    let text = format!(
        "{KEYS}[[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r' }}]\n\
         [[image]]\nrepositories = ['docker.io/library/*', 'example.org/x']\nrequire = [{{ role = 'r', max-age = '1d' }}]\n\
         [[image]]\nrepositories = ['docker.io/library/alpine']\nrequire = [{{ role = 'r', max-age = '1h' }}]\n"
    );
    let policy = policy(&text, &[("k", &key)]);
    for (name, age) in [
        ("alpine", Some(3600)),
        ("debian", Some(86_400)),
        ("example.org/x", Some(86_400)),
        ("example.org/x/y", None),
    ] {
        let reference: Reference = name.parse().unwrap();
        assert_eq!(
            policy.rule(&reference).unwrap().require[0].max_age,
            age,
            "{name}"
        );
    }
}

#[test]
fn conditions_on_what_is_said() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    let text = format!(
        "{KEYS}[[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r', predicate = 'scan', max-age = '7d', \
         time-at = '/metadata/scanFinishedOn', where = [{{ path = '/result/critical', at-most = 0 }}] }}]\n"
    );
    let policy = policy(&text, &[("k", &key)]);
    let scan = |critical: u32, at: Time| json!({"result": {"critical": critical}, "metadata": {"scanFinishedOn": at.to_string()}});
    let kind = "https://cosign.sigstore.dev/attestation/vuln/v1";
    attested(&memory, &image, &key, kind, scan(2, NOW));
    let verdict = ask(&memory, &policy).unwrap();
    assert_eq!(
        (verdict.is_allowed(), codes(&verdict)),
        (false, vec!["condition"])
    );
    // An old scan does not become newer by being signed today.
    attested(&memory, &image, &key, kind, scan(0, NOW.plus(-8 * 86_400)));
    let verdict = ask(&memory, &policy).unwrap();
    assert!(!verdict.is_allowed() && codes(&verdict).contains(&"old"));
    attested(&memory, &image, &key, kind, scan(0, NOW.plus(-6 * 86_400)));
    assert!(ask(&memory, &policy).unwrap().is_allowed());
    let later = NOW.plus(2 * 86_400);
    let name = format!("{REPOSITORY}:1");
    assert!(
        !ask_as(
            &memory,
            &policy,
            &name,
            later,
            kiln_trust::verify::Limits::default()
        )
        .unwrap()
        .is_allowed()
    );
}

#[test]
fn keys_have_a_time() {
    let memory = Memory::default();
    let (image, key) = (memory.image("1", "image"), key());
    signed(&memory, &image, &key);
    for (line, expected) in [
        (format!("not-after = '{}'", NOW.plus(1)), true),
        (format!("not-after = '{}'", NOW.plus(-1)), false),
        (format!("not-before = '{}'", NOW.plus(1)), false),
    ] {
        let text = KEYS.replace("file = 'k'", &format!("file = 'k'\n{line}"));
        let text =
            format!("{text}[[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r' }}]\n");
        let verdict = ask(&memory, &policy(&text, &[("k", &key)])).unwrap();
        assert_eq!(verdict.is_allowed(), expected, "{line}");
        assert!(expected || codes(&verdict).iter().all(|code| *code == "key-time"));
    }
}

#[test]
fn a_successor_is_the_same_member() {
    use kiln_trust::key::Signer as _;
    use kiln_trust::rotation::Rotation;
    let memory = Memory::default();
    let (image, old, new) = (memory.image("1", "image"), key(), key());
    let rotation = Rotation::sign(&old, &new, NOW).unwrap();
    let pem = old.public().to_pem().into_bytes();
    let load = |name: &str| {
        Ok(if name == "k" {
            pem.clone()
        } else {
            rotation.clone()
        })
    };
    let text = |threshold: u32| {
        let keys = KEYS.replace("file = 'k'", "file = 'k'\nrotations = ['rotation']");
        format!(
            "{keys}[[image]]\nrepositories = ['**']\nrequire = [{{ role = 'r', threshold = {threshold} }}]\n"
        )
    };
    let one = Policy::parse(&text(1), &load).unwrap();
    assert!(!ask(&memory, &one).unwrap().is_allowed());
    signed(&memory, &image, &new);
    assert!(ask(&memory, &one).unwrap().is_allowed());
    signed(&memory, &image, &old);
    let two = Policy::parse(&text(2), &load).unwrap();
    assert!(
        !ask(&memory, &two).unwrap().is_allowed(),
        "both are one member"
    );
}

#[test]
fn what_says_nothing_clear_is_refused() {
    let rule = "[[image]]\nrepositories = ['**']\n";
    for (text, part) in [
        ("version = 2\n".to_owned(), "version 2"),
        ("version = 1\nunknown = 1\n".to_owned(), "cannot be read"),
        (
            format!("{KEYS}{KEYS}").replacen("version = 1\n", "", 1),
            "cannot be read",
        ),
        (
            format!("{KEYS}[[key]]\nname = 'k'\nfile = 'k'\n"),
            "called `k`",
        ),
        (
            format!("{KEYS}[[role]]\nname = 'r'\nkeys = []\n"),
            "called `r`",
        ),
        (
            format!("{KEYS}[[role]]\nname = 's'\nkeys = ['x']\n"),
            "the key `x`",
        ),
        (
            format!("{KEYS}[[role]]\nname = 's'\nauthorities = ['x']\n"),
            "the authority `x`",
        ),
        (format!("{KEYS}{rule}require = []\n"), "requires nothing"),
        (
            format!("{KEYS}{rule}require = [{{ role = 'x' }}]\n"),
            "the role `x`",
        ),
        (
            format!("{KEYS}{rule}require = [{{ role = 'r', threshold = 0 }}]\n"),
            "requires nothing",
        ),
        (
            format!("{KEYS}{rule}require = [{{ role = 'r', threshold = 2 }}]\n"),
            "can never sign",
        ),
        (
            format!("{KEYS}{rule}require = [{{ role = 'r', max-age = 'soon' }}]\n"),
            "`soon`",
        ),
        (
            format!("{KEYS}{rule}require = [{{ role = 'r', predicate = 'soon' }}]\n"),
            "`soon`",
        ),
        (
            format!(
                "{KEYS}{rule}require = [{{ role = 'r', where = [{{ path = '/x', equals = 1 }}] }}]\n"
            ),
            "needs a `predicate`",
        ),
        (
            format!(
                "{KEYS}{rule}require = [{{ role = 'r', predicate = 'scan', where = [{{ path = '/x' }}] }}]\n"
            ),
            "`r` cannot be read",
        ),
        (
            "version = 1\n[[key]]\nname = 'k'\n".to_owned(),
            "either `file` or `pem`",
        ),
        (
            "version = 1\n[[key]]\nname = 'k'\nfile = 'gone'\n".to_owned(),
            "`gone`",
        ),
        (
            "version = 1\n[[key]]\nname = 'k'\npem = 'x'\n".to_owned(),
            "key `k`",
        ),
        (
            "version = 1\n[[authority]]\nname = 'a'\npem = 'x'\n".to_owned(),
            "authority `a`",
        ),
        (
            format!("{KEYS}[revocation]\nfile = 'x'\nrole = 'gone'\n"),
            "the role `gone`",
        ),
    ] {
        let error = error(&text).to_string();
        assert!(error.contains(part), "{text}\n{error}");
    }
}
