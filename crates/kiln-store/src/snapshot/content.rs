//! File content from a layer's tar into a new file, holes left as holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use kiln_layer::IndexEntry;

/// Runs of zeros of this length, at a multiple of it, become holes.
const HOLE: usize = 64 << 10;

/// How much is read at a time.
const CHUNK: usize = 4 * HOLE;

/// Copies the content of `indexed` out of its layer's `tar` into `file`, which is new and empty.
/// `buffer` is reused between calls.
///
/// # Errors
/// The system's; `UnexpectedEof` when the tar is too short.
pub(super) fn copy(
    tar: &File,
    indexed: &IndexEntry,
    file: &File,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    let size = indexed.size();
    let mut written_to = 0;
    if indexed.extents.is_empty() {
        copy_run(tar, indexed.offset, file, 0, size, buffer, &mut written_to)?;
    } else {
        let mut stored = indexed.offset;
        for extent in &indexed.extents {
            let run = (extent.offset, extent.len);
            copy_run(tar, stored, file, run.0, run.1, buffer, &mut written_to)?;
            stored += extent.len;
        }
    }
    if written_to < size {
        file.set_len(size)?;
    }
    Ok(())
}

/// Copies `len` bytes from `from` in `tar` to `to` in `file`.
fn copy_run(
    tar: &File,
    from: u64,
    file: &File,
    to: u64,
    len: u64,
    buffer: &mut Vec<u8>,
    written_to: &mut u64,
) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let chunk = usize::try_from(len - done).unwrap_or(CHUNK).min(CHUNK);
        if buffer.len() < chunk {
            buffer.resize(chunk, 0);
        }
        let bytes = &mut buffer[..chunk];
        tar.read_exact_at(bytes, from + done)?;
        for (number, block) in bytes.chunks(HOLE).enumerate() {
            let at = to + done + (number * HOLE) as u64;
            if block.len() == HOLE && is_zero(block) {
                continue;
            }
            file.write_all_at(block, at)?;
            *written_to = at + block.len() as u64;
        }
        done += chunk as u64;
    }
    Ok(())
}

/// Whether all bytes are zero. In pieces that the compiler turns into vector code.
fn is_zero(block: &[u8]) -> bool {
    block
        .chunks(256)
        .all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}
