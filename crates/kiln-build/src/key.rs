//! Cache keys.
//!
//! A step's key is the digest of everything that its result depends on and nothing else: for RUN, the
//! layers below it and the process to be run; for COPY, what the chosen files are (type, mode, owner,
//! links, content, but not their times) and where they go. Results are layers, named by their diff ids, so
//! that two ways to the same content share everything built on top of it.
//!
//! Fields are length-prefixed: no two different lists of fields give the same bytes.

use kiln_oci::{Digest, Hasher};

/// Changes whenever a step's result for equal inputs changes, so that old results are not taken for
/// new ones.
const VERSION: &[u8] = b"kiln-step-1";

/// Collects the fields of a key.
#[derive(Clone, Debug)]
pub(crate) struct KeyBuilder(Hasher);

impl KeyBuilder {
    /// The key of a step of one `kind`, for example `run`.
    pub(crate) fn new(kind: &str) -> Self {
        let mut builder = Self(Hasher::sha256());
        builder.bytes(VERSION).bytes(kind.as_bytes());
        builder
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds a digest.
    pub(crate) fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.bytes(digest.as_bytes())
    }

    /// Adds a text that may be absent; absent and empty differ.
    pub(crate) fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    /// Adds a list of texts.
    pub(crate) fn list<T: AsRef<str>>(&mut self, texts: &[T]) -> &mut Self {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text.as_ref());
        }
        self
    }

    /// The key.
    pub(crate) fn finish(&self) -> Digest {
        self.0.clone().finish()
    }
}

/// The chain of layers below a step as one digest. Source of the name: OCI image specification,
/// "config.md", section "Layer ChainID"; here it is only ever compared with itself.
pub(crate) fn chain(diff_ids: &[Digest]) -> Digest {
    let mut key = KeyBuilder::new("chain");
    for diff_id in diff_ids {
        key.digest(diff_id);
    }
    key.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_between_fields_count() {
        let one = KeyBuilder::new("x").text("ab").text("c").finish();
        let two = KeyBuilder::new("x").text("a").text("bc").finish();
        assert_ne!(one, two);
        let none = KeyBuilder::new("x").optional(None).finish();
        assert_ne!(none, KeyBuilder::new("x").optional(Some("")).finish());
        assert_ne!(none, KeyBuilder::new("y").optional(None).finish());
    }

    #[test]
    fn a_chain_depends_on_the_order() {
        let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        assert_ne!(chain(&[a, b]), chain(&[b, a]));
        assert_eq!(chain(&[a, b]), chain(&[a, b]));
    }
}
