//! A key that signs repositories, and what may be wrong with one.
//!
//! Source: RFC 9580 sections 5.2.3 and 5.2.4 (signatures of version 4), 5.5.2 (keys), 7 (cleartext). The kind is
//! EdDSALegacy with SHA-512, as one of Debian's archive keys has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA512, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// When keys are made: 2023-01-01.
const MADE: u32 = 1_672_531_200;
/// When texts are signed: the last day of 2023, before the repositories of tests are made.
const SIGNED: u32 = 1_703_980_800;
/// A year, in seconds.
const YEAR: u32 = 31_536_000;

/// Who signs a repository.
#[derive(Debug)]
pub struct SigningKey {
    primary: Pair,
    subkey: Option<Pair>,
    flaw: Flaw,
}

/// What is wrong with a key, or with what it signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// It held for a year.
    Expired,
    /// It was revoked.
    Revoked,
    /// It was revoked with a digest that cannot be checked.
    RevokedWeakly,
    /// Its subkey was revoked.
    SubkeyRevoked,
    /// Its subkey held for a year.
    SubkeyExpired,
    /// Its subkey may not sign.
    SubkeyForOther,
    /// Its subkey does not say that it belongs to the key.
    SubkeyClaimed,
    /// It may not sign.
    ForOther,
    /// It does not say that its name is its own.
    Silent,
    /// Its name was taken back.
    NameRevoked,
    /// It signs texts with a digest that is broken.
    WeakDigest,
    /// Its signatures of texts ask for what nobody understands.
    Critical,
    /// Its signatures of texts held for a minute.
    ShortLived,
    /// It signs texts decades after everybody's clock.
    Early,
    /// It signs texts before it is made.
    BeforeItself,
    /// Its signatures of texts say that they are about a key.
    OtherKind,
}

#[derive(Debug)]
struct Pair {
    pair: Ed25519KeyPair,
    body: Vec<u8>,
}

/// A signature in the making.
struct Draft<'a> {
    kind: u8,
    created: u32,
    hash: u8,
    /// Subpackets of the hashed area, beside time and maker.
    more: &'a [u8],
    /// Subpackets of the other area, beside the maker.
    unhashed: &'a [u8],
}

const GOOD: &str = "because what tests make is small and right";

fn subpacket(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() + 1;
    let length = match length {
        0..=191 => vec![u8::try_from(length).expect(GOOD)],
        _ => {
            let over = length - 192;
            vec![
                u8::try_from(over / 256 + 192).expect(GOOD),
                u8::try_from(over % 256).expect(GOOD),
            ]
        }
    };
    [&length[..], &[kind], content].concat()
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect(GOOD).to_be_bytes();
    [&[0xc0 | tag, 255], &length[..], body].concat()
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect(GOOD).to_be_bytes()
}

impl Pair {
    fn new() -> Self {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .expect("because the machine has random numbers");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect(GOOD);
        const CURVE: &[u8] = &[9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
        let point = pair.public_key().as_ref();
        let body = [
            &[4],
            &MADE.to_be_bytes()[..],
            &[22],
            CURVE,
            &[1, 7, 0x40],
            point,
        ]
        .concat();
        Self { pair, body }
    }

    /// What certifications cover of it.
    fn hashed(&self) -> Vec<u8> {
        [&[0x99], &short(self.body.len())[..], &self.body].concat()
    }

    /// The body of a signature packet.
    fn sign(&self, draft: &Draft<'_>, data: &[&[u8]]) -> Vec<u8> {
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.hashed());
        // Some readers look for the short form only.
        let unhashed = [
            &subpacket(16, &fingerprint.as_ref()[12..])[..],
            draft.unhashed,
        ]
        .concat();
        let fingerprint = [&[4], fingerprint.as_ref()].concat();
        let area = [
            &subpacket(2, &draft.created.to_be_bytes())[..],
            &subpacket(33, &fingerprint),
            draft.more,
        ]
        .concat();
        let covered = [
            &[4, draft.kind, 22, draft.hash],
            &short(area.len())[..],
            &area,
        ]
        .concat();
        let length = u32::try_from(covered.len()).expect(GOOD).to_be_bytes();
        let message = [&data.concat()[..], &covered, &[4, 0xff], &length].concat();
        let hash = match draft.hash {
            2 => &SHA1_FOR_LEGACY_USE_ONLY,
            _ => &SHA512,
        };
        let hash = digest(hash, &message);
        let signature = self.pair.sign(hash.as_ref());
        let (r, s) = signature.as_ref().split_at(32);
        [
            &covered,
            &short(unhashed.len())[..],
            &unhashed,
            &hash.as_ref()[..2],
            &integer(r),
            &integer(s),
        ]
        .concat()
    }
}

/// A multiprecision integer.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    let unused = bytes
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    [&short(bytes.len() * 8 - unused)[..], bytes].concat()
}

fn about_key(kind: u8, more: &[u8]) -> Draft<'_> {
    Draft {
        kind,
        created: MADE,
        hash: 10,
        more,
        unhashed: &[],
    }
}

/// RFC 9580 section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |sum, byte| {
        let mixed = sum ^ (u32::from(*byte) << 16);
        (0..8).fold(mixed, |sum, _| match sum & 0x0080_0000 {
            0 => sum << 1,
            _ => (sum << 1) ^ 0x0186_4cfb,
        })
    })
}

fn armored(kind: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect(GOOD))
        .collect();
    // GnuPG 2.2 does not see the end without it.
    let checksum = STANDARD.encode(&crc24(bytes).to_be_bytes()[1..]);
    format!(
        "-----BEGIN PGP {kind}-----\n\n{}\n={checksum}\n-----END PGP {kind}-----\n",
        lines.join("\n")
    )
}

impl SigningKey {
    /// A new key. Debian's sign with a subkey, others with the key itself.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    #[must_use]
    pub fn new(with_subkey: bool) -> Self {
        Self::flawed(with_subkey, Flaw::None)
    }

    /// A new key that has something wrong with it.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    #[must_use]
    pub fn flawed(with_subkey: bool, flaw: Flaw) -> Self {
        Self {
            primary: Pair::new(),
            subkey: with_subkey.then(Pair::new),
            flaw,
        }
    }

    /// The public key, in binary form.
    ///
    /// # Panics
    /// Never: what it is made of is small.
    #[must_use]
    pub fn keyring(&self) -> Vec<u8> {
        const NAME: &[u8] = b"Archive <archive@example.com>";
        let key = self.primary.hashed();
        let mut ring = packet(6, &self.primary.body);
        let revocation = match self.flaw {
            Flaw::Revoked => Some(10),
            Flaw::RevokedWeakly => Some(2),
            _ => None,
        };
        if let Some(hash) = revocation {
            let draft = Draft {
                hash,
                ..about_key(0x20, &[])
            };
            ring.extend(packet(2, &self.primary.sign(&draft, &[&key])));
        }
        ring.extend(packet(13, NAME));
        let name = [&[0xb4, 0, 0], &short(NAME.len())[..], NAME].concat();
        let may_sign = self.subkey.is_none() && self.flaw != Flaw::ForOther;
        let mut says = subpacket(27, &[if may_sign { 3 } else { 1 }]);
        if self.flaw == Flaw::Expired {
            says.extend(subpacket(9, &YEAR.to_be_bytes()));
        }
        if self.flaw != Flaw::Silent {
            let own = self.primary.sign(&about_key(0x13, &says), &[&key, &name]);
            ring.extend(packet(2, &own));
        }
        if self.flaw == Flaw::NameRevoked {
            let back = self.primary.sign(&about_key(0x30, &[]), &[&key, &name]);
            ring.extend(packet(2, &back));
        }
        if let Some(subkey) = &self.subkey {
            ring.extend(self.bound(subkey));
        }
        ring
    }

    /// A subkey, with what binds it to the key.
    fn bound(&self, subkey: &Pair) -> Vec<u8> {
        let (key, own) = (self.primary.hashed(), subkey.hashed());
        let flags = if self.flaw == Flaw::SubkeyForOther {
            0x0c
        } else {
            2
        };
        let mut says = subpacket(27, &[flags]);
        if self.flaw == Flaw::SubkeyExpired {
            says.extend(subpacket(9, &YEAR.to_be_bytes()));
        }
        let agrees = match self.flaw {
            Flaw::SubkeyClaimed => vec![],
            _ => subpacket(32, &subkey.sign(&about_key(0x19, &[]), &[&key, &own])),
        };
        let draft = Draft {
            unhashed: &agrees,
            ..about_key(0x18, &says)
        };
        let mut packets = packet(14, &subkey.body);
        packets.extend(packet(2, &self.primary.sign(&draft, &[&key, &own])));
        if self.flaw == Flaw::SubkeyRevoked {
            let back = self.primary.sign(&about_key(0x28, &[]), &[&key, &own]);
            packets.extend(packet(2, &back));
        }
        packets
    }

    /// The public key, armoured.
    #[must_use]
    pub fn armored_keyring(&self) -> Vec<u8> {
        armored("PUBLIC KEY BLOCK", &self.keyring()).into_bytes()
    }

    /// `text` with a signature.
    ///
    /// # Panics
    /// Never: what it is made of is small.
    #[must_use]
    pub fn sign(&self, text: &str) -> Vec<u8> {
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.trim_end_matches([' ', '\t']))
            .collect();
        let signature = self.signature(0x01, lines.join("\r\n").as_bytes());
        let escaped = text.lines().map(|line| match line.starts_with('-') {
            true => format!("- {line}\n"),
            false => format!("{line}\n"),
        });
        let escaped: String = escaped.collect();
        let signature = armored("SIGNATURE", &signature);
        format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}{signature}")
            .into_bytes()
    }

    /// A signature over `content` for a file of its own, in binary form.
    ///
    /// # Panics
    /// Never: what it is made of is small.
    #[must_use]
    pub fn sign_detached(&self, content: &[u8]) -> Vec<u8> {
        self.signature(0x00, content)
    }

    fn signature(&self, kind: u8, content: &[u8]) -> Vec<u8> {
        let more = match self.flaw {
            Flaw::Critical => subpacket(0x80 | 99, &[1]),
            Flaw::ShortLived => subpacket(3, &60_u32.to_be_bytes()),
            _ => vec![],
        };
        let draft = Draft {
            kind: if self.flaw == Flaw::OtherKind {
                0x1f
            } else {
                kind
            },
            created: match self.flaw {
                Flaw::Early => SIGNED + 100 * YEAR / 2,
                Flaw::BeforeItself => MADE - 1,
                _ => SIGNED,
            },
            hash: if self.flaw == Flaw::WeakDigest { 2 } else { 10 },
            more: &more,
            unhashed: &[],
        };
        let maker = self.subkey.as_ref().unwrap_or(&self.primary);
        packet(2, &maker.sign(&draft, &[content]))
    }
}
