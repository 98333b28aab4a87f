//! What a snapshot is kept under.

use std::fmt;

use kiln_oci::Digest;

use super::marks::Marks;

/// The name of a snapshot: what its directory was made of.
///
/// - `d`: one layer that needs none below it, by its diff id: images share it whatever lies below;
/// - `c`: the topmost layer of a chain, by the chain's id: what it holds depends on those below. So
///   does the upper directory of a step, which has unchanged copies from below in it.
///
/// Then the letter of [`Marks`], then the digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn of_layer(diff_id: &Digest, marks: Marks) -> Self {
        Self(format!("d{}-{}", marks.letter(), diff_id.hex()))
    }

    pub(super) fn of_chain(chain_id: &Digest, marks: Marks) -> Self {
        Self(format!("c{}-{}", marks.letter(), chain_id.hex()))
    }

    /// A name in the directory of snapshots, if it is one of a snapshot.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (kind, hex) = name.split_once('-')?;
        let known = matches!(kind, "dr" | "du" | "cr" | "cu");
        let is_hex = hex.len() >= 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        (known && is_hex).then(|| Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The chain id of every prefix of a chain, the lowest layer first.
///
/// Source: OCI image specification, "config.md", section "Layer ChainID".
pub(super) fn chain_ids(chain: &[Digest]) -> Vec<Digest> {
    let mut ids: Vec<Digest> = Vec::with_capacity(chain.len());
    for diff_id in chain {
        ids.push(match ids.last() {
            None => *diff_id,
            Some(below) => Digest::sha256(format!("{below} {diff_id}").as_bytes()),
        });
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_depends_on_all_below() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::sha256(text));
        let ids = chain_ids(&[a, b, c]);
        assert_eq!(ids[0], a);
        let ab = Digest::sha256(format!("{a} {b}").as_bytes());
        assert_eq!(
            ids[1..],
            [ab, Digest::sha256(format!("{ab} {c}").as_bytes())]
        );
    }

    #[test]
    fn only_snapshots_have_such_names() {
        let key = Key::of_layer(&Digest::sha256(b""), Marks::User);
        assert_eq!(Key::from_name(key.as_str()), Some(key));
        for name in ["", "du-", "xx-00", "lost+found", "du-../../../../etc"] {
            assert_eq!(Key::from_name(name), None);
        }
    }
}
