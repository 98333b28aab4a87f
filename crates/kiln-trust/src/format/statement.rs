//! in-toto statements: a predicate about subjects.
//!
//! Sources: in-toto attestation framework, `spec/v1/statement.md` and `spec/v0.1.0`; cosign's types of predicates.

use std::collections::BTreeMap;

use kiln_oci::{Algorithm, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version 1.
pub const V1: &str = "https://in-toto.io/Statement/v1";
/// The version before, which cosign's attestations have.
pub const V01: &str = "https://in-toto.io/Statement/v0.1";
/// cosign's predicate for a signature: nothing but that one signed.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// Short names of predicate types, as `--type` takes them; cosign's where it has one.
pub const SHORT_NAMES: &[(&str, &str)] = &[
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("provenance", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("openvex", "https://openvex.dev/ns"),
    ("vex", "https://openvex.dev/ns"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("scan", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("link", "https://in-toto.io/Link/v1"),
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("test", "https://in-toto.io/attestation/test-result/v0.1"),
    ("lint", "https://kiln.dev/attestation/lint/v1"),
    ("approval", "https://kiln.dev/attestation/approval/v1"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
];

/// The type of predicate that a short name or a URI stands for.
#[must_use]
pub fn predicate_type(name: &str) -> Option<&str> {
    let short = SHORT_NAMES.iter().find(|(short, _)| *short == name);
    short
        .map(|(_, uri)| *uri)
        .or_else(|| name.contains(':').then_some(name))
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Its version.
    #[serde(rename = "_type")]
    pub version: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What the predicate is.
    pub predicate_type: String,
    /// What it says.
    #[serde(default)]
    pub predicate: Value,
}

/// One thing that a statement is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// What the signer calls it: a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Digests by algorithm, in hexadecimal.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
    /// Claims about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

/// Bytes that are no statement.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStatement {
    /// Not JSON of this shape.
    #[error("the payload is not an in-toto statement")]
    Json(#[from] serde_json::Error),
    /// Another version.
    #[error("the payload is a `{0}`, not an in-toto statement of version 0.1 or 1")]
    Version(String),
}

impl Statement {
    /// A statement of version 1 about one manifest.
    #[must_use]
    pub fn new(subject: Subject, predicate_type: &str, predicate: Value) -> Self {
        Self {
            version: V1.to_owned(),
            subject: vec![subject],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// Reads a payload whose signature was verified.
    ///
    /// # Errors
    /// See [`InvalidStatement`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidStatement> {
        let statement: Self = serde_json::from_slice(bytes)?;
        if statement.version != V1 && statement.version != V01 {
            let version = statement.version.chars().take(100).collect();
            return Err(InvalidStatement::Version(version));
        }
        Ok(statement)
    }

    /// Writes the payload that is to be signed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("because it has a JSON form")
    }

    /// The subject with this digest.
    #[must_use]
    pub fn about(&self, digest: &Digest) -> Option<&Subject> {
        self.subject.iter().find(|subject| subject.is(digest))
    }
}

impl Subject {
    /// A manifest, under the name that the signer gives it.
    #[must_use]
    pub fn of(name: Option<&str>, digest: &Digest) -> Self {
        Self {
            name: name.map(str::to_owned),
            digest: BTreeMap::from([(digest.algorithm().name().to_owned(), digest.hex())]),
            annotations: Map::new(),
        }
    }

    /// Whether it is this content. Every digest that is registered for images and stands there must agree: one of them alone
    /// would let a statement be about two things.
    fn is(&self, digest: &Digest) -> bool {
        let same = self.digest.get(digest.algorithm().name());
        let known = [Algorithm::Sha256, Algorithm::Sha512].map(Algorithm::name);
        same == Some(&digest.hex())
            && self
                .digest
                .keys()
                .all(|name| !known.contains(&name.as_str()) || name == digest.algorithm().name())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn written_as_cosign_writes_a_signature() {
        let mut subject = Subject::of(None, &Digest::sha256(b""));
        subject.annotations.insert("team".to_owned(), json!("bank"));
        let statement = Statement::new(subject, SIGNATURE, json!({}));
        let text = String::from_utf8(statement.to_json()).unwrap();
        assert_eq!(
            text,
            "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\
             \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"},\"annotations\":{\"team\":\"bank\"}}],\
             \"predicateType\":\"https://sigstore.dev/cosign/sign/v1\",\"predicate\":{}}"
        );
        assert_eq!(Statement::parse(text.as_bytes()).unwrap(), statement);
        assert!(statement.about(&Digest::sha256(b"")).is_some());
        assert!(statement.about(&Digest::sha256(b"x")).is_none());
    }

    #[test]
    fn two_digests_that_may_disagree_are_no_subject() {
        let mut subject = Subject::of(None, &Digest::sha256(b""));
        subject
            .digest
            .insert("gitCommit".to_owned(), "00".to_owned());
        let mut statement = Statement::new(subject, SIGNATURE, json!({}));
        assert!(statement.about(&Digest::sha256(b"")).is_some());
        statement.subject[0]
            .digest
            .insert("sha512".to_owned(), "00".to_owned());
        assert!(statement.about(&Digest::sha256(b"")).is_none());
    }

    #[test]
    fn other_documents_are_refused() {
        let other =
            br#"{"_type":"https://in-toto.io/Statement/v2","subject":[],"predicateType":"x"}"#;
        assert!(matches!(
            Statement::parse(other),
            Err(InvalidStatement::Version(_))
        ));
        assert!(matches!(
            Statement::parse(b"{}"),
            Err(InvalidStatement::Json(_))
        ));
    }

    #[test]
    fn names_of_predicates() {
        assert_eq!(predicate_type("spdx"), Some("https://spdx.dev/Document"));
        assert_eq!(
            predicate_type("https://example.org/x"),
            Some("https://example.org/x")
        );
        assert_eq!(predicate_type("nonsense"), None);
    }
}
