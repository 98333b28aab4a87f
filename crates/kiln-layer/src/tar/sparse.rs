//! Files with holes: where their data lies, and readers that fill the holes with zeros.
//!
//! Source: the GNU tar manual, "Storing Sparse Files" (old GNU and PAX formats 0.0, 0.1 and 1.0).
//! All of them store the pieces of data one after the other; only the map is written differently.

use std::io::{self, Read};

use super::error::TarErrorKind;

/// A piece of a file that is stored; what lies between the pieces is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// Checks that the extents are in order, do not overlap, lie within the file and are as long
/// together as what is stored. Gives those that are not empty.
pub(crate) fn check_map(
    map: Vec<Extent>,
    size: u64,
    stored: u64,
) -> Result<Vec<Extent>, TarErrorKind> {
    let (mut end, mut sum) = (0, 0);
    for extent in &map {
        if extent.offset < end {
            return Err(TarErrorKind::Sparse("pieces overlap or are out of order"));
        }
        end = extent
            .offset
            .checked_add(extent.len)
            .filter(|end| *end <= size)
            .ok_or(TarErrorKind::Sparse("a piece lies beyond the end"))?;
        sum += extent.len;
    }
    if sum != stored {
        return Err(TarErrorKind::Sparse(
            "the pieces are not as long as the data",
        ));
    }
    Ok(map.into_iter().filter(|extent| extent.len > 0).collect())
}

/// Where a reader of an expanded file stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expansion {
    extents: Vec<Extent>,
    next: usize,
    position: u64,
    size: u64,
}

/// What comes next in an expanded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This many stored bytes.
    Data(u64),
    /// This many zeros.
    Hole(u64),
    /// Nothing.
    End,
}

impl Expansion {
    /// A file of `size` bytes of which `extents` are stored; they were checked.
    pub(crate) fn new(extents: Vec<Extent>, size: u64) -> Self {
        Self {
            extents,
            next: 0,
            position: 0,
            size,
        }
    }

    pub(crate) fn dense(size: u64) -> Self {
        let whole = Extent {
            offset: 0,
            len: size,
        };
        Self::new(Vec::from_iter((size > 0).then_some(whole)), size)
    }

    pub(crate) fn step(&self) -> Step {
        match self.extents.get(self.next) {
            Some(extent) if self.position < extent.offset => {
                Step::Hole(extent.offset - self.position)
            }
            Some(extent) => Step::Data(extent.offset + extent.len - self.position),
            None if self.position < self.size => Step::Hole(self.size - self.position),
            None => Step::End,
        }
    }

    pub(crate) fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        if let Some(extent) = self.extents.get(self.next)
            && self.position >= extent.offset + extent.len
        {
            self.next += 1;
        }
    }

    /// Reads on, taking stored bytes from `stored`, which is at its end too early when it gives
    /// none.
    pub(crate) fn read(&mut self, stored: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        let fitting = |len: u64| usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
        let read = match self.step() {
            _ if buffer.is_empty() => 0,
            Step::End => 0,
            Step::Hole(len) => {
                let len = fitting(len);
                buffer[..len].fill(0);
                len
            }
            Step::Data(len) => {
                let len = fitting(len);
                let read = stored.read(&mut buffer[..len])?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                read
            }
        };
        self.advance(read as u64);
        Ok(read)
    }
}

/// Gives a file's bytes, holes filled, from its stored ones.
#[derive(Debug)]
pub struct Expanded<R> {
    stored: R,
    expansion: Expansion,
}

impl<R: Read> Expanded<R> {
    pub(crate) fn new(stored: R, expansion: Expansion) -> Self {
        Self { stored, expansion }
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.expansion.read(&mut self.stored, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(pairs: &[(u64, u64)]) -> Vec<Extent> {
        pairs
            .iter()
            .map(|&(offset, len)| Extent { offset, len })
            .collect()
    }

    #[test]
    fn holes_become_zeros() {
        let map = check_map(extents(&[(2, 3), (7, 1), (10, 0)]), 10, 4).unwrap();
        let mut all = Vec::new();
        Expanded::new(&b"abcd"[..], Expansion::new(map, 10))
            .read_to_end(&mut all)
            .unwrap();
        assert_eq!(all, b"\0\0abc\0\0d\0\0");
    }

    #[test]
    fn a_file_may_be_one_hole() {
        let mut all = Vec::new();
        let expansion = Expansion::new(Vec::new(), 5);
        Expanded::new(io::empty(), expansion)
            .read_to_end(&mut all)
            .unwrap();
        assert_eq!(all, [0; 5]);
    }

    #[test]
    fn too_little_data_is_an_error() {
        let result = Expanded::new(&b"ab"[..], Expansion::dense(3)).read_to_end(&mut Vec::new());
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn maps_that_do_not_fit_are_refused() {
        for (map, size, stored) in [
            (&[(4, 2), (0, 2)][..], 10, 4),
            (&[(0, 4), (3, 2)], 10, 6),
            (&[(9, 2)], 10, 2),
            (&[(u64::MAX, 2)], u64::MAX, 2),
            (&[(0, 2)], 10, 3),
        ] {
            assert!(check_map(extents(map), size, stored).is_err(), "{map:?}");
        }
    }
}
