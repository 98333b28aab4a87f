//! Layers on their way out and in: compressors whose output never depends on the number of threads,
//! and decoders for whatever comes.
//!
//! Sources: RFC 1952 (gzip), RFC 8878 (zstd), the `.xz` file format 1.2, bzip2's manual; media types
//! from the OCI image specification, "layer.md".

mod decoder;
mod gzip;

use std::fmt;
use std::io::{self, Write};

use kiln_oci::media_type;
use zstd::stream::write::Encoder as ZstdEncoder;

pub use decoder::{Encoding, decompress, sniff};
use gzip::GzipEncoder;

/// The default level of gzip.
pub const GZIP_LEVEL: u32 = 6;
/// The default level of zstd.
pub const ZSTD_LEVEL: i32 = 6;
/// The default window of zstd as a power of two: 64 MiB, which readers must hold in memory.
pub const ZSTD_WINDOW_LOG: u32 = 26;
/// The largest window that readers accept without being asked to.
pub const ZSTD_MAX_WINDOW_LOG: u32 = 27;

/// How a layer is compressed.
///
/// Its text form ([`Display`](fmt::Display)) names everything that decides the bytes, so it can be
/// part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which every client reads.
    Gzip {
        /// 0 (stored) to 9 (smallest).
        level: u32,
    },
    /// zstd: smaller and faster than gzip. Docker before 23 and other old clients cannot read it.
    Zstd {
        /// 1 (fastest) to 22 (smallest).
        level: i32,
        /// Window as a power of two, 10 to 27.
        window_log: u32,
    },
}

/// A compression that does not exist or is not offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCompression {
    /// An unknown name.
    #[error("unknown compression `{name}`: expected `zstd`, `gzip` or `none`")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// A known one that kiln cannot write.
    #[error("compression `{name}` cannot be written by this version: use `zstd`, `gzip` or `none`")]
    Unsupported {
        /// What was given.
        name: String,
    },
    /// A level out of range.
    #[error("{name} has levels {least} to {most}, not {level}")]
    Level {
        /// The compression.
        name: &'static str,
        /// What was given.
        level: i32,
        /// The lowest level.
        least: i32,
        /// The highest level.
        most: i32,
    },
    /// A level for what has none.
    #[error("`none` takes no level")]
    NoLevel,
}

impl Default for Compression {
    /// zstd at its default level.
    fn default() -> Self {
        Self::zstd(ZSTD_LEVEL)
    }
}

impl Compression {
    /// zstd with the default window. The level must be from 1 to 22.
    #[must_use]
    pub fn zstd(level: i32) -> Self {
        Self::Zstd {
            level,
            window_log: ZSTD_WINDOW_LOG,
        }
    }

    /// From what a user gives: `zstd`, `gzip`, or `none`, also spelt `uncompressed`; and a level.
    ///
    /// # Errors
    /// When the name is unknown or the level out of range.
    pub fn parse(name: &str, level: Option<i32>) -> Result<Self, InvalidCompression> {
        match name {
            "none" | "uncompressed" if level.is_some() => Err(InvalidCompression::NoLevel),
            "none" | "uncompressed" => Ok(Self::None),
            "gzip" => {
                let level = in_range("gzip", level.unwrap_or(GZIP_LEVEL as i32), 0, 9)?;
                Ok(Self::Gzip {
                    level: level.unsigned_abs(),
                })
            }
            "zstd" => in_range("zstd", level.unwrap_or(ZSTD_LEVEL), 1, 22).map(Self::zstd),
            "estargz" | "zstd:chunked" => Err(InvalidCompression::Unsupported {
                name: name.to_owned(),
            }),
            _ => Err(InvalidCompression::Unknown {
                name: name.to_owned(),
            }),
        }
    }

    /// The OCI media type of a layer that is compressed so.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::None => media_type::OCI_LAYER_TAR,
            Self::Gzip { .. } => media_type::OCI_LAYER_GZIP,
            Self::Zstd { .. } => media_type::OCI_LAYER_ZSTD,
        }
    }
}

fn in_range(
    name: &'static str,
    level: i32,
    least: i32,
    most: i32,
) -> Result<i32, InvalidCompression> {
    if (least..=most).contains(&level) {
        return Ok(level);
    }
    Err(InvalidCompression::Level {
        name,
        level,
        least,
        most,
    })
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip { level } => write!(f, "gzip-{level}"),
            Self::Zstd { level, window_log } => write!(f, "zstd-{level}-w{window_log}"),
        }
    }
}

/// Compresses what is written to it.
///
/// It must be [finished](Self::finish); dropped before that, it leaves a stream without an end.
pub struct Compressor<W: Write>(State<W>);

enum State<W: Write> {
    Plain(W),
    Gzip(Box<GzipEncoder<W>>),
    Zstd(ZstdEncoder<'static, W>),
}

/// A compressor that writes to `out`, using up to `threads` threads besides the caller's (with 0 or
/// 1, gzip works on the caller's). The bytes depend on nothing but the input and `compression`.
///
/// # Errors
/// When the parameters are out of range or there is no memory for the compressor.
pub fn compressor<W: Write>(
    out: W,
    compression: &Compression,
    threads: usize,
) -> io::Result<Compressor<W>> {
    Ok(Compressor(match *compression {
        Compression::None => State::Plain(out),
        Compression::Gzip { level } => {
            State::Gzip(Box::new(GzipEncoder::new(out, level, threads)?))
        }
        Compression::Zstd { level, window_log } => {
            State::Zstd(zstd_encoder(out, level, window_log, threads)?)
        }
    }))
}

/// At least one worker even for one thread: libzstd cuts its input into jobs only then, and jobs are
/// part of what decides the bytes. For the same reason the size of the content is not in the frame:
/// whoever streams does not know it.
fn zstd_encoder<W: Write>(
    out: W,
    level: i32,
    window_log: u32,
    threads: usize,
) -> io::Result<ZstdEncoder<'static, W>> {
    let workers = u32::try_from(threads.clamp(1, 64)).unwrap_or(1);
    let mut encoder = ZstdEncoder::new(out, level)?;
    encoder.include_contentsize(false)?;
    encoder.include_checksum(true)?;
    encoder.long_distance_matching(true)?;
    encoder.window_log(window_log)?;
    encoder.multithread(workers)?;
    Ok(encoder)
}

impl<W: Write> Compressor<W> {
    /// Writes the stream's end and gives `out` back, flushed.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn finish(self) -> io::Result<W> {
        let mut out = match self.0 {
            State::Plain(out) => out,
            State::Gzip(encoder) => encoder.finish()?,
            State::Zstd(encoder) => encoder.finish()?,
        };
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            State::Plain(out) => out.write(bytes),
            State::Gzip(encoder) => encoder.write(bytes),
            State::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Does nothing to the compressed streams: a flush in the middle would change their bytes.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            State::Plain(out) => out.flush(),
            State::Gzip(_) | State::Zstd(_) => Ok(()),
        }
    }
}

impl<W: Write> fmt::Debug for Compressor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Plain(_) => "Compressor(none)",
            State::Gzip(_) => "Compressor(gzip)",
            State::Zstd(_) => "Compressor(zstd)",
        })
    }
}
