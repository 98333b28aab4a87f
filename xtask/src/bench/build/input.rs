//! What is built: files that are the same on every machine, or at least of real content.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files in one folder of a made context.
const PER_FOLDER: usize = 100;
/// Bytes written at once.
const BLOCK: usize = 1 << 20;

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): small,
/// fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Half noise, half repetition, so that compressors have something to do, as with real files.
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(16) {
            let word = self.next().to_le_bytes();
            let (noise, rest) = chunk.split_at_mut(chunk.len().min(8));
            noise.copy_from_slice(&word[..noise.len()]);
            rest.fill(b'.');
        }
    }
}

/// Writes `count` files with `bytes` in all, of uneven sizes, in folders of a hundred.
pub(crate) fn small_files(folder: &Path, count: usize, bytes: u64) -> Result<(), String> {
    let mut random = Random(1);
    let average = bytes / count as u64;
    let mut content = Vec::new();
    for number in 0..count {
        let folder = folder.join(format!("d{:04}", number / PER_FOLDER));
        if number % PER_FOLDER == 0 {
            make(&folder)?;
        }
        // Between nothing and twice the average.
        let size = random.next() % (2 * average + 1);
        content.resize(usize::try_from(size).map_err(|error| error.to_string())?, 0);
        random.fill(&mut content);
        write(&folder.join(format!("f{number:06}.txt")), &content)?;
    }
    Ok(())
}

/// One file of `bytes`.
pub(super) fn large_file(path: &Path, bytes: u64) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::create(path).map_err(wrong)?;
    let mut random = Random(2);
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(BLOCK as u64);
        random.fill(&mut block);
        file.write_all(&block[..now as usize]).map_err(wrong)?;
        left -= now;
    }
    Ok(())
}

/// The first file below `folder`.
pub(super) fn a_file(folder: &Path) -> Result<PathBuf, String> {
    let mut entries = sorted(folder)?.into_iter();
    let first = entries
        .next()
        .ok_or_else(|| format!("{} is empty", folder.display()))?;
    if first.is_dir() {
        a_file(&first)
    } else {
        Ok(first)
    }
}

/// Copies regular files from below `from` in the order of their names until they have `bytes`.
pub(super) fn take_from(from: &Path, to: &Path, bytes: u64) -> Result<(), String> {
    let mut left = bytes;
    take(from, to, &mut left)
}

fn take(from: &Path, to: &Path, left: &mut u64) -> Result<(), String> {
    make(to)?;
    for path in sorted(from)? {
        let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
        let Some(name) = path.file_name() else {
            continue;
        };
        let facts = fs::symlink_metadata(&path).map_err(wrong)?;
        if *left == 0 {
            break;
        } else if facts.is_dir() {
            take(&path, &to.join(name), left)?;
        } else if facts.is_file() {
            fs::copy(&path, to.join(name)).map_err(wrong)?;
            *left = left.saturating_sub(facts.len());
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(wrong)?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(wrong)?;
    paths.sort();
    Ok(paths)
}

fn make(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Writes a file whole.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_many_uneven_and_always_the_same() {
        let folder = std::env::temp_dir().join(format!("xtask-input-{}", std::process::id()));
        small_files(&folder, 250, 250_000).expect("a temporary folder");
        let folders = sorted(&folder).expect("three folders");
        assert_eq!(folders.len(), 3);
        let files: Vec<_> = folders
            .iter()
            .flat_map(|folder| sorted(folder).expect("files"))
            .collect();
        let sizes: Vec<u64> = files
            .iter()
            .map(|file| file.metadata().expect("a file").len())
            .collect();
        let sum: u64 = sizes.iter().sum();
        assert_eq!(sizes.len(), 250);
        assert!((200_000..300_000).contains(&sum), "{sum}");
        assert_ne!(sizes.iter().min(), sizes.iter().max());
        let first = fs::read(a_file(&folder).expect("the first")).expect("a file");
        small_files(&folder, 1, 1_000).expect("a temporary folder");
        assert_eq!(
            fs::read(a_file(&folder).expect("the first")).expect("a file"),
            first
        );
        fs::remove_dir_all(&folder).expect("the test's own folder");
    }
}
