//! Indexes a layer that exists.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use kiln_oci::{Digest, Hasher};

use super::LayerError;
use super::pipeline::BLOCK;
use crate::entry::{Entry, Kind};
use crate::index::{IndexEntry, KEPT_PATHS, LayerIndex, MAX_KEPT};
use crate::tar::{Dialect, Limits, TarError, TarErrorKind, TarReader};

/// Reads an uncompressed layer to its end in one pass and makes its index. `tee` gets the exact
/// bytes that were read, what pads the archive included.
///
/// # Errors
/// When the layer is damaged, hostile or truncated, or `reader` or `tee` fail.
pub fn index_tar(reader: impl Read, tee: &mut dyn Write) -> Result<LayerIndex, LayerError> {
    index_tar_as(Dialect::Layer, reader, tee, Limits::default())
}

/// The same for any archive, and with other limits. The index of an archive that is no layer has the
/// digest of the archive for diff id; its files can be found and read like those of a layer.
///
/// # Errors
/// The same.
pub fn index_tar_as(
    dialect: Dialect,
    reader: impl Read,
    tee: &mut dyn Write,
    limits: Limits,
) -> Result<LayerIndex, LayerError> {
    let (full, arriving) = sync_channel::<Vec<u8>>(2);
    let (returning, empty) = sync_channel::<Vec<u8>>(4);
    std::thread::scope(|scope| {
        let hashing = scope.spawn(move || hash(&arriving, &returning));
        let mut tapped = Tapped {
            reader,
            tee,
            tee_error: None,
            size: 0,
            block: Vec::with_capacity(BLOCK),
            full,
            empty,
        };
        let entries = read_entries(&mut tapped, dialect, limits);
        let Tapped {
            block,
            full,
            size,
            tee_error,
            ..
        } = tapped;
        full.send(block).expect("because the thread ends after us");
        drop(full);
        // Before any error, too: a thread that is still ending looks like a leak.
        let diff_id = hashing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Some(source) = tee_error {
            return Err(LayerError::Output { source });
        }
        Ok(LayerIndex {
            diff_id,
            size,
            entries: entries?,
        })
    })
}

fn hash(arriving: &Receiver<Vec<u8>>, returning: &SyncSender<Vec<u8>>) -> Digest {
    let mut hasher = Hasher::sha256();
    for block in arriving {
        hasher.update(&block);
        // The other side may be done and gone.
        let _ = returning.try_send(block);
    }
    hasher.finish()
}

fn read_entries(
    input: impl Read,
    dialect: Dialect,
    limits: Limits,
) -> Result<Vec<IndexEntry>, LayerError> {
    let mut tar = TarReader::with_limits(input, dialect, limits);
    let mut entries = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    while let Some(entry) = tar.next_entry()? {
        let offset = tar.offset();
        let extents = tar.extents().to_vec();
        let (content, kept) = match entry.kind {
            Kind::File { size } => {
                let (digest, kept) = digest(&mut tar, &entry, size, &mut buffer)?;
                (Some(digest), kept)
            }
            _ => (None, None),
        };
        entries.push(IndexEntry {
            entry,
            content,
            offset,
            extents,
            kept,
        });
    }
    tar.drain()?;
    Ok(entries)
}

fn digest<R: Read>(
    tar: &mut TarReader<R>,
    entry: &Entry,
    size: u64,
    buffer: &mut [u8],
) -> Result<(Digest, Option<Vec<u8>>), LayerError> {
    let keep = size <= MAX_KEPT && KEPT_PATHS.contains(&&entry.path[..]);
    let mut kept = keep.then(Vec::new);
    let mut hasher = Hasher::sha256();
    loop {
        let read = match tar.read(buffer) {
            Ok(0) => return Ok((hasher.finish(), kept)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unwrapped(tar.offset(), entry, error).into()),
        };
        hasher.update(&buffer[..read]);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&buffer[..read]);
        }
    }
}

/// The tar error that [`TarReader`]'s `Read` had to wrap.
fn unwrapped(offset: u64, entry: &Entry, error: io::Error) -> TarError {
    match error.downcast::<TarError>() {
        Ok(error) => error,
        Err(error) => TarError::new(offset, Some(&entry.path), TarErrorKind::Io(error)),
    }
}

/// A reader whose bytes also go to the tee and to the hashing thread.
struct Tapped<'a, R> {
    reader: R,
    tee: &'a mut dyn Write,
    tee_error: Option<io::Error>,
    size: u64,
    block: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
}

impl<R: Read> Read for &mut Tapped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let bytes = &buffer[..read];
        if let Err(error) = self.tee.write_all(bytes) {
            let kind = error.kind();
            self.tee_error = Some(error);
            return Err(kind.into());
        }
        self.size += read as u64;
        if self.block.len() + read > BLOCK {
            let mut next = self
                .empty
                .try_recv()
                .unwrap_or_else(|_| Vec::with_capacity(BLOCK));
            next.clear();
            let block = std::mem::replace(&mut self.block, next);
            self.full
                .send(block)
                .expect("because the thread ends after us");
        }
        self.block.extend_from_slice(bytes);
        Ok(read)
    }
}
