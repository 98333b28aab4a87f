//! What belongs to an image: manifests in the order in which they can be filed, and blobs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use kiln_oci::{Descriptor, Digest, Document, Hasher, media_type};

use super::{ContentSource, TransferError, TransferOptions};

/// How deep indexes may lie in each other.
const MAX_DEPTH: usize = 8;
/// The most manifests of one transfer.
const MAX_MANIFESTS: usize = 10_000;
/// The most bytes of manifests that are kept in memory.
const MAX_BYTES: usize = 256 << 20;

/// What cosign adds to the tag of a digest.
const COMPANIONS: [&str; 3] = ["sig", "att", "sbom"];

/// How a manifest is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filing {
    /// By its digest.
    Plain,
    /// Under a tag.
    Tagged(String),
    /// As a referrer of another one.
    Referrer,
}

/// A manifest or index.
pub(super) struct Node {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
    pub(super) filing: Filing,
    /// Zero for what the root names; one more for what is attached to that, and so on.
    pub(super) generation: usize,
    /// Zero for a manifest; an index lies above all that it names.
    height: usize,
}

impl Node {
    /// Nodes of one rank can be filed at once, after those of lower ranks.
    pub(super) fn rank(&self) -> (usize, usize) {
        (self.generation, self.height)
    }
}

/// All that a target must have in the end.
#[derive(Default)]
pub(super) struct Plan {
    /// Sorted by rank.
    pub(super) nodes: Vec<Node>,
    /// The largest first.
    pub(super) blobs: Vec<Descriptor>,
}

/// Looks through what `root` names, and through what is attached to it if that is wanted.
pub(super) fn plan(
    source: &dyn ContentSource,
    root: &Descriptor,
    options: &TransferOptions<'_>,
) -> Result<Plan, TransferError> {
    let mut planner = Planner {
        source,
        root: root.digest,
        options,
        plan: Plan::default(),
        manifests: HashMap::new(),
        blobs: HashSet::new(),
        bytes: 0,
    };
    let filing = options.tag.clone().map_or(Filing::Plain, Filing::Tagged);
    planner.walk(root, filing, 0, 0)?;
    planner.attached()?;
    let mut plan = planner.plan;
    plan.nodes.sort_by_key(Node::rank);
    plan.blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    Ok(plan)
}

struct Planner<'a> {
    source: &'a dyn ContentSource,
    root: Digest,
    options: &'a TransferOptions<'a>,
    plan: Plan,
    /// The manifests so far, and their heights.
    manifests: HashMap<Digest, usize>,
    blobs: HashSet<Digest>,
    bytes: usize,
}

impl Planner<'_> {
    /// Takes in a manifest and all that it names. Returns its height.
    fn walk(
        &mut self,
        descriptor: &Descriptor,
        filing: Filing,
        generation: usize,
        depth: usize,
    ) -> Result<usize, TransferError> {
        if self.options.cancelled.load(Ordering::Relaxed) {
            return Err(TransferError::Cancelled);
        }
        // Two indexes may name one image; a tagged one is filed all the same, for its tag.
        if let Some(height) = self.manifests.get(&descriptor.digest)
            && !matches!(filing, Filing::Tagged(_))
        {
            return Ok(*height);
        }
        let too_many = |parts, limit| TransferError::TooMany {
            digest: self.root,
            parts,
            limit,
        };
        if depth >= MAX_DEPTH {
            return Err(too_many("indexes in each other", MAX_DEPTH));
        }
        if self.plan.nodes.len() >= MAX_MANIFESTS {
            return Err(too_many("manifests", MAX_MANIFESTS));
        }
        let bytes = self.fetch(descriptor)?;
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            return Err(too_many("bytes of manifests", MAX_BYTES));
        }
        let digest = descriptor.digest;
        let document =
            Document::parse(&bytes).map_err(|source| TransferError::Document { digest, source })?;
        let mut height = 0;
        match document {
            Document::Index(index) => {
                for child in &index.manifests {
                    // What is neither is a blob, as some indexes of artifacts have them.
                    if media_type::is_index(&child.media_type)
                        || media_type::is_manifest(&child.media_type)
                    {
                        height =
                            height.max(1 + self.walk(child, Filing::Plain, generation, depth + 1)?);
                    } else {
                        self.blob(child);
                    }
                }
            }
            Document::Manifest(manifest) => {
                self.blob(&manifest.config);
                for layer in &manifest.layers {
                    self.blob(layer);
                }
            }
        }
        self.manifests.insert(digest, height);
        self.plan.nodes.push(Node {
            descriptor: descriptor.clone(),
            bytes,
            filing,
            generation,
            height,
        });
        Ok(height)
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Vec<u8>, TransferError> {
        let what = || format!("the manifest {}", descriptor.digest);
        let bytes = self.source.manifest(descriptor);
        let bytes = bytes.map_err(|source| TransferError::Source {
            what: what(),
            source,
        })?;
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != descriptor.digest {
            return Err(TransferError::Mismatch {
                expected: descriptor.digest,
                actual: Box::new(actual),
            });
        }
        Ok(bytes)
    }

    fn blob(&mut self, descriptor: &Descriptor) {
        if self.blobs.insert(descriptor.digest) {
            self.plan.blobs.push(descriptor.clone());
        }
    }

    /// Takes in what is attached to the manifests so far, and what is attached to that.
    fn attached(&mut self) -> Result<(), TransferError> {
        let mut from = 0;
        for generation in 1..=MAX_DEPTH {
            let subjects: Vec<Digest> = self.plan.nodes[from..]
                .iter()
                .map(|node| node.descriptor.digest)
                .collect();
            from = self.plan.nodes.len();
            for subject in subjects {
                for (descriptor, filing) in self.attached_to(&subject)? {
                    self.walk(&descriptor, filing, generation, 0)?;
                }
            }
            if self.plan.nodes.len() == from {
                return Ok(());
            }
        }
        Err(TransferError::TooMany {
            digest: self.root,
            parts: "generations of referrers",
            limit: MAX_DEPTH,
        })
    }

    fn attached_to(&self, subject: &Digest) -> Result<Vec<(Descriptor, Filing)>, TransferError> {
        let fail = |source| TransferError::Source {
            what: format!("what is attached to {subject}"),
            source,
        };
        let mut found = Vec::new();
        if self.options.referrers {
            let referrers = self.source.referrers(subject).map_err(fail)?;
            found.extend(
                referrers
                    .into_iter()
                    .map(|descriptor| (descriptor, Filing::Referrer)),
            );
        }
        if self.options.companions {
            for kind in COMPANIONS {
                let tag = format!("{}-{}.{kind}", subject.algorithm().name(), subject.hex());
                // Longer digests make no tags.
                if tag.len() > 128 {
                    continue;
                }
                if let Some(descriptor) = self.source.tagged(&tag).map_err(fail)? {
                    found.push((descriptor, Filing::Tagged(tag)));
                }
            }
        }
        Ok(found)
    }
}
