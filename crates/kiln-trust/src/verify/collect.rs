//! Finding what has been said about a manifest, and fetching it within bounds.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kiln_oci::{Descriptor, Digest, Document, Hasher};

use super::judge::Refusal;
use super::reason::Reason;
use crate::format::names;
use crate::key::KeyId;
use crate::registry::{Name, Registry, companion_tag};

/// How much is read for one manifest. What lies beyond is not looked at, and said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries that are fetched.
    pub entries: usize,
    /// Bytes of one document.
    pub document: u64,
    /// Bytes of all documents.
    pub total: u64,
    /// Time.
    pub time: Duration,
    /// Requests at once.
    pub parallel: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 500,
            document: 16 << 20,
            total: 128 << 20,
            time: Duration::from_secs(60),
            parallel: 8,
        }
    }
}

/// The most bytes of a manifest that is a signature.
const MAX_MANIFEST: u64 = 1 << 20;

/// The most layers of one signature's manifest that are looked at.
const MAX_LAYERS: usize = 1000;

/// The most layers of a referrer: a signature has one.
const MAX_REFERRER_LAYERS: usize = 4;

/// A signature that was fetched, not believed.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The manifest that it lies in.
    pub(super) manifest: Digest,
    /// The layer, with its annotations.
    pub(super) layer: Descriptor,
    /// The layer's content.
    pub(super) content: Vec<u8>,
}

/// Something that may be fetched.
#[derive(Clone, Debug)]
enum Entry {
    Referrer(Descriptor),
    Layer(Digest, Descriptor),
}

impl Entry {
    fn manifest(&self) -> Digest {
        match self {
            Self::Referrer(descriptor) => descriptor.digest,
            Self::Layer(manifest, _) => *manifest,
        }
    }
}

/// What is looked for, so that the likely comes first. Nothing is left out for being unlikely.
pub(super) struct Interest {
    pub(super) keys: BTreeSet<KeyId>,
    pub(super) signatures: bool,
    /// Types of predicates; all where it is empty and `predicates` is true.
    pub(super) types: Vec<String>,
    pub(super) predicates: bool,
}

/// Where the search stands.
pub(super) struct Collector<'a> {
    registry: &'a dyn Registry,
    subject: Digest,
    limits: Limits,
    interest: Interest,
    began: Instant,
    bytes: Mutex<u64>,
    fetched: usize,
    places: std::vec::IntoIter<Place>,
    queue: Vec<Entry>,
    seen: BTreeSet<Digest>,
    /// Why less was looked at than there is.
    pub(super) incomplete: Vec<String>,
    pub(super) refusals: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Companion(&'static str),
    Referrers,
    FallbackTag,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        registry: &'a dyn Registry,
        subject: Digest,
        limits: Limits,
        interest: Interest,
    ) -> Self {
        let mut places = vec![];
        if interest.signatures {
            places.push(Place::Companion(".sig"));
        }
        places.push(Place::Referrers);
        if interest.predicates {
            places.push(Place::Companion(".att"));
        }
        // A registry that learnt to keep the list still has the tag from before.
        places.push(Place::FallbackTag);
        Self {
            registry,
            subject,
            limits,
            interest,
            began: Instant::now(),
            bytes: Mutex::new(0),
            fetched: 0,
            places: places.into_iter(),
            queue: vec![],
            seen: BTreeSet::new(),
            incomplete: vec![],
            refusals: vec![],
        }
    }

    /// The next few that were found; `None` when there is nothing more to look at.
    pub(super) fn next_batch(&mut self) -> Option<Vec<Found>> {
        while self.queue.is_empty() {
            let place = self.places.next()?;
            self.list(place);
        }
        let room = self.limits.entries.saturating_sub(self.fetched);
        if room == 0 || self.began.elapsed() > self.limits.time {
            let rest = self.queue.len();
            self.queue.clear();
            self.places = vec![].into_iter();
            self.incomplete.push(format!(
                "{} entries were looked at in {} s, and {rest} more were not",
                self.fetched,
                self.began.elapsed().as_secs()
            ));
            return None;
        }
        let count = self.limits.parallel.max(1).min(room).min(self.queue.len());
        let batch: Vec<Entry> = self.queue.drain(..count).collect();
        self.fetched += count;
        let results: Vec<_> = match &batch[..] {
            [one] => vec![self.fetch(one)],
            many => std::thread::scope(|scope| {
                let this = &*self;
                let threads: Vec<_> = many
                    .iter()
                    .map(|entry| scope.spawn(move || this.fetch(entry)))
                    .collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined
                    .map(|found| found.expect("because fetching does not panic"))
                    .collect()
            }),
        };
        let mut all = vec![];
        for (entry, result) in batch.iter().zip(results) {
            match result {
                Ok(found) => all.extend(found),
                Err(reason) => self.refuse(entry.manifest(), reason),
            }
        }
        Some(all)
    }

    pub(super) fn refuse(&mut self, place: Digest, reason: Reason) {
        self.refusals.push(Refusal { place, reason });
    }

    /// Adds what a place lists to the queue, the likely first.
    fn list(&mut self, place: Place) {
        let entries = match place {
            Place::Referrers => match self.registry.referrers(&self.subject) {
                Ok(list) => list.into_iter().map(Entry::Referrer).collect(),
                Err(error) => self.unlisted("the list of referrers", &error),
            },
            Place::FallbackTag => self.tagged(&companion_tag(&self.subject, "")),
            Place::Companion(suffix) => self.tagged(&companion_tag(&self.subject, suffix)),
        };
        let fresh = entries.into_iter().filter(|entry| match entry {
            Entry::Referrer(descriptor) => self.seen.insert(descriptor.digest),
            Entry::Layer(..) => true,
        });
        let mut entries: Vec<Entry> = fresh.collect();
        entries.sort_by_cached_key(|entry| self.interest.rank(entry));
        self.queue = entries;
    }

    fn unlisted(&mut self, what: &str, error: &crate::registry::AccessError) -> Vec<Entry> {
        use std::error::Error as _;
        let cause = error
            .source()
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        self.incomplete
            .push(format!("{what} cannot be read: {error}{cause}"));
        vec![]
    }

    /// What lies under one of the tags that belong to the subject.
    fn tagged(&mut self, tag: &str) -> Vec<Entry> {
        let (descriptor, bytes) = match self.registry.manifest(Name::Tag(tag)) {
            Ok(Some(found)) => found,
            Ok(None) => return vec![],
            Err(error) => return self.unlisted(&format!("the tag `{tag}`"), &error),
        };
        match Document::parse(&bytes) {
            Ok(Document::Index(index)) => {
                index.manifests.into_iter().map(Entry::Referrer).collect()
            }
            Ok(Document::Manifest(manifest)) => {
                let layers = manifest.layers.into_iter();
                // The newest are last.
                layers
                    .rev()
                    .take(MAX_LAYERS)
                    .map(|layer| Entry::Layer(descriptor.digest, layer))
                    .collect()
            }
            Err(error) => {
                self.refuse(descriptor.digest, Reason::Malformed(error.to_string()));
                vec![]
            }
        }
    }

    fn fetch(&self, entry: &Entry) -> Result<Vec<Found>, Reason> {
        match entry {
            Entry::Layer(manifest, layer) => Ok(vec![self.layer(*manifest, layer)?]),
            Entry::Referrer(descriptor) => {
                self.spend(descriptor.size, MAX_MANIFEST)?;
                let fetched = self
                    .registry
                    .manifest(Name::Digest(&descriptor.digest))
                    .map_err(|error| fetch(&error))?;
                let (_, bytes) =
                    fetched.ok_or_else(|| Reason::Fetch("it is not there".to_owned()))?;
                if hash(&descriptor.digest, &bytes) != descriptor.digest {
                    return Err(Reason::Digest);
                }
                let document = Document::parse(&bytes)
                    .map_err(|error| Reason::Malformed(error.to_string()))?;
                let Document::Manifest(manifest) = document else {
                    return Err(Reason::Other("an index".to_owned()));
                };
                let layers = manifest.layers.iter().take(MAX_REFERRER_LAYERS);
                let layers: Vec<_> = layers
                    .filter(|layer| is_signature(&layer.media_type))
                    .collect();
                if layers.is_empty() {
                    let kind = manifest.artifact_type.unwrap_or(manifest.config.media_type);
                    return Err(Reason::Other(kind.chars().take(100).collect()));
                }
                layers
                    .into_iter()
                    .map(|layer| self.layer(descriptor.digest, layer))
                    .collect()
            }
        }
    }

    fn layer(&self, manifest: Digest, layer: &Descriptor) -> Result<Found, Reason> {
        if !is_signature(&layer.media_type) {
            return Err(Reason::Other(layer.media_type.chars().take(100).collect()));
        }
        self.spend(layer.size, self.limits.document)?;
        let content = self.registry.blob(layer).map_err(|error| fetch(&error))?;
        if content.len() as u64 != layer.size || hash(&layer.digest, &content) != layer.digest {
            return Err(Reason::Digest);
        }
        Ok(Found {
            manifest,
            layer: layer.clone(),
            content,
        })
    }

    /// Asks before it is fetched whether so much may be.
    fn spend(&self, size: u64, limit: u64) -> Result<(), Reason> {
        let mut bytes = self
            .bytes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let limit = limit.min(self.limits.total.saturating_sub(*bytes));
        if size > limit {
            return Err(Reason::TooLarge { size, limit });
        }
        *bytes += size;
        Ok(())
    }
}

impl Interest {
    /// Lower comes first. Annotations are anybody's, so they decide about the order and nothing else.
    fn rank(&self, entry: &Entry) -> (u8, std::cmp::Reverse<String>) {
        let Entry::Referrer(descriptor) = entry else {
            return (0, std::cmp::Reverse(String::new()));
        };
        let note = |name: &str| descriptor.annotations.get(name).map(String::as_str);
        let is_ours = note(names::KEY_HINT)
            .and_then(|hint| hint.parse().ok())
            .is_some_and(|id: KeyId| self.keys.contains(&id));
        let is_wanted = match note(names::PREDICATE_HINT) {
            Some(crate::format::statement::SIGNATURE) => self.signatures,
            Some(kind) => {
                self.predicates
                    && (self.types.is_empty() || self.types.iter().any(|one| kind.starts_with(one)))
            }
            None => true,
        };
        let kind = descriptor.artifact_type.as_deref().unwrap_or_default();
        let is_kind =
            kind.starts_with(names::BUNDLE_PREFIX) || kind == crate::notary::ARTIFACT_TYPE;
        let rank = match (is_wanted, is_ours, is_kind) {
            (true, true, _) => 0,
            (true, false, true) => 1,
            (_, true, _) => 2,
            _ => 3,
        };
        // The newest first: what is signed anew is what is meant.
        (
            rank,
            std::cmp::Reverse(note(names::CREATED).unwrap_or_default().to_owned()),
        )
    }
}

fn is_signature(media_type: &str) -> bool {
    matches!(
        media_type,
        names::SIMPLE | names::DSSE | crate::notary::JWS | crate::notary::COSE
    ) || media_type.starts_with(names::BUNDLE_PREFIX)
}

fn fetch(error: &crate::registry::AccessError) -> Reason {
    use std::error::Error as _;
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Reason::Fetch(format!("{error}{cause}"))
}

/// The digest of `bytes` by the algorithm of `like`.
pub(super) fn hash(like: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}
