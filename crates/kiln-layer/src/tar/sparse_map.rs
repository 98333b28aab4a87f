//! The maps of sparse files, in the four forms that GNU tar has written them.
//!
//! Source: the GNU tar manual, "Storing Sparse Files" and "Basic Tar Format" (`struct sparse_header`).

use std::io::Read;

use super::BLOCK;
use super::error::{TarError, TarErrorKind};
use super::extended::PaxSparse;
use super::header::{self, Block};
use super::input::Counted;
use super::pax;
use super::read::MAX_EXTENDED_HEADER;
use super::sparse::Extent;

/// Where the data of a sparse file belongs.
pub(super) struct Map {
    /// The pieces, not yet checked.
    pub(super) extents: Vec<Extent>,
    /// The file's size, holes included.
    pub(super) size: u64,
    /// Bytes of the entry's data that the map itself took.
    pub(super) taken: u64,
}

impl Map {
    fn new(numbers: &[u64], size: u64, taken: u64) -> Result<Self, TarErrorKind> {
        Ok(Self {
            extents: extents_of(numbers)?,
            size,
            taken,
        })
    }
}

/// The map of a sparse file in one of the PAX formats. In format 1.0 it stands before the data, of
/// which there are `stored` bytes with it.
pub(super) fn pax_map<R: Read>(
    input: &mut Counted<R>,
    sparse: &PaxSparse,
    stored: u64,
) -> Result<Map, TarError> {
    let begin = input.position;
    let place = |kind| TarError::new(begin, None, kind);
    let size = sparse
        .size
        .ok_or_else(|| place(TarErrorKind::Sparse("it has no size")))?;
    if sparse.major == 0 {
        return Map::new(&sparse.numbers, size, 0).map_err(place);
    }
    let mut lines = MapLines::default();
    let mut numbers = Vec::new();
    let mut wanted = None;
    let mut taken = 0;
    while wanted != Some(numbers.len() as u64) {
        let Some(number) = lines.next_number().map_err(place)? else {
            taken += BLOCK as u64;
            let too_long = numbers.len() * 8 > MAX_EXTENDED_HEADER;
            if taken > stored || too_long {
                return Err(place(TarErrorKind::Sparse("it has no end")));
            }
            let block = input.block()?;
            let block = block.ok_or_else(|| input.truncated())?;
            lines.feed(&block);
            continue;
        };
        match wanted {
            None => wanted = Some(number.saturating_mul(2)),
            Some(_) => numbers.push(number),
        }
    }
    Map::new(&numbers, size, taken).map_err(place)
}

/// The map of a sparse file in GNU's first format: four pieces in the header, then blocks of 21
/// while a flag says so. `block` is the header, read at `begin`.
pub(super) fn old_gnu_map<R: Read>(
    input: &mut Counted<R>,
    begin: u64,
    block: &Block,
) -> Result<Map, TarError> {
    let place = |kind| TarError::new(begin, None, kind);
    let absurd = TarErrorKind::Sparse("its size is not a number");
    let size = header::parse_number(&block[483..495]);
    let size = size.and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| place(absurd))?;
    let mut numbers = Vec::new();
    let mut more = block[482] != 0;
    take_pieces(&block[386..482], &mut numbers).map_err(place)?;
    while more {
        if numbers.len() * 8 > MAX_EXTENDED_HEADER {
            return Err(place(TarErrorKind::Sparse("it has no end")));
        }
        let block = input.block()?;
        let block = block.ok_or_else(|| input.truncated())?;
        more = block[504] != 0;
        take_pieces(&block[..504], &mut numbers).map_err(place)?;
    }
    Map::new(&numbers, size, 0).map_err(place)
}

fn extents_of(numbers: &[u64]) -> Result<Vec<Extent>, TarErrorKind> {
    let pairs = numbers.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(TarErrorKind::Sparse("its numbers are not in pairs"));
    }
    Ok(pairs
        .map(|pair| Extent {
            offset: pair[0],
            len: pair[1],
        })
        .collect())
}

/// The pieces of an old GNU map: offset and length of 12 bytes each, ended by an empty one.
fn take_pieces(raw: &[u8], numbers: &mut Vec<u64>) -> Result<(), TarErrorKind> {
    for piece in raw.chunks_exact(24) {
        if piece[0] == 0 || piece[12] == 0 {
            break;
        }
        for number in [&piece[..12], &piece[12..]] {
            let number = header::parse_number(number).and_then(|number| u64::try_from(number).ok());
            numbers.push(number.ok_or(TarErrorKind::Sparse("a piece is not a number"))?);
        }
    }
    Ok(())
}

/// The lines of a PAX 1.0 map, fed block by block.
#[derive(Default)]
struct MapLines {
    pending: Vec<u8>,
    begin: usize,
}

impl MapLines {
    fn feed(&mut self, block: &Block) {
        self.pending.drain(..self.begin);
        self.begin = 0;
        self.pending.extend_from_slice(block);
    }

    fn next_number(&mut self) -> Result<Option<u64>, TarErrorKind> {
        let rest = &self.pending[self.begin..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            if rest.len() > 20 {
                return Err(TarErrorKind::Sparse("its map has an endless line"));
            }
            return Ok(None);
        };
        let number = pax::parse_decimal(&rest[..end]);
        self.begin += end + 1;
        number
            .map(Some)
            .ok_or(TarErrorKind::Sparse("its map has a bad number"))
    }
}
