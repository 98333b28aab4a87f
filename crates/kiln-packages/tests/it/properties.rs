//! What holds for every input: orders are orders, readers end without a panic, what is written is read.

use std::cmp::Ordering;
use std::io::Read as _;

use kiln_packages::deb::{
    Deb, Package, Relation, Relations, Release, Stanza, Stanzas, Status, Version, conffiles,
    md5sums, parse_copyright, parse_date,
};
use proptest::prelude::*;

/// Versions with few different characters, so that many are close to each other.
fn version() -> impl Strategy<Value = Version> {
    "([0-2]:)?[01][01a~.+]{0,5}(-[01a~.+]{1,3})?".prop_map(|text| text.parse().unwrap())
}

/// The order of Policy 5.6.12 once more, written as keys: runs of text and numbers.
fn key(text: &str) -> Vec<(Vec<i32>, u128)> {
    let mut parts = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (letters, after) = rest.split_at(end);
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (digits, after) = after.split_at(end);
        let weight = |c: char| match c {
            '~' => -1,
            c if c.is_ascii_alphabetic() => c as i32,
            c => c as i32 + 1000,
        };
        let mut letters: Vec<i32> = letters.chars().map(weight).collect();
        letters.push(0);
        parts.push((letters, digits.parse().unwrap_or(0)));
        rest = after;
    }
    parts.push((vec![0], 0));
    parts
}

proptest! {
    #[test]
    fn the_order_of_versions_is_total(a in version(), b in version(), c in version()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c, "{} {} {}", a, b, c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
    }

    #[test]
    fn the_order_of_versions_is_that_of_their_keys(a in version(), b in version()) {
        let key_of = |version: &Version| (version.epoch(), padded(version.upstream()), padded(version.revision()));
        let order = key_of(&a).cmp(&key_of(&b));
        prop_assert_eq!(a.cmp(&b), order, "{} {}", a, b);
    }

    #[test]
    fn versions_keep_their_text(text in "([0-9]{1,3}:)?[0-9][0-9a-zA-Z.+~-]{0,8}[0-9]") {
        let version: Version = text.parse().unwrap();
        prop_assert_eq!(version.to_string(), text.clone());
        prop_assert_eq!(version.cmp(&text.parse().unwrap()), Ordering::Equal);
    }

    #[test]
    fn relations_are_read_as_written(
        names in proptest::collection::vec(("[a-z][a-z0-9+.-]{1,8}", proptest::option::of(version()), 0..5_usize), 1..6)
    ) {
        let operators = ["<<", "<=", "=", ">=", ">>"];
        let parts = names.iter().map(|(name, version, operator)| match version {
            Some(version) => format!("{name} ({} {version})", operators[*operator]),
            None => name.clone(),
        });
        let text = parts.collect::<Vec<_>>().join(", ");
        let relations: Relations = text.parse().unwrap();
        prop_assert_eq!(relations.to_string(), text);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<Version>();
        let _ = text.parse::<Relation>();
        let _ = text.parse::<Relations>();
        let _ = parse_date(&text);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Stanza::parse(&bytes);
        let _ = Release::parse(&bytes);
        let _ = Status::parse(&bytes);
        let _ = md5sums(&bytes);
        let _ = conffiles(&bytes);
        let _ = parse_copyright(&bytes);
        let whole = [b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n", &bytes[..]].concat();
        for input in [&bytes[..], &whole[..]] {
            let Ok(mut deb) = Deb::open(input) else { continue };
            while let Ok(Some(_)) = deb.next_part() {
                let _ = deb.read(&mut [0; 16]);
            }
        }
    }

    #[test]
    fn stanzas_keep_every_field(
        fields in proptest::collection::btree_map("[A-Z][a-z]{1,8}", "[ -9;-~]{0,20}(\n [!-~]{1,10}){0,3}", 1..6)
    ) {
        let text: String = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let stanza = Stanza::parse(text.as_bytes()).unwrap();
        for (name, value) in &fields {
            prop_assert_eq!(stanza.get(&name.to_uppercase()), Some(value.trim()));
        }
        prop_assert_eq!(stanza.fields().count(), fields.len());
        let twice = [text.as_bytes(), b"\n\n", text.as_bytes()].concat();
        prop_assert_eq!(Stanzas::new(&twice[..]).count(), 2);
    }
}

/// Two keys compare well only as long as one does not end where the other goes on.
fn padded(text: &str) -> Vec<(Vec<i32>, u128)> {
    let mut key = key(text);
    key.resize(16, (vec![0], 0));
    key
}

#[test]
fn a_package_with_every_field_of_an_index_is_read() {
    let text = b"Package: 0ad\nVersion: 0.0.26-3\nInstalled-Size: 28591\nMaintainer: X <x@example.com>\n\
        Architecture: amd64\nDepends: 0ad-data (>= 0.0.26), libc6 (>= 2.34)\nPre-Depends: dpkg (>= 1.15.6~)\n\
        Description: game\nSection: games\nPriority: optional\nFilename: pool/main/0/0ad/0ad_0.0.26-3_amd64.deb\n\
        Size: 7891488\nSHA256: 3a2118df47bf3f04285649f0455c2fc6fe2dc7f0b237073038aa00af41f0d5f2\n";
    let package = Package::new(Stanza::parse(text).unwrap()).unwrap();
    assert_eq!(package.relations("Pre-Depends").unwrap().0.len(), 1);
    assert_eq!(package.installed_size, Some(28591));
}
