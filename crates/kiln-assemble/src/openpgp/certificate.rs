//! A key with what it says about itself: whether it, and which of its subkeys, may sign.
//!
//! Source: RFC 9580 sections 10.1 (what follows what), 5.2.1 (kinds of signatures), 5.2.3.10 (where properties of
//! keys stand), 5.2.4 (what is hashed). Others may have signed a key, too; that counts for nothing here: who is
//! in a keyring is trusted because it is there.

use super::key::Key;
use super::packet::{Bytes, Packet, tag};
use super::signature::{Parsed, Signature, armored, kind};
use super::{Malformed, Outcome, armor, has_ended, is_early};

/// The most packets of a keyring: Debian's whole one of developers has half of it.
const MAX_PACKETS: usize = 1 << 20;

/// A key, its names and its subkeys.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) primary: Key,
    about_primary: Statements,
    names: Vec<(Vec<u8>, Statements)>,
    subkeys: Vec<(Key, Statements)>,
}

/// The signatures that follow a key or a name.
#[derive(Debug, Default)]
struct Statements {
    signatures: Vec<Signature>,
    /// Kinds of those of other versions.
    others: Vec<u8>,
}

/// Why a key is not trusted with a signature.
type Reason = &'static str;

/// What was read last, to which the next signatures belong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Primary,
    Name,
    Subkey,
    /// A key of a version that is not known: all that follows goes with it.
    OtherKey,
    /// Such a subkey: its signatures must not be taken for those of what stands before it.
    OtherSubkey,
}

/// Reads all keys of a file, in binary or armoured form. Keys of other versions are left out.
pub(crate) fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, Malformed> {
    const KEYBOX: &[u8] = b"KBXf";
    if bytes.get(8..12) == Some(KEYBOX) {
        return Err(Malformed(
            "a keybox of GnuPG's own: write its keys with `gpg --export`",
        ));
    }
    let decoded;
    let mut bytes = Bytes(bytes);
    if let Some(text) = armored(bytes.0)? {
        decoded = armor::blocks(text, "PGP PUBLIC KEY BLOCK")?;
        bytes = Bytes(&decoded);
    }
    let mut reader = Reader {
        all: vec![],
        place: Place::Start,
    };
    for _ in 0..MAX_PACKETS {
        match bytes.packet()? {
            Some(packet) => reader.take(packet)?,
            None => return Ok(reader.all),
        }
    }
    Err(Malformed("more packets than any keyring should have"))
}

struct Reader {
    all: Vec<Certificate>,
    place: Place,
}

impl Reader {
    fn take(&mut self, packet: Packet<'_>) -> Result<(), Malformed> {
        match packet.tag {
            tag::PUBLIC_KEY => {
                self.place = Place::OtherKey;
                if let Some(primary) = Key::parse(packet.body)? {
                    self.all.push(Certificate::new(primary));
                    self.place = Place::Primary;
                }
            }
            tag::SECRET_KEY | tag::SECRET_SUBKEY => {
                return Err(Malformed("it holds a secret key, which has no place there"));
            }
            tag::MARKER | tag::TRUST | tag::PADDING | tag::FIRST_OPTIONAL.. => {}
            tag::USER_ID | tag::USER_ATTRIBUTE | tag::PUBLIC_SUBKEY | tag::SIGNATURE => {
                match (self.place, self.all.last_mut()) {
                    (Place::Start, _) => return Err(Malformed("it does not begin with a key")),
                    (Place::OtherKey, _) | (_, None) => {}
                    (place, Some(current)) => self.place = current.take(packet, place)?,
                }
            }
            _ => return Err(Malformed("a packet that has no place in a keyring")),
        }
        Ok(())
    }
}

impl Certificate {
    fn new(primary: Key) -> Self {
        Self {
            primary,
            about_primary: Statements::default(),
            names: vec![],
            subkeys: vec![],
        }
    }

    /// Takes in a part of this key, and says where that leads.
    fn take(&mut self, packet: Packet<'_>, place: Place) -> Result<Place, Malformed> {
        match packet.tag {
            tag::USER_ID | tag::USER_ATTRIBUTE => {
                let mark = if packet.tag == tag::USER_ID {
                    0xb4
                } else {
                    0xd1
                };
                let name = (name(mark, packet.body), Statements::default());
                self.names.push(name);
                Ok(Place::Name)
            }
            tag::PUBLIC_SUBKEY => match Key::parse(packet.body)? {
                Some(subkey) => {
                    self.subkeys.push((subkey, Statements::default()));
                    Ok(Place::Subkey)
                }
                None => Ok(Place::OtherSubkey),
            },
            _ => {
                let statements = match place {
                    Place::Primary => Some(&mut self.about_primary),
                    Place::Name => self.names.last_mut().map(|(_, about)| about),
                    Place::Subkey => self.subkeys.last_mut().map(|(_, about)| about),
                    Place::Start | Place::OtherKey | Place::OtherSubkey => None,
                };
                if let Some(statements) = statements {
                    match Signature::parse(packet.body)? {
                        Parsed::Known(signature) => statements.signatures.push(*signature),
                        Parsed::Other(kind) => statements.others.extend(kind),
                    }
                }
                Ok(place)
            }
        }
    }
}

/// A name as certifications cover it (section 5.2.4).
fn name(mark: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[mark], &length[..], body].concat()
}

impl Statements {
    /// Those of `kinds` that `key` made over `data`, and that hold.
    fn held<'a>(
        &'a self,
        kinds: impl Fn(u8) -> bool + 'a,
        key: &'a Key,
        data: &'a [&'a [u8]],
        now: i64,
    ) -> impl Iterator<Item = &'a Signature> + 'a {
        self.signatures.iter().filter(move |signature| {
            kinds(signature.kind)
                && signature.is_by(key)
                && !is_early(signature.created, now)
                && !has_ended(signature.created, signature.life, now)
                && key.check(signature, data) == Outcome::Good
        })
    }

    /// Whether there is a revocation. One that cannot be checked counts: that of another key that was named
    /// for it, one with a broken digest or of an old version.
    fn has_revocation(&self, kind: u8, key: &Key, data: &[&[u8]]) -> bool {
        let mut signatures = self.signatures.iter().filter(|one| one.kind == kind);
        self.others.contains(&kind)
            || signatures.any(|one| !one.is_by(key) || key.check(one, data) != Outcome::Bad)
    }
}

/// The newest of several.
fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created)
}

impl Certificate {
    /// Its keys, each with its number if it is a subkey.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Option<usize>, &Key)> {
        let subkeys = self.subkeys.iter().enumerate();
        let subkeys = subkeys.map(|(at, (key, _))| (Some(at), key));
        std::iter::once((None, &self.primary)).chain(subkeys)
    }

    /// What speaks against a good signature of the primary key or of a subkey.
    pub(crate) fn fault(
        &self,
        subkey: Option<usize>,
        signature: &Signature,
        now: i64,
    ) -> Option<Reason> {
        let own = [self.primary.hashed()];
        if self
            .about_primary
            .has_revocation(kind::KEY_REVOKED, &self.primary, &own)
        {
            return Some("the key was revoked");
        }
        let direct =
            newest(
                self.about_primary
                    .held(|kind| kind == kind::DIRECT, &self.primary, &own, now),
            );
        let named = newest(
            self.names
                .iter()
                .filter_map(|name| self.certification(name, now)),
        );
        if direct.is_none() && named.is_none() {
            return Some(self.why_nothing_vouches());
        }
        let key = subkey.map_or(&self.primary, |at| &self.subkeys[at].0);
        if is_early(signature.created, now) || signature.created < key.created {
            return Some("it was made at a time that cannot be");
        }
        if has_ended(signature.created, signature.life, now) {
            return Some("it has expired");
        }
        // Both the newest direct signature and the newest with a name may say until when, and what for.
        let says = [direct, named];
        let mut lives = says.iter().flatten().map(|one| one.key_life);
        if lives.any(|life| has_ended(self.primary.created, life, now)) {
            return Some("the key has expired");
        }
        let forbidden = says.iter().flatten().any(|one| one.forbids_signing());
        match subkey {
            None => forbidden.then_some("the key is not for signing"),
            Some(at) => self.subkey_fault(at, now),
        }
    }

    /// The newest certification of a name by its own key, unless it was taken back since.
    fn certification<'a>(
        &'a self,
        (name, about): &'a (Vec<u8>, Statements),
        now: i64,
    ) -> Option<&'a Signature> {
        let data = [self.primary.hashed(), &name[..]];
        let is_certification = |kind: u8| kind::CERTIFICATIONS.contains(&kind);
        let found = about.signatures.iter().filter(|signature| {
            is_certification(signature.kind)
                && signature.is_by(&self.primary)
                && !is_early(signature.created, now)
                && !has_ended(signature.created, signature.life, now)
                && self.primary.check(signature, &data) == Outcome::Good
        });
        let found = newest(found)?;
        let mut later = about.signatures.iter();
        let is_revoked = later.any(|one| {
            one.kind == kind::NAME_REVOKED
                && one.is_by(&self.primary)
                && one.created >= found.created
                && self.primary.check(one, &data) != Outcome::Bad
        });
        (!is_revoked).then_some(found)
    }

    fn why_nothing_vouches(&self) -> Reason {
        let names = self.names.iter().flat_map(|(_, about)| &about.signatures);
        let mut own = self
            .about_primary
            .signatures
            .iter()
            .chain(names)
            .filter(|signature| signature.is_by(&self.primary));
        match own.any(|signature| (1..=3).contains(&signature.hash)) {
            true => "the key vouches for itself only with a digest that is broken",
            false => "the key does not vouch for itself",
        }
    }

    fn subkey_fault(&self, at: usize, now: i64) -> Option<Reason> {
        let (subkey, about) = &self.subkeys[at];
        let both = [self.primary.hashed(), subkey.hashed()];
        if about.has_revocation(kind::SUBKEY_REVOKED, &self.primary, &both) {
            return Some("the subkey was revoked");
        }
        let bindings = about.held(|kind| kind == kind::SUBKEY, &self.primary, &both, now);
        let Some(binding) = newest(bindings) else {
            return Some("the subkey does not belong to the key");
        };
        if !binding.allows_signing() {
            return Some("the subkey is not for signing");
        }
        // Else somebody could claim another's subkey for his own, and its signatures with it.
        let agrees = binding.of_subkey.as_ref().is_some_and(|signature| {
            signature.kind == kind::OF_SUBKEY && subkey.check(signature, &both) == Outcome::Good
        });
        if !agrees {
            return Some("the subkey does not say that it belongs to the key");
        }
        has_ended(subkey.created, binding.key_life, now).then_some("the subkey has expired")
    }
}
