//! What a signature says, and what it covers.
//!
//! Source: RFC 9580 section 5.2.3 (versions 4 and 6), 5.2.3.7 (subpackets), 5.2.4 (what is hashed). Only what
//! stands in the hashed area is believed, but for who made it, which is a hint, and for the signature of a
//! subkey, which is checked by itself.

use std::fmt::Write as _;

use super::Malformed;
use super::armor;
use super::key::Key;
use super::packet::{Bytes, tag};

/// Kinds of signatures (section 5.2.1).
pub(crate) mod kind {
    pub(crate) const BINARY: u8 = 0x00;
    pub(crate) const TEXT: u8 = 0x01;
    pub(crate) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(crate) const SUBKEY: u8 = 0x18;
    pub(crate) const OF_SUBKEY: u8 = 0x19;
    pub(crate) const DIRECT: u8 = 0x1f;
    pub(crate) const KEY_REVOKED: u8 = 0x20;
    pub(crate) const SUBKEY_REVOKED: u8 = 0x28;
    pub(crate) const NAME_REVOKED: u8 = 0x30;
}

/// How deep a signature may be in another: that of a subkey in its binding.
const MAX_DEPTH: usize = 1;

/// A signature.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signature {
    pub(super) version: u8,
    pub(crate) kind: u8,
    pub(super) algorithm: u8,
    pub(super) hash: u8,
    /// What is hashed behind the data.
    pub(super) trailer: Vec<u8>,
    /// What is hashed before it.
    pub(super) salt: Vec<u8>,
    /// The numbers that make it one.
    pub(super) value: Vec<u8>,
    /// When it was made, in seconds since 1970.
    pub(super) created: u32,
    /// For how many seconds it holds.
    pub(super) life: Option<u32>,
    /// For how many seconds the key holds that it is about.
    pub(super) key_life: Option<u32>,
    /// What that key may do.
    flags: Option<u8>,
    ids: Vec<Vec<u8>>,
    fingerprints: Vec<Vec<u8>>,
    /// The signature that a subkey made over its primary key.
    pub(super) of_subkey: Option<Box<Self>>,
    /// Whether it demands what is not understood here (section 5.2.3.7, critical subpackets), or does not say
    /// when it was made: it counts for nothing.
    pub(super) is_unclear: bool,
}

/// A signature packet.
#[derive(Debug)]
pub(super) enum Parsed {
    Known(Box<Signature>),
    /// Of another version; its kind, where that is known.
    Other(Option<u8>),
}

/// Reads the signatures of a file, in binary or armoured form. Those of other versions are left out.
pub(crate) fn signatures(bytes: &[u8]) -> Result<Vec<Signature>, Malformed> {
    let decoded;
    let mut bytes = Bytes(bytes);
    if let Some(text) = armored(bytes.0)? {
        decoded = armor::blocks(text, "PGP SIGNATURE")?;
        bytes = Bytes(&decoded);
    }
    let mut all = vec![];
    while let Some(packet) = bytes.packet()? {
        match packet.tag {
            tag::SIGNATURE => match Signature::parse(packet.body)? {
                Parsed::Known(signature) => all.push(*signature),
                Parsed::Other(_) => {}
            },
            tag::MARKER | tag::PADDING | tag::FIRST_OPTIONAL.. => {}
            _ => return Err(Malformed("something else than a signature")),
        }
    }
    Ok(all)
}

/// The text of an armoured file; nothing if it is binary.
pub(super) fn armored(bytes: &[u8]) -> Result<Option<&str>, Malformed> {
    if bytes.trim_ascii_start().first() != Some(&b'-') {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes);
    text.map(Some)
        .map_err(|_| Malformed("it is neither armoured nor binary"))
}

impl Signature {
    /// Reads the body of a packet.
    pub(super) fn parse(body: &[u8]) -> Result<Parsed, Malformed> {
        Self::parse_at(body, 0)
    }

    fn parse_at(body: &[u8], depth: usize) -> Result<Parsed, Malformed> {
        let mut bytes = Bytes(body);
        let version = bytes.u8()?;
        if ![4, 6].contains(&version) {
            // Version 3 has a length in front of its kind, version 5 of other drafts has none.
            let at = if version == 3 { 2 } else { 1 };
            return Ok(Parsed::Other(body.get(at).copied()));
        }
        let mut signature = Self {
            version,
            kind: bytes.u8()?,
            algorithm: bytes.u8()?,
            hash: bytes.u8()?,
            ..Self::default()
        };
        let length = |bytes: &mut Bytes<'_>| match version {
            4 => bytes.u16().map(usize::from),
            _ => bytes.length(),
        };
        let hashed_length = length(&mut bytes)?;
        let hashed = bytes.take(hashed_length)?;
        let covered = &body[..body.len() - bytes.0.len()];
        let count = u32::try_from(covered.len()).unwrap_or(u32::MAX);
        signature.trailer = [covered, &[version, 0xff], &count.to_be_bytes()].concat();
        let unhashed_length = length(&mut bytes)?;
        let unhashed = bytes.take(unhashed_length)?;
        // The first bits of the digest are a hint that nobody needs.
        bytes.take(2)?;
        if version == 6 {
            let length = bytes.u8()?;
            signature.salt = bytes.take(length.into())?.to_vec();
        }
        signature.value = bytes.rest().to_vec();
        let mut created = None;
        signature.subpackets(hashed, Some(&mut created), depth)?;
        signature.subpackets(unhashed, None, depth)?;
        match created {
            Some(created) => signature.created = created,
            None => signature.is_unclear = true,
        }
        Ok(Parsed::Known(Box::new(signature)))
    }

    /// Takes in an area of subpackets, the hashed one if there is a place for the time.
    fn subpackets(
        &mut self,
        area: &[u8],
        mut created: Option<&mut Option<u32>>,
        depth: usize,
    ) -> Result<(), Malformed> {
        let mut area = Bytes(area);
        while !area.is_empty() {
            let mut body = Bytes(area.subpacket()?);
            let first = body.u8()?;
            let (is_critical, what) = (first & 0x80 != 0, first & 0x7f);
            match (what, &mut created) {
                (16, _) => self.ids.push(body.rest().to_vec()),
                (33, _) => {
                    body.u8()?;
                    self.fingerprints.push(body.rest().to_vec());
                }
                (32, _) if depth < MAX_DEPTH => {
                    if let Parsed::Known(inner) = Self::parse_at(body.rest(), depth + 1)? {
                        self.of_subkey = Some(inner);
                    }
                }
                (_, None) => {}
                (2, Some(created)) => **created = Some(body.u32()?),
                (3, Some(_)) => self.life = Some(body.u32()?),
                (9, Some(_)) => self.key_life = Some(body.u32()?),
                (27, Some(_)) => self.flags = Some(body.rest().first().copied().unwrap_or(0)),
                // Preferences, policies, reasons: nothing that makes it count for less.
                (4 | 5 | 6 | 7 | 11 | 12 | 21..=26 | 28..=32 | 34 | 35 | 39, Some(_)) => {}
                // Notations (20) that are critical, and what did not exist when this was written.
                (_, Some(_)) => self.is_unclear |= is_critical,
            }
        }
        Ok(())
    }

    /// Whether it names this key as its maker.
    pub(crate) fn is_by(&self, key: &Key) -> bool {
        match self.fingerprints.is_empty() {
            false => self
                .fingerprints
                .iter()
                .any(|known| known == key.fingerprint()),
            true => self.ids.iter().any(|known| known == key.id()),
        }
    }

    /// Fingerprint or id of who made it, as it says.
    pub(crate) fn signer(&self) -> Option<String> {
        self.fingerprints
            .iter()
            .chain(&self.ids)
            .next()
            .map(|name| hex(name))
    }

    /// Whether it says what its key may do, and signing is not among it.
    pub(super) fn forbids_signing(&self) -> bool {
        self.flags.is_some_and(|flags| flags & 0x02 == 0)
    }

    /// Whether it says that its key may sign.
    pub(super) fn allows_signing(&self) -> bool {
        self.flags.is_some_and(|flags| flags & 0x02 != 0)
    }
}

/// As fingerprints are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature of version 4 with these subpackets and a value of one byte.
    fn body(hashed: &[u8], unhashed: &[u8]) -> Vec<u8> {
        let length = |area: &[u8]| u16::try_from(area.len()).unwrap().to_be_bytes();
        [
            &[4, kind::BINARY, 1, 8][..],
            &length(hashed),
            hashed,
            &length(unhashed),
            unhashed,
            &[0, 0, 9],
        ]
        .concat()
    }

    fn parse(hashed: &[u8], unhashed: &[u8]) -> Signature {
        match Signature::parse(&body(hashed, unhashed)).unwrap() {
            Parsed::Known(signature) => *signature,
            Parsed::Other(kind) => panic!("{kind:?}"),
        }
    }

    const CREATED: &[u8] = &[5, 2, 0, 0, 1, 0];

    #[test]
    fn only_the_hashed_area_is_believed() {
        let life = [5, 3, 0, 0, 0, 9];
        let flags = [2, 27, 2];
        let signature = parse(&[CREATED, &life, &flags].concat(), &[]);
        assert_eq!((signature.created, signature.life), (256, Some(9)));
        assert!(signature.allows_signing() && !signature.is_unclear);
        let signature = parse(CREATED, &[&life[..], &flags].concat());
        assert_eq!(signature.life, None);
        assert!(!signature.allows_signing() && !signature.forbids_signing());
        assert!(
            parse(&[], CREATED).is_unclear,
            "it does not say when it was made"
        );
        assert_eq!(signature.value, [9]);
        assert_eq!(&signature.trailer[..6], &[4, 0, 1, 8, 0, 6]);
        assert_eq!(&signature.trailer[12..], &[4, 0xff, 0, 0, 0, 12]);
    }

    #[test]
    fn what_is_critical_must_be_understood() {
        let notation = [&[10, 0x80 | 20][..], &[0; 9]].concat();
        let unknown = [2, 0x80 | 99, 0];
        let harmless = [2, 99, 0];
        let policy = [2, 0x80 | 26, b'x'];
        for (subpacket, unclear) in [
            (&notation[..], true),
            (&unknown, true),
            (&harmless, false),
            (&policy, false),
        ] {
            assert_eq!(
                parse(&[CREATED, subpacket].concat(), &[]).is_unclear,
                unclear,
                "{subpacket:x?}"
            );
        }
        assert!(
            !parse(CREATED, &unknown).is_unclear,
            "nobody signed that demand"
        );
    }

    #[test]
    fn every_cut_and_every_lie_about_lengths_is_noticed_or_harmless() {
        let good = body(&[CREATED, &[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]].concat(), &[]);
        for end in 0..good.len() - 1 {
            assert!(
                Signature::parse(&good[..end]).is_err() || end == 0,
                "cut at {end}"
            );
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut changed = good.clone();
                changed[at] ^= 1 << bit;
                let _ = Signature::parse(&changed);
            }
        }
        // A signature in a signature in a signature is not followed.
        let inner = body(CREATED, &[]);
        let mut nested = inner;
        for _ in 0..5 {
            let subpacket = [&[u8::try_from(nested.len() + 1).unwrap(), 32][..], &nested].concat();
            nested = body(CREATED, &subpacket);
        }
        let Parsed::Known(outer) = Signature::parse(&nested).unwrap() else {
            panic!("not read");
        };
        assert!(outer.of_subkey.unwrap().of_subkey.is_none());
    }

    #[test]
    fn other_versions_are_known_by_their_kind_alone() {
        assert!(matches!(
            Signature::parse(&[3, 5, kind::KEY_REVOKED]),
            Ok(Parsed::Other(Some(kind::KEY_REVOKED)))
        ));
        assert!(matches!(Signature::parse(&[5]), Ok(Parsed::Other(None))));
        assert!(signatures(&[0xc2, 3, 3, 5, 0]).unwrap().is_empty());
        assert!(signatures(&[0xc6, 1, 4]).is_err(), "a key is no signature");
    }
}
