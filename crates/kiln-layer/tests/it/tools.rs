//! The host's own tools as judges; here the compressors. Where one is missing, the test says so and
//! makes no claim.

#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_layer::{Compression, Encoding};

use crate::compression::{compressed, decoded, sample};

/// An empty directory for one test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("kiln-layer")
        .join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Whether a tool is there and says `expected` of itself.
pub(crate) fn has(tool: &str, expected: &str) -> bool {
    let version = Command::new(tool).arg("--version").output();
    let found = version.is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains(expected)
    });
    if !found {
        println!("skipped: no {expected} here");
    }
    found
}

/// Runs a tool on `input` and gives what it writes.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A tool that fails says so itself; that it stopped reading is a consequence.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

#[test]
fn the_hosts_decompressors_read_our_streams() {
    for len in [0, 1, 3 << 20] {
        let bytes = sample(len);
        if has("gzip", "gzip") {
            for level in [0, 1, 6, 9] {
                let small = compressed(&bytes, Compression::Gzip { level }, 2, None);
                run(Command::new("gzip").arg("-t"), &small);
                assert!(run(Command::new("gzip").arg("-dc"), &small) == bytes);
            }
        }
        if has("zstd", "Zstandard") || has("zstd", "zstd command") {
            for level in [1, 6, 19] {
                let small = compressed(&bytes, Compression::zstd(level), 2, None);
                assert!(run(Command::new("zstd").args(["-dcq", "--long=26"]), &small) == bytes);
            }
        }
    }
}

#[test]
fn we_read_what_the_hosts_compressors_write() {
    let bytes = sample(3 << 20);
    for (tool, version, options, encoding) in [
        ("gzip", "gzip", &["-9c"][..], Encoding::Gzip),
        (
            "zstd",
            "Zstandard",
            &["-qc", "-10", "--long=27"],
            Encoding::Zstd,
        ),
        ("xz", "XZ Utils", &["-9c"], Encoding::Xz),
        ("bzip2", "bzip2", &["-9c"], Encoding::Bzip2),
    ] {
        if has(tool, version) {
            let small = run(Command::new(tool).args(options), &bytes);
            assert!(
                decoded(&small).unwrap() == (encoding, bytes.clone()),
                "{tool}"
            );
        }
    }
}
