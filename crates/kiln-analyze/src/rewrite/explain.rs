//! What each compression would make of an image, measured on that very image.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use kiln_layer::compression::ZSTD_MAX_WINDOW_LOG;
use kiln_layer::{Compression, compressor, decompress};
use kiln_oci::Image;

use super::{RewriteError, Rewriter};

/// How an image could be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The codec with its level and window.
    pub compression: Compression,
    /// Whether it is measured only when all are asked for, because it takes long.
    pub is_slow: bool,
}

/// What one compression makes of the layers of an image.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The compression.
    pub compression: Compression,
    /// Bytes of all layers, compressed.
    pub bytes: u64,
    /// How long compressing took, on the threads that were given.
    pub compressing: Duration,
    /// How long decompressing took, on one thread. Every puller pays this.
    pub decompressing: Duration,
}

impl Candidate {
    /// What is worth a try, the fastest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let gzip = |level| Compression::Gzip { level };
        let wide = |level| Compression::Zstd {
            level,
            window_log: ZSTD_MAX_WINDOW_LOG,
        };
        let fast = [
            gzip(1),
            gzip(6),
            Compression::zstd(3),
            Compression::default(),
            wide(6),
            wide(9),
        ];
        let slow = [gzip(9), wide(12), wide(19)];
        let candidate = |is_slow| {
            move |compression| Self {
                compression,
                is_slow,
            }
        };
        let fast = fast.into_iter().map(candidate(false));
        fast.chain(slow.into_iter().map(candidate(true))).collect()
    }
}

impl Rewriter<'_> {
    /// Compresses every layer of `image` and decompresses it again, and says what came of it. Times hold
    /// for this machine as loaded as it is; sizes hold anywhere. A scratch file takes one compressed layer
    /// at a time.
    ///
    /// # Errors
    /// If a layer cannot be read or compressed.
    pub fn explain(
        &self,
        image: &Image,
        compression: Compression,
        threads: usize,
    ) -> Result<Measured, RewriteError> {
        let mut measured = Measured {
            compression,
            bytes: 0,
            compressing: Duration::ZERO,
            decompressing: Duration::ZERO,
        };
        for diff_id in &image.config.rootfs.diff_ids {
            let failed = |source| RewriteError::Recompress {
                diff_id: *diff_id,
                source,
            };
            // Sees to it that it is there uncompressed, and under its name.
            self.store.layer_tar(diff_id)?;
            self.store.sync_all()?;
            let mut tar = std::fs::File::open(self.store.blob_path(diff_id)).map_err(failed)?;
            let scratch = self.lease.scratch_path()?;
            let out = std::fs::File::create_new(&scratch).map_err(failed)?;
            let begin = Instant::now();
            let mut out = compressor(out, &compression, threads).map_err(failed)?;
            let mut buffer = vec![0; 1 << 20];
            let mut position = 0;
            loop {
                self.check()?;
                let read = tar.read(&mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                out.write_all(&buffer[..read]).map_err(failed)?;
                position += read as u64;
            }
            let written = out.finish().map_err(failed)?;
            measured.compressing += begin.elapsed();
            measured.bytes += written.metadata().map_err(failed)?.len();
            drop(written);
            let begin = Instant::now();
            let file = std::fs::File::open(&scratch).map_err(failed)?;
            let (_, mut plain) = decompress(file).map_err(failed)?;
            let mut seen = 0;
            loop {
                self.check()?;
                let read = plain.read(&mut buffer).map_err(failed)?;
                if read == 0 {
                    break;
                }
                seen += read as u64;
            }
            measured.decompressing += begin.elapsed();
            std::fs::remove_file(&scratch).map_err(failed)?;
            if seen != position {
                let wrong = io::Error::other("it came back with another length");
                return Err(failed(wrong));
            }
        }
        Ok(measured)
    }
}
