//! The chain of origin: which images an image really extends, whoever it says it does.
//!
//! Image A extends image B if B's diff ids are a strict prefix of A's. That is computed, never read from a label. Every prefix has a
//! [chain id](chain); a catalog keeps those of the images that it knows, so an image's ancestors are found in as many look-ups as
//! it has layers, however many images are known.
//!
//! Source of the chain id: OCI image specification, "config.md", "Layer ChainID".

use std::collections::{BTreeMap, HashMap};

use kiln_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::key::KeyId;
use crate::verify::{Claim, Evidence};

/// The chain ids of all prefixes of `diff_ids`, the shortest first.
///
/// `chain(L0) = L0`, `chain(L0 … Ln) = sha256(chain(L0 … Ln-1) + " " + Ln)`.
#[must_use]
pub fn chain(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => *diff_id,
            Some(below) => Digest::sha256(format!("{below} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

/// An image that others may extend, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// What it is called.
    pub name: String,
    /// Its manifest.
    pub digest: Digest,
    /// Its layers, the lowest first.
    pub diff_ids: Vec<Digest>,
    /// Whether the policy allows it.
    pub allowed: bool,
    /// Why it does not, or that nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What trusted signers said of it.
    #[serde(default)]
    pub facts: Vec<Fact>,
}

/// Something that a trusted signer said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// `signature`, or the type of a statement.
    pub kind: String,
    /// Who said it.
    pub signer: String,
    /// With which key.
    pub key: KeyId,
    /// When: proven by a time stamp, else by the signer's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Whether a time stamp proves that.
    #[serde(default)]
    pub is_proven: bool,
    /// The manifest that it lies in.
    pub place: Digest,
    /// What matters of it, by name: builder, source, commit, approver, scanner.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

/// Where details stand in statements: name, JSON Pointer.
const DETAILS: &[(&str, &str)] = &[
    ("builder", "/runDetails/builder/id"),
    ("builder", "/builder/id"),
    (
        "source",
        "/buildDefinition/externalParameters/configSource/uri",
    ),
    ("source", "/buildDefinition/externalParameters/source/uri"),
    (
        "commit",
        "/buildDefinition/resolvedDependencies/0/digest/gitCommit",
    ),
    (
        "commit",
        "/buildDefinition/externalParameters/configSource/digest/sha1",
    ),
    ("finished", "/runDetails/metadata/finishedOn"),
    ("scanner", "/scanner/uri"),
    ("scanned", "/metadata/scanFinishedOn"),
    ("approver", "/approver"),
    ("ticket", "/ticket"),
    ("result", "/result"),
];

/// The longest detail, in characters.
const MAX_DETAIL: usize = 200;

impl From<&Evidence> for Fact {
    fn from(evidence: &Evidence) -> Self {
        let mut details = BTreeMap::new();
        let kind = match &evidence.claim {
            Claim::Signature { annotations } => {
                // What the tools write themselves says nothing new.
                let own = |name: &str| {
                    name.starts_with("dev.kiln.") || matches!(name, "creator" | "timestamp")
                };
                for (name, value) in annotations.iter().filter(|(name, _)| !own(name)) {
                    details.extend(value.as_str().map(|text| (name.clone(), cut(text))));
                }
                "signature".to_owned()
            }
            Claim::Predicate {
                predicate_type,
                predicate,
            } => {
                for (name, path) in DETAILS {
                    if let Some(text) = predicate.pointer(path).and_then(serde_json::Value::as_str)
                    {
                        details
                            .entry((*name).to_owned())
                            .or_insert_with(|| cut(text));
                    }
                }
                predicate_type.clone()
            }
        };
        Self {
            kind,
            signer: evidence.signer.name.clone(),
            key: evidence.signer.id,
            at: evidence.proven_at.or(evidence.claimed_at),
            is_proven: evidence.proven_at.is_some(),
            place: evidence.place,
            details,
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_DETAIL).collect()
}

/// A range of an image's layers, and where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The first layer, counted from 0.
    pub from: usize,
    /// The layer behind the last.
    pub to: usize,
    /// The images that consist of the layers up to here: several if several have the same layers. Those that are allowed come first. Empty
    /// for layers of unknown origin, and for the image's own.
    pub images: Vec<&'a Known>,
}

impl Link<'_> {
    /// Whether one of the images is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.images.first().is_some_and(|image| image.allowed)
    }
}

/// Images that are known, by their layers.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    images: Vec<Known>,
    by_chain: HashMap<Digest, Vec<usize>>,
}

impl Catalog {
    /// Adds an image. One with the same digest and name takes the place of what was known of it. An image without layers is
    /// nobody's base and is left out.
    pub fn add(&mut self, image: Known) {
        let Some(top) = chain(&image.diff_ids).pop() else {
            return;
        };
        let places = self.by_chain.entry(top).or_default();
        let known = places.iter().find(|place| {
            let known = &self.images[**place];
            known.digest == image.digest && known.name == image.name
        });
        match known {
            Some(place) => self.images[*place] = image,
            None => {
                places.push(self.images.len());
                self.images.push(image);
            }
        }
    }

    /// All images, in the order in which they were added.
    #[must_use]
    pub fn images(&self) -> &[Known] {
        &self.images
    }

    /// Where the layers of an image come from, the lowest first. The last link is the image's own layers, or whatever lies above the last
    /// ancestor; the ranges follow each other without a gap.
    #[must_use]
    pub fn trace(&self, diff_ids: &[Digest]) -> Vec<Link<'_>> {
        let mut links = vec![];
        let mut from = 0;
        for (below, id) in chain(diff_ids)
            .iter()
            .enumerate()
            .take(diff_ids.len().saturating_sub(1))
        {
            let Some(places) = self.by_chain.get(id) else {
                continue;
            };
            let mut images: Vec<&Known> = places.iter().map(|place| &self.images[*place]).collect();
            images.sort_by_key(|image| !image.allowed);
            links.push(Link {
                from,
                to: below + 1,
                images,
            });
            from = below + 1;
        }
        if from < diff_ids.len() {
            links.push(Link {
                from,
                to: diff_ids.len(),
                images: vec![],
            });
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Digest {
        Digest::sha256(text.as_bytes())
    }

    fn known(name: &str, layers: &[&str], allowed: bool) -> Known {
        Known {
            name: name.to_owned(),
            digest: id(&format!("{name} {layers:?}")),
            diff_ids: layers.iter().map(|layer| id(layer)).collect(),
            allowed,
            why: None,
            facts: vec![],
        }
    }

    fn shape(catalog: &Catalog, layers: &[&str]) -> Vec<(usize, usize, Vec<String>)> {
        let ids: Vec<Digest> = layers.iter().map(|layer| id(layer)).collect();
        let links = catalog.trace(&ids);
        let names = |link: &Link<'_>| link.images.iter().map(|image| image.name.clone()).collect();
        links
            .iter()
            .map(|link| (link.from, link.to, names(link)))
            .collect()
    }

    #[test]
    fn the_chain_id_of_the_specification() {
        let ids = [id("a"), id("b")];
        let chained = chain(&ids);
        assert_eq!(chained[0], ids[0]);
        assert_eq!(
            chained[1],
            Digest::sha256(format!("{} {}", ids[0], ids[1]).as_bytes())
        );
        assert!(chain(&[]).is_empty());
    }

    #[test]
    fn a_sandwich_of_three_teams() {
        let mut catalog = Catalog::default();
        catalog.add(known("base", &["1", "2"], true));
        catalog.add(known("middleware", &["1", "2", "3"], true));
        let own = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shape(&catalog, &["1", "2", "3", "4", "5"]),
            [
                (0, 2, own(&["base"])),
                (2, 3, own(&["middleware"])),
                (3, 5, vec![])
            ]
        );
        // A base is nobody's own ancestor: the prefix is strict.
        assert_eq!(shape(&catalog, &["1", "2"]), [(0, 2, vec![])]);
        assert_eq!(shape(&catalog, &["x", "2", "3"]), [(0, 3, vec![])]);
        assert_eq!(
            shape(&catalog, &["1", "x", "3"]),
            [(0, 3, vec![])],
            "not the same layers in the same order"
        );
        assert!(shape(&catalog, &[]).is_empty());
    }

    #[test]
    fn of_images_with_the_same_layers_the_allowed_comes_first() {
        let mut catalog = Catalog::default();
        catalog.add(known("copy", &["1"], false));
        catalog.add(known("base", &["1"], true));
        catalog.add(known("empty", &[], true));
        let links = catalog.trace(&[id("1"), id("2")]);
        assert_eq!(links[0].images[0].name, "base");
        assert!(links[0].is_allowed() && !links[1].is_allowed());
        catalog.add(known("copy", &["1"], true));
        assert_eq!(
            catalog.images().len(),
            2,
            "what is known is brought up to date"
        );
    }

    #[test]
    fn ten_thousand_images_and_a_hundred_bases() {
        let mut catalog = Catalog::default();
        for number in 0..100 {
            catalog.add(known(
                &format!("base {number}"),
                &[&format!("base {number}")],
                true,
            ));
        }
        for number in 0..10_000 {
            let base = id(&format!("base {}", number % 100));
            let links = catalog.trace(&[base, id("app"), id(&format!("{number}"))]);
            assert_eq!(links[0].images[0].name, format!("base {}", number % 100));
        }
    }
}
