//! The image that is looked at: its documents, and the index of each layer.

use std::io::{self, BufReader, Read};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use kiln_layer::{ContentAt, IndexEntry, LayerIndex, decompress};
use kiln_oci::{Descriptor, Digest, History, Image, ImageConfig, Layer, OpenError};
use kiln_store::{LayerIndexError, Store};

/// Most layers that are read at the same time. Each takes two threads.
const AT_ONCE: usize = 4;

/// An image with the indexes of its layers.
#[derive(Debug)]
pub struct Subject {
    /// What a person called it.
    pub name: String,
    /// The documents, and the layers as they can be opened.
    pub image: Image,
    /// The layers, the lowest first.
    pub layers: Vec<SubjectLayer>,
    /// What it is known to be built on.
    pub base: Option<Base>,
}

/// A layer of a [`Subject`].
#[derive(Clone, Debug)]
pub struct SubjectLayer {
    /// Its entries.
    pub index: Arc<LayerIndex>,
    /// Bytes of the blob, as it is stored and sent.
    pub blob: u64,
    /// The blob's media type.
    pub media_type: String,
    /// The step that made it, if the history tells.
    pub step: Option<String>,
}

/// The lower layers that come from another image.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Base {
    /// What that image is called.
    pub name: String,
    /// How many layers are its.
    pub layers: usize,
    /// How it was found out.
    pub known_by: BaseSource,
}

/// How a base was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseSource {
    /// A person said so.
    Told,
    /// The image names it (`org.opencontainers.image.base.name`).
    Annotation,
    /// An image in the store has the same lower layers.
    Store,
}

impl Subject {
    /// Takes the indexes of all layers out of `store`, which makes those that it does not have by
    /// reading the layers, several at a time. Bytes of blobs that are read are added to `read`, for whoever
    /// shows how far it is.
    ///
    /// # Errors
    /// The first layer that cannot be read.
    pub fn load(
        name: &str,
        image: Image,
        store: &Store,
        read: &Arc<AtomicU64>,
    ) -> Result<Self, LayerIndexError> {
        let count = image.layers.len();
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let slots: Vec<Mutex<Option<Arc<LayerIndex>>>> =
            (0..count).map(|_| Mutex::default()).collect();
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(layer) = image.layers.get(number) else {
                    return;
                };
                let counted = Counted {
                    layer: Arc::clone(layer),
                    read: Arc::clone(read),
                };
                match store.index_of(&counted) {
                    Ok(index) => *lock(&slots[number]) = Some(index),
                    Err(error) => {
                        next.store(count, Ordering::Relaxed);
                        lock(&failed).get_or_insert(error);
                    }
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        thread::scope(|scope| {
            for _ in 1..threads.min(count).min(AT_ONCE) {
                scope.spawn(work);
            }
            work();
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let indexes = slots.into_iter().map(|slot| {
            let slot = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
            slot.expect("because nothing failed")
        });
        Ok(Self::new(name, image, indexes.collect()))
    }

    /// Puts together what is known. There are as many `indexes` as layers, in their order.
    #[must_use]
    pub fn new(name: &str, image: Image, indexes: Vec<Arc<LayerIndex>>) -> Self {
        let steps = steps(&image.config);
        let blobs = image.manifest.layers.iter();
        let layers = indexes.into_iter().zip(blobs).enumerate();
        let layers = layers.map(|(number, (index, blob))| SubjectLayer {
            index,
            blob: blob.size,
            media_type: blob.media_type.clone(),
            step: steps.get(number).cloned().flatten(),
        });
        Self {
            name: name.to_owned(),
            layers: layers.collect(),
            image,
            base: None,
        }
    }

    /// The indexes, the lowest first.
    #[must_use]
    pub fn indexes(&self) -> Vec<Arc<LayerIndex>> {
        let layers = self.layers.iter();
        layers.map(|layer| Arc::clone(&layer.index)).collect()
    }

    /// How many layers are known to come from the base.
    #[must_use]
    pub fn base_layers(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.layers)
    }

    /// The content of the layers' files, read from the layers themselves.
    #[must_use]
    pub fn content(&self) -> LayerContent<'_> {
        LayerContent(&self.image.layers)
    }
}

/// A layer that tells how much of it was read.
struct Counted {
    layer: Arc<dyn Layer>,
    read: Arc<AtomicU64>,
}

impl Layer for Counted {
    fn descriptor(&self) -> &Descriptor {
        self.layer.descriptor()
    }

    fn diff_id(&self) -> &Digest {
        self.layer.diff_id()
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        let inner = self.layer.open()?;
        let read = Arc::clone(&self.read);
        Ok(Box::new(CountedRead { inner, read }))
    }
}

struct CountedRead {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for CountedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The step of each layer, in the layers' order. Nothing for all when the history does not fit the
/// layers, as it may in archives of old tools.
fn steps(config: &ImageConfig) -> Vec<Option<String>> {
    let made_layers = config.history.iter().filter(|step| !step.empty_layer);
    let steps: Vec<&History> = made_layers.collect();
    if steps.len() != config.rootfs.diff_ids.len() {
        return vec![];
    }
    let text = |step: &&History| {
        let text = step.created_by.as_deref().unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    };
    steps.iter().map(text).collect()
}

/// Files read by decoding their layer up to them: dear for many, but it needs nothing but the image.
#[derive(Clone, Copy)]
pub struct LayerContent<'a>(&'a [Arc<dyn Layer>]);

impl ContentAt for LayerContent<'_> {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        let found = self.0.iter().find(|found| found.diff_id() == layer);
        let found = found.ok_or_else(|| {
            let message = format!("{layer} is no layer of the image");
            io::Error::new(io::ErrorKind::NotFound, message)
        })?;
        let content = found.open().map_err(io::Error::other)?;
        let content = BufReader::with_capacity(256 << 10, content);
        let (_, mut plain) = decompress(content)?;
        let skipped = io::copy(&mut plain.by_ref().take(entry.offset), &mut io::sink())?;
        if skipped != entry.offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Box::new(entry.expand(plain)))
    }
}
