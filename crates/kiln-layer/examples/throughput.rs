//! How fast the single pass is on this machine, against hashing alone.
//!
//! `cargo run --release -p kiln-layer --example throughput`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_layer::{Compression, Entry, Kind, LayerIndex, LayerWriter, Tree, compressor, index_tar};
use kiln_oci::Digest;

const SMALL_FILES: usize = 50_000;
const SMALL: usize = 20 << 10;
const LARGE: usize = 256 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let content = text(LARGE);
    let (_, took) = timed(|| Digest::sha256(&content));
    report("SHA-256 alone", LARGE, took);

    // Touched before, so that the kernel's clearing of fresh pages is not measured.
    let mut memory = vec![1; 1200 << 20];
    memory.clear();
    let one = std::iter::once(("large".into(), &content[..]));
    let ((mut memory, large), took) = timed(|| write(memory, one));
    memory.clear();
    report("write one large file", LARGE, took);
    assert_eq!(large.entries.len(), 1);

    let directories = (0..500).map(|n| format!("usr/lib/node_modules/package-{n:03}/dist"));
    let names =
        directories.flat_map(|dir| (0..100).map(move |n| format!("{dir}/module-{n:02}.js")));
    let contents = (0..SMALL_FILES).map(|n| &content[n * 4096..][..SMALL]);
    let ((tar, small), took) = timed(|| write(memory, names.zip(contents)));
    report("write 50,000 files of 20 KiB", tar.len(), took);

    let (index, took) = timed(|| index_tar(&tar[..], &mut io::sink()));
    report("read and index them", tar.len(), took);
    assert_eq!(index?, small);

    let (encoded, took) = timed(|| small.encode());
    println!("encode the index: {took:?}, {} bytes", encoded.len());
    let (decoded, took) = timed(|| LayerIndex::decode(&encoded));
    println!("decode the index: {took:?}");
    let layer = Arc::new(decoded?);
    let (tree, took) = timed(|| Tree::of([&layer]));
    println!("merge it into a tree: {took:?}");
    let (count, took) = timed(|| tree.map(|tree| tree.walk(b"").count()));
    println!("walk the tree: {took:?}, {} nodes", count?);

    let part = &tar[..256 << 20];
    for (how, threads) in [
        (Compression::Gzip { level: 6 }, 1),
        (Compression::Gzip { level: 6 }, 2),
        (Compression::default(), 1),
        (Compression::default(), 2),
    ] {
        let (size, took) = timed(|| compress(part, &how, threads));
        report(&format!("{how} with {threads} threads"), part.len(), took);
        println!("    to {:.1} %", size? as f64 * 100.0 / part.len() as f64);
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

fn report(what: &str, bytes: usize, took: Duration) {
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    println!("{what}: {took:.2?}, {rate:.0} MB/s");
}

fn write<'a>(
    memory: Vec<u8>,
    files: impl Iterator<Item = (String, &'a [u8])>,
) -> (Vec<u8>, LayerIndex) {
    let mut layer = LayerWriter::new(memory);
    for (path, mut content) in files {
        let size = content.len() as u64;
        let mut entry = Entry::new(path, Kind::File { size });
        entry.mode = 0o644;
        let result = layer.file(&entry, &mut content);
        result.expect("because memory can be read and written");
    }
    layer.finish().expect("because memory can be written")
}

fn compress(mut bytes: &[u8], how: &Compression, threads: usize) -> io::Result<usize> {
    let mut out = compressor(Vec::new(), how, threads)?;
    io::copy(&mut bytes.by_ref(), &mut out)?;
    Ok(out.finish()?.len())
}

/// Words in changing order: it compresses about as well as program text does.
fn text(len: usize) -> Vec<u8> {
    let words: Vec<String> = (0..4096_u32)
        .map(|n| {
            format!(
                "{:x}{}",
                n.wrapping_mul(2_654_435_761) >> 12,
                [" ", "\n", "(", ");"][n as usize % 4]
            )
        })
        .collect();
    let mut bytes = Vec::with_capacity(len + 16);
    let mut state = 1_u64;
    while bytes.len() < len {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let word = ((state >> 33) as usize % words.len()).min((state >> 50) as usize % words.len());
        bytes.extend_from_slice(words[word].as_bytes());
    }
    bytes.truncate(len);
    bytes
}
