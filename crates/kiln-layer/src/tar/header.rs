//! The 512-byte header block: where its fields are, and how numbers and names stand in them.

use super::BLOCK;
use super::error::TarErrorKind;

/// A header block.
pub(super) type Block = [u8; BLOCK];

/// A field: its first byte and its length.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) name: &'static str,
}

const fn field(start: usize, len: usize, name: &'static str) -> Field {
    Field { start, len, name }
}

pub(super) const NAME: Field = field(0, 100, "name");
pub(super) const MODE: Field = field(100, 8, "mode");
pub(super) const UID: Field = field(108, 8, "uid");
pub(super) const GID: Field = field(116, 8, "gid");
pub(super) const SIZE: Field = field(124, 12, "size");
pub(super) const MTIME: Field = field(136, 12, "mtime");
pub(super) const CHECKSUM: Field = field(148, 8, "checksum");
pub(super) const TYPE: usize = 156;
pub(super) const LINK: Field = field(157, 100, "link name");
pub(super) const MAGIC: Field = field(257, 8, "magic");
pub(super) const DEV_MAJOR: Field = field(329, 8, "device major");
pub(super) const DEV_MINOR: Field = field(337, 8, "device minor");
pub(super) const PREFIX: Field = field(345, 155, "prefix");

/// `ustar`, NUL, version `00`.
pub(super) const POSIX_MAGIC: &[u8; 8] = b"ustar\x0000";
/// What GNU tar writes in its own format, magic and version in one.
pub(super) const GNU_MAGIC: &[u8; 8] = b"ustar  \0";

/// Which of the header's descendants a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// No magic: Unix version 7.
    V7,
    /// POSIX, with a name prefix of up to 155 bytes.
    Posix,
    /// Schily's star, whose prefix is 131 bytes.
    Star,
    /// GNU's own.
    Gnu,
}

pub(super) fn format(block: &Block) -> Format {
    let magic = bytes(block, MAGIC);
    if magic == GNU_MAGIC {
        Format::Gnu
    } else if magic[..6] == POSIX_MAGIC[..6] {
        if block[508..] == *b"tar\0" {
            Format::Star
        } else {
            Format::Posix
        }
    } else {
        Format::V7
    }
}

/// The raw bytes of a field.
pub(super) fn bytes(block: &Block, field: Field) -> &[u8] {
    &block[field.start..field.start + field.len]
}

/// A name field: up to its first NUL.
pub(super) fn text(block: &Block, field: Field) -> &[u8] {
    until_nul(bytes(block, field))
}

pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}

/// A number field. Octal digits, or GNU's base-256 when the top bit of the first byte is set.
pub(super) fn number(block: &Block, field: Field) -> Result<i64, TarErrorKind> {
    parse_number(bytes(block, field)).ok_or(TarErrorKind::Number { field: field.name })
}

/// The same where negative numbers make no sense.
pub(super) fn unsigned(block: &Block, field: Field) -> Result<u64, TarErrorKind> {
    let number = number(block, field)?;
    u64::try_from(number).map_err(|_| TarErrorKind::Number { field: field.name })
}

/// The same for 32-bit fields.
pub(super) fn unsigned32(block: &Block, field: Field) -> Result<u32, TarErrorKind> {
    let number = number(block, field)?;
    u32::try_from(number).map_err(|_| TarErrorKind::Number { field: field.name })
}

pub(super) fn parse_number(raw: &[u8]) -> Option<i64> {
    match raw.first() {
        Some(first) if first & 0x80 != 0 => parse_base256(raw),
        _ => parse_octal(raw),
    }
}

/// Two's complement, big endian, without the marker bit.
fn parse_base256(raw: &[u8]) -> Option<i64> {
    let negative = raw[0] & 0x40 != 0;
    let first = if negative { raw[0] } else { raw[0] & 0x7f };
    let mut value: i128 = if negative { -1 } else { 0 };
    for byte in std::iter::once(first).chain(raw[1..].iter().copied()) {
        value = value << 8 | i128::from(byte);
        if value > i128::from(i64::MAX) || value < i128::from(i64::MIN) {
            return None;
        }
    }
    i64::try_from(value).ok()
}

/// Octal digits between spaces and NULs. An empty field is zero, as old writers leave it.
fn parse_octal(raw: &[u8]) -> Option<i64> {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let begin = raw.iter().position(|byte| !is_blank(byte));
    let Some(begin) = begin else { return Some(0) };
    let digits = &raw[begin..];
    let end = digits.iter().position(is_blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(is_blank) {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Whether the checksum is right, counted with unsigned bytes as POSIX says or with signed ones as
/// some old systems did.
pub(super) fn checksum_matches(block: &Block) -> bool {
    let Some(stored) = parse_octal(bytes(block, CHECKSUM)) else {
        return false;
    };
    let (unsigned, signed) = sums(block);
    stored == unsigned || stored == signed
}

/// The sums of all bytes, those of the checksum field taken as spaces.
fn sums(block: &Block) -> (i64, i64) {
    let field = CHECKSUM.start..CHECKSUM.start + CHECKSUM.len;
    let (mut unsigned, mut signed) = (0_u32, 0_i32);
    for byte in block {
        unsigned += u32::from(*byte);
        signed += i32::from(byte.cast_signed());
    }
    for byte in &block[field] {
        unsigned -= u32::from(*byte);
        signed -= i32::from(byte.cast_signed());
    }
    (i64::from(unsigned) + 8 * 32, i64::from(signed) + 8 * 32)
}

/// Whether `value` fits into an octal field of `len` bytes, the last of which is a NUL.
pub(super) fn fits_octal(value: i64, len: usize) -> bool {
    value >= 0 && value < 1_i64 << (3 * (len - 1))
}

/// Writes a number as octal digits with leading zeros and a NUL; zero if it does not fit, because
/// then an extended header says it.
pub(super) fn put_octal(block: &mut Block, field: Field, value: i64) {
    let mut rest = if fits_octal(value, field.len) {
        value
    } else {
        0
    };
    let digits = &mut block[field.start..field.start + field.len - 1];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    block[field.start + field.len - 1] = 0;
}

/// Writes a name. What does not fit is cut off, because then an extended header says it; a cut
/// right after a slash would turn a file into a directory for old readers, so the slash goes too.
pub(super) fn put_text(block: &mut Block, field: Field, text: &[u8]) {
    let fitting = &text[..text.len().min(field.len)];
    block[field.start..field.start + fitting.len()].copy_from_slice(fitting);
    if text.len() > field.len && fitting.ends_with(b"/") {
        let kept = fitting.iter().rposition(|byte| *byte != b'/');
        block[field.start + kept.map_or(0, |last| last + 1)] = 0;
    }
}

/// Sets magic and checksum, which completes a header.
pub(super) fn seal(block: &mut Block) {
    block[MAGIC.start..MAGIC.start + MAGIC.len].copy_from_slice(POSIX_MAGIC);
    let (sum, _) = sums(block);
    // Six digits, a NUL and a space, as every writer since version 7 does.
    let digits = Field { len: 7, ..CHECKSUM };
    put_octal(block, digits, sum);
    block[CHECKSUM.start + 7] = b' ';
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_are_read_as_old_writers_left_them() {
        for (raw, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777", Some(0o77_777_777)),
            (b"00006448", None),
            (b"644 644\0", None),
            (b"-1\0\0\0\0\0\0", None),
        ] {
            assert_eq!(parse_number(raw), value, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn base_256_holds_big_and_negative_numbers() {
        assert_eq!(parse_number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        assert_eq!(parse_number(&[0xff; 12]), Some(-1));
        assert_eq!(
            parse_number(b"\xff\xff\xff\xff\xff\xff\xff\x00"),
            Some(-256)
        );
        let huge = [0xbf; 12];
        assert_eq!(parse_number(&huge), None, "more than 63 bits");
        assert_eq!(parse_number(b"\xc0\0\0\0\0\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn numbers_that_do_not_fit_are_written_as_zero() {
        let mut block = [0; BLOCK];
        put_octal(&mut block, UID, 0o7_777_777);
        assert_eq!(bytes(&block, UID), b"7777777\0");
        put_octal(&mut block, UID, 0o10_000_000);
        assert_eq!(bytes(&block, UID), b"0000000\0");
        put_octal(&mut block, MTIME, -1);
        assert_eq!(bytes(&block, MTIME), b"00000000000\0");
    }

    #[test]
    fn a_sealed_block_has_a_right_checksum_and_any_change_spoils_it() {
        let mut block = [0; BLOCK];
        put_text(&mut block, NAME, b"a/b");
        seal(&mut block);
        assert!(checksum_matches(&block));
        assert_eq!(format(&block), Format::Posix);
        block[1] ^= 1;
        assert!(!checksum_matches(&block));
    }
}
