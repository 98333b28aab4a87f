//! Memory for blocks on their way out, used again and again.
//!
//! A block is larger than what an allocator keeps at hand: each would be mapped, faulted in page by
//! page, and given back, which costs more than the read that fills it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::READ_BLOCK;

/// The most blocks that wait for their next use: 4 MiB.
const KEPT: usize = 16;

/// Where blocks come from and return to. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Blocks {
    /// A block with anything in it.
    pub(super) fn take(&self) -> Block {
        let kept = self.free().pop();
        Block {
            memory: kept.unwrap_or_else(|| vec![0; READ_BLOCK].into()),
            filled: 0,
            home: self.clone(),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        // The list is whole, whatever panicked while it was locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer of [`READ_BLOCK`] bytes.
pub(super) struct Block {
    memory: Box<[u8]>,
    filled: usize,
    home: Blocks,
}

impl Block {
    pub(super) fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Its first `filled` bytes, without a copy. The block returns when nobody holds them.
    pub(super) fn into_bytes(mut self, filled: usize) -> Bytes {
        self.filled = filled;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.filled]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut free = self.home.free();
        if free.len() < KEPT {
            free.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_as_they_were_while_they_are_held() {
        let blocks = Blocks::default();
        let mut block = blocks.take();
        block.memory()[..3].copy_from_slice(b"abc");
        let held = block.into_bytes(3);
        let mut other = blocks.take();
        other.memory().fill(0);
        assert_eq!(&held[..], b"abc");
    }

    #[test]
    fn a_block_is_used_again_and_only_so_many_are_kept() {
        let blocks = Blocks::default();
        let many: Vec<_> = (0..2 * KEPT).map(|_| blocks.take().into_bytes(1)).collect();
        assert_eq!(blocks.free().len(), 0);
        drop(many);
        assert_eq!(blocks.free().len(), KEPT);
        let again = blocks.take();
        assert_eq!(blocks.free().len(), KEPT - 1);
        drop(again);
    }
}
