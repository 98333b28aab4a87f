//! Layers and root file system archives, written entry by entry.

use kiln_layer::{Entry, Kind, LayerIndex, LayerWriter, Time};

/// A layer in the making. Everything belongs to root, with the time 1 of 1970.
///
/// ```
/// let (tar, index) = kiln_testkit::Layer::new()
///     .directory("etc")
///     .file("etc/hostname", "here\n")
///     .symlink("etc/name", "hostname")
///     .whiteout("old")
///     .finish();
/// assert_eq!(index.entries.len(), 4);
/// assert_eq!(index.size, tar.len() as u64);
/// ```
#[derive(Debug)]
pub struct Layer(LayerWriter<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer {
    /// Without entries.
    #[must_use]
    pub fn new() -> Self {
        Self(LayerWriter::new(Vec::new()))
    }

    /// Adds any entry that has no content.
    ///
    /// # Panics
    /// If a layer cannot hold it.
    #[must_use]
    pub fn entry(mut self, entry: &Entry) -> Self {
        self.0
            .entry(entry)
            .expect("because tests write good layers");
        self
    }

    /// Adds a directory with the mode 0755.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        let entry = Entry {
            mtime: Time::from_seconds(1),
            ..Entry::directory(path, 0o755)
        };
        self.entry(&entry)
    }

    /// Adds a file with the mode 0644.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.file_with_mode(path, content, 0o644)
    }

    /// Adds a file.
    ///
    /// # Panics
    /// If a layer cannot hold it.
    #[must_use]
    pub fn file_with_mode(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        let mut content = content.as_ref();
        let entry = Entry {
            mode,
            mtime: Time::from_seconds(1),
            ..Entry::new(
                path,
                Kind::File {
                    size: content.len() as u64,
                },
            )
        };
        self.0
            .file(&entry, &mut content)
            .expect("because tests write good layers");
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let kind = Kind::Symlink {
            target: target.into(),
        };
        self.link(path, kind)
    }

    /// Adds another name of a file.
    #[must_use]
    pub fn hardlink(self, path: &str, target: &str) -> Self {
        let kind = Kind::Hardlink {
            target: target.into(),
        };
        self.link(path, kind)
    }

    fn link(self, path: &str, kind: Kind) -> Self {
        let entry = Entry {
            mode: 0o777,
            mtime: Time::from_seconds(1),
            ..Entry::new(path, kind)
        };
        self.entry(&entry)
    }

    /// Removes what a lower layer has at `path`.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        self.entry(&Entry::whiteout(path))
    }

    /// Hides what lower layers have in the directory at `path`.
    #[must_use]
    pub fn opaque(self, path: &str) -> Self {
        self.entry(&Entry::new(path, Kind::Opaque))
    }

    /// The uncompressed tar and its index.
    ///
    /// # Panics
    /// Never: memory takes everything.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, LayerIndex) {
        self.0.finish().expect("because memory takes everything")
    }

    /// The uncompressed tar.
    #[must_use]
    pub fn tar(self) -> Vec<u8> {
        self.finish().0
    }
}

/// `len` bytes that do not compress and are the same for the same seed (xorshift64*, Vigna 2016).
#[must_use]
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[cfg(test)]
mod tests {
    use super::noise;

    #[test]
    fn noise_depends_on_the_seed_alone() {
        assert_eq!(noise(1, 100), noise(1, 100));
        assert_eq!(noise(1, 100)[..50], noise(1, 50));
        assert_ne!(noise(1, 100), noise(2, 100));
    }
}
