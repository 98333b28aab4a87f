//! Compressors and decoders, against each other.

use std::io::{self, Read, Write};

use kiln_layer::compression::InvalidCompression;
use kiln_layer::{Compression, Encoding, compressor, decompress, sniff};
use proptest::prelude::*;

const GZIP: Compression = Compression::Gzip { level: 6 };

/// Text-like bytes that compress, of any length and always the same.
pub(crate) fn sample(len: usize) -> Vec<u8> {
    let words = [
        &b"layer "[..],
        b"manifest ",
        b"digest ",
        b"\n",
        b"0123456789abcdef",
    ];
    let mut state = 1_u32;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend_from_slice(words[(state >> 28) as usize % words.len()]);
        bytes.push((state >> 16) as u8 & 0x3f);
    }
    bytes.truncate(len);
    bytes
}

/// Compressed in writes of `step` bytes, or in one.
pub(crate) fn compressed(
    bytes: &[u8],
    how: Compression,
    threads: usize,
    step: Option<usize>,
) -> Vec<u8> {
    let mut out = compressor(Vec::new(), &how, threads).unwrap();
    for part in bytes.chunks(step.unwrap_or(bytes.len().max(1))) {
        out.write_all(part).unwrap();
        out.flush().unwrap();
    }
    out.finish().unwrap()
}

pub(crate) fn decoded(bytes: &[u8]) -> io::Result<(Encoding, Vec<u8>)> {
    let (encoding, mut reader) = decompress(io::Cursor::new(bytes.to_vec()))?;
    let mut all = Vec::new();
    reader.read_to_end(&mut all)?;
    Ok((encoding, all))
}

fn all() -> [Compression; 5] {
    [
        Compression::None,
        GZIP,
        Compression::Gzip { level: 0 },
        Compression::Gzip { level: 9 },
        Compression::default(),
    ]
}

#[test]
fn what_is_compressed_comes_back() {
    for len in [
        0,
        1,
        5,
        (256 << 10) - 1,
        256 << 10,
        (256 << 10) + 1,
        3 << 20,
    ] {
        let bytes = sample(len);
        for how in all() {
            let small = compressed(&bytes, how, 2, None);
            let (encoding, back) = decoded(&small).unwrap();
            assert!(back == bytes, "{how} of {len}");
            let expected = match how {
                Compression::None => Encoding::Plain,
                Compression::Gzip { .. } => Encoding::Gzip,
                Compression::Zstd { .. } => Encoding::Zstd,
            };
            assert_eq!(encoding, expected);
            if len > 1000 && how != Compression::None && how != (Compression::Gzip { level: 0 }) {
                assert!(small.len() < len / 2, "{how} of {len} is {}", small.len());
            }
        }
    }
}

#[test]
fn bytes_depend_on_neither_threads_nor_writes() {
    let bytes = sample(5 << 20);
    for how in all() {
        let one = compressed(&bytes, how, 1, None);
        for (threads, step) in [(0, None), (2, None), (3, Some(7777)), (8, Some(1 << 20))] {
            let other = compressed(&bytes, how, threads, step);
            assert!(
                one == other,
                "{how} with {threads} threads and writes of {step:?}"
            );
        }
    }
}

#[test]
fn bytes_stay_the_same_beyond_the_window() {
    let bytes = sample(72 << 20);
    let one = compressed(&bytes, Compression::zstd(1), 1, None);
    let other = compressed(&bytes, Compression::zstd(1), 4, Some(100_003));
    assert!(one == other);
    assert!(decoded(&one).unwrap().1 == bytes);
}

#[test]
fn blocks_look_back_into_the_one_before() {
    // Noise that repeats at a distance of 20 KB compresses only across the cuts of gzip's blocks.
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 23) as u8)
        .collect();
    let bytes = noise.repeat(40);
    let small = compressed(&bytes, GZIP, 2, None);
    assert!(small.len() < 45_000, "{}", small.len());
}

#[test]
fn streams_behind_one_another_are_one() {
    for how in [GZIP, Compression::default()] {
        let two = [
            compressed(b"one ", how, 1, None),
            compressed(b"two", how, 1, None),
        ]
        .concat();
        assert_eq!(decoded(&two).unwrap().1, b"one two");
    }
    let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0xyz";
    let frame = compressed(b"data", Compression::default(), 1, None);
    let both = [&skippable[..], &frame, skippable].concat();
    assert_eq!(decoded(&both).unwrap(), (Encoding::Zstd, b"data".to_vec()));
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 6)
        .read_to_end(&mut all)
        .unwrap();
    all
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let level = bzip2::Compression::new(9);
    bzip2::read::BzEncoder::new(bytes, level)
        .read_to_end(&mut all)
        .unwrap();
    all
}

#[test]
fn xz_and_bzip2_are_read_streams_behind_one_another_too() {
    let bytes = sample(1 << 20);
    let (first, second) = bytes.split_at(300_000);
    let xz = [xz(first), xz(second)].concat();
    assert!(decoded(&xz).unwrap() == (Encoding::Xz, bytes.clone()));
    let bzip2 = [bzip2(first), bzip2(second)].concat();
    assert!(decoded(&bzip2).unwrap() == (Encoding::Bzip2, bytes));
}

#[test]
fn a_stream_that_is_cut_off_is_an_error_wherever() {
    let bytes = sample(70_000);
    let whole = [
        compressed(&bytes, GZIP, 1, None),
        compressed(&bytes, Compression::default(), 1, None),
        xz(&bytes),
        bzip2(&bytes),
    ];
    for whole in whole {
        let encoding = sniff(&whole);
        for cut in (6..200)
            .chain((200..whole.len()).step_by(97))
            .chain(whole.len() - 20..whole.len())
        {
            assert!(
                decoded(&whole[..cut]).is_err(),
                "{encoding} cut to {cut} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn damage_is_noticed() {
    let bytes = sample(70_000);
    for how in [GZIP, Compression::default()] {
        let mut small = compressed(&bytes, how, 1, None);
        let middle = small.len() / 2;
        small[middle] ^= 0x55;
        let result = decoded(&small);
        assert!(result.is_err(), "{how}");
    }
}

#[test]
fn windows_above_128_mebibytes_are_refused() {
    for (window_log, accepted) in [(27, true), (28, false)] {
        let how = Compression::Zstd {
            level: 1,
            window_log,
        };
        let small = compressed(b"data", how, 1, None);
        assert_eq!(decoded(&small).is_ok(), accepted, "{window_log}");
    }
}

#[test]
fn a_zstd_frame_tells_neither_size_nor_machine() {
    let small = compressed(b"data", Compression::default(), 1, None);
    // Frame header descriptor: no content size, no single segment, a checksum, no dictionary.
    assert_eq!(small[4], 0b0000_0100);
    // Window descriptor: exponent 26 - 10, no mantissa.
    assert_eq!(small[5], 16 << 3);
    let small = compressed(b"data", GZIP, 1, None);
    assert_eq!(small[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
}

#[test]
fn names_and_levels_are_checked() {
    assert_eq!(Compression::parse("zstd", None), Ok(Compression::default()));
    assert_eq!(
        Compression::parse("gzip", Some(9)),
        Ok(Compression::Gzip { level: 9 })
    );
    assert_eq!(
        Compression::parse("uncompressed", None),
        Ok(Compression::None)
    );
    for (name, level) in [
        ("gzip", 10),
        ("gzip", -1),
        ("zstd", 0),
        ("zstd", 23),
        ("none", 1),
    ] {
        assert!(
            Compression::parse(name, Some(level)).is_err(),
            "{name} {level}"
        );
    }
    let error = Compression::parse("brotli", None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown compression `brotli`: expected `zstd`, `gzip` or `none`"
    );
    let error = Compression::parse("estargz", None).unwrap_err();
    assert!(matches!(error, InvalidCompression::Unsupported { .. }));
    assert!(Compression::default().media_type().ends_with("tar+zstd"));
    assert_eq!(Compression::default().to_string(), "zstd-6-w26");
}

/// Fails after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_comes_out_of_every_compressor() {
    let bytes = sample(4 << 20);
    for how in all() {
        for threads in [1, 3] {
            let mut out = compressor(Full(5), &how, threads).unwrap();
            let result = out.write_all(&bytes).and_then(|()| out.finish().map(drop));
            assert_eq!(
                result.unwrap_err().kind(),
                io::ErrorKind::StorageFull,
                "{how}"
            );
        }
    }
}

proptest! {
    #[test]
    fn noise_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0_usize..6) {
        let magics: [&[u8]; 6] =
            [b"", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"];
        bytes.splice(..0, magics[which].iter().copied());
        // Any outcome will do; a limit, because noise may be a bomb.
        if let Ok((_, reader)) = decompress(io::Cursor::new(bytes)) {
            let _ = io::copy(&mut reader.take(1 << 20), &mut io::sink());
        }
    }
}
