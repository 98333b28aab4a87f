//! How fast a build context is walked: `cargo run --release --example walk_speed -- DIRECTORY`.
//!
//! Walks the directory, hashes all files into a memo, and then measures what a rebuild with nothing
//! changed costs: decode the memo, walk, look every file up. Without a directory it makes one of
//! 50,000 files in the build's folder for temporary files.

#![allow(
    clippy::print_stdout,
    reason = "because an example talks to whoever runs it"
)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kiln_layer::Kind;
use kiln_store::walk::{Decision, Memo, Walk, walk};

fn main() -> Result<(), Box<dyn Error>> {
    let root = match std::env::args_os().nth(1) {
        Some(directory) => PathBuf::from(directory),
        None => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/walk-speed");
            make(&root)?;
            root
        }
    };
    let began = Instant::now();
    let first = walk(&root, &|_, _| Decision::Include)?;
    println!(
        "first walk: {} entries, {:?}",
        first.entries.len(),
        began.elapsed()
    );
    let began = Instant::now();
    let mut memo = Memo::default();
    memo.digests(&first, &files(&first))?;
    println!(
        "first hash: {} files remembered, {:?}",
        memo.len(),
        began.elapsed()
    );
    let stored = memo.encode(&first);
    println!("memo: {} bytes", stored.len());

    let mut times: Vec<[Duration; 4]> = Vec::new();
    for _ in 0..11 {
        let began = Instant::now();
        let mut memo = Memo::decode(&stored)?;
        let decoded = began.elapsed();
        let again = walk(&root, &|_, _| Decision::Include)?;
        let walked = began.elapsed();
        memo.digests(&again, &files(&again))?;
        let all = began.elapsed();
        times.push([all, decoded, walked - decoded, all - walked]);
    }
    times.sort_unstable();
    let [all, decoded, walked, looked] = times[times.len() / 2];
    println!("again (median): {all:?} = memo {decoded:?} + walk {walked:?} + look up {looked:?}");
    Ok(())
}

fn files(walk: &Walk) -> Vec<Vec<u8>> {
    let is_file = |kind: &Kind| matches!(kind, Kind::File { .. } | Kind::Hardlink { .. });
    let files = walk.entries.iter().filter(|entry| is_file(&entry.kind));
    files.map(|entry| entry.path.clone()).collect()
}

/// 50,000 small files in 500 directories.
fn make(root: &Path) -> std::io::Result<()> {
    if root.exists() {
        return Ok(());
    }
    for directory in 0..500 {
        let path = root.join(format!("d{}/e{}", directory / 20, directory % 20));
        fs::create_dir_all(&path)?;
        for file in 0..100 {
            fs::write(
                path.join(format!("file-{file}.txt")),
                format!("{directory} {file}\n"),
            )?;
        }
    }
    Ok(())
}
