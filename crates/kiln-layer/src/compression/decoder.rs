//! Decoding by what the bytes are, whatever a name or media type says.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read};

use bzip2::read::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use super::ZSTD_MAX_WINDOW_LOG;

/// Bytes of a stream that [`sniff`] wants to see.
const SNIFFED: usize = 6;

const BUFFER: usize = 128 << 10;

/// Memory that an xz stream may ask for. The format allows 4 GiB; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not, as far as can be seen.
    Plain,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// zstd.
    Zstd,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "uncompressed",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// Recognizes a stream by its first bytes; six are enough.
#[must_use]
pub fn sniff(begin: &[u8]) -> Encoding {
    match begin {
        [0x1f, 0x8b, 8, ..] => Encoding::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Encoding::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Encoding::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Encoding::Zstd,
        // A skippable frame: some writers begin with one.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Encoding::Zstd,
        _ => Encoding::Plain,
    }
}

/// Decodes `reader`, whatever it is compressed with; what is not recognized comes out as it is.
/// Streams that were put behind one another (gzip members, zstd frames, xz streams) count as one.
/// A stream that is cut off ends in an error.
///
/// # Errors
/// When the first bytes cannot be read or a decoder has no memory.
pub fn decompress<R>(mut reader: R) -> io::Result<(Encoding, Box<dyn Read + Send>)>
where
    R: Read + Send + 'static,
{
    let mut begin = Vec::with_capacity(SNIFFED);
    reader
        .by_ref()
        .take(SNIFFED as u64)
        .read_to_end(&mut begin)?;
    let encoding = sniff(&begin);
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(begin).chain(reader));
    let decoded: Box<dyn Read + Send> = match encoding {
        Encoding::Plain => Box::new(whole),
        Encoding::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Encoding::Bzip2 => Box::new(MultiBzDecoder::new(whole)),
        Encoding::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(whole, stream))
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
            decoder.window_log_max(ZSTD_MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((encoding, decoded))
}
