//! ADD of local archives: an archive whose content says that it is one is unpacked into the destination.
//!
//! The archive is decompressed once into a scratch file and its entries become a tree, so that what
//! follows is the same as for any COPY.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_layer::single_pass::index_tar_as;
use kiln_layer::{Dialect, Encoding, Limits, Tree, decompress, sniff};
use kiln_oci::Digest;

use crate::files::{Files, ReadError, known_digests};

/// As many bytes as are needed to recognize any archive: the tar magic ends at 265.
const HEAD: usize = 512;

/// The files of an unpacked archive.
pub(crate) struct ArchiveFiles {
    name: String,
    tree: Tree,
    tar: File,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Whether the content that begins with `head` is a tar archive, plain or compressed. Source: POSIX
/// `ustar` magic at 257; the compressed formats by their own magic numbers, and then by what is inside.
pub(crate) fn is_archive(mut content: impl Read + Send + 'static) -> bool {
    let mut head = Vec::with_capacity(HEAD);
    if content
        .by_ref()
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .is_err()
    {
        return false;
    }
    if sniff(&head) == Encoding::Plain {
        return is_tar_header(&head);
    }
    let Ok((_, inner)) = decompress(io::Cursor::new(head).chain(content)) else {
        return false;
    };
    let mut block = Vec::with_capacity(HEAD);
    inner.take(HEAD as u64).read_to_end(&mut block).is_ok() && is_tar_header(&block)
}

/// A block is a tar header if it has the magic, or if its checksum is right (v7 archives have no magic).
fn is_tar_header(block: &[u8]) -> bool {
    if block.len() < HEAD {
        return false;
    }
    if &block[257..262] == b"ustar" {
        return true;
    }
    let written = std::str::from_utf8(&block[148..156]).ok();
    let written =
        written.and_then(|text| u32::from_str_radix(text.trim_matches([' ', '\0']), 8).ok());
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    block[0] != 0 && written == Some(sum)
}

impl ArchiveFiles {
    /// Decompresses `content` into the new file `scratch` and reads its entries.
    ///
    /// # Errors
    /// If the archive is damaged, truncated or hostile, or the scratch file cannot be written.
    pub(crate) fn unpack(
        name: String,
        content: impl Read + Send + 'static,
        scratch: &PathBuf,
    ) -> Result<Self, Error> {
        let (_, mut plain) = decompress(content)?;
        let mut tar = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(scratch)?;
        // The file lives as long as it is open, so nothing is left behind whatever happens.
        std::fs::remove_file(scratch)?;
        let mut out = io::BufWriter::with_capacity(1 << 20, &mut tar);
        io::copy(&mut plain, &mut out)?;
        out.flush()?;
        drop(out);
        tar.seek(SeekFrom::Start(0))?;
        let tree = tree_of_archive(&tar)?;
        Ok(Self { name, tree, tar })
    }
}

impl ArchiveFiles {
    /// The same files as a build context has them: root's, without extended attributes.
    pub(crate) fn owned_by_root(mut self) -> Self {
        let mut index = kiln_layer::LayerIndex::clone(&self.tree.layers()[0]);
        for indexed in &mut index.entries {
            (indexed.entry.uid, indexed.entry.gid) = (0, 0);
            indexed.entry.xattrs.clear();
        }
        self.tree =
            Tree::of([&Arc::new(index)]).expect("because owners decide nothing about places");
        self
    }
}

fn tree_of_archive(tar: &File) -> Result<Tree, Error> {
    let index = index_tar_as(Dialect::Archive, tar, &mut io::sink(), Limits::default())?;
    Ok(Tree::of([&Arc::new(index)])?)
}

impl Files for ArchiveFiles {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> String {
        format!("the archive `{}`", self.name)
    }

    fn digests(&self, paths: &[Vec<u8>]) -> Result<Vec<Digest>, ReadError> {
        known_digests(self, paths)
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let node = self.tree.get(path).ok_or(io::ErrorKind::NotFound)?;
        let stored = At {
            file: self.tar.try_clone()?,
            position: node.indexed().offset,
        };
        Ok(Box::new(node.indexed().expand(stored)))
    }
}

/// Reads a shared file from a position of its own.
struct At {
    file: File,
    position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_content() {
        assert!(!is_archive(io::Cursor::new(b"".to_vec())));
        assert!(!is_archive(io::Cursor::new(
            b"plain text, long enough".repeat(40)
        )));
        assert!(!is_archive(io::Cursor::new(
            b"\x1f\x8b broken gzip".to_vec()
        )));
        let mut writer = kiln_layer::TarWriter::new(vec![]);
        let mut entry = kiln_layer::Entry::directory("d", 0o755);
        writer.entry(&entry).unwrap();
        entry.path = b"e".to_vec();
        writer.entry(&entry).unwrap();
        let tar = writer.finish().unwrap();
        assert!(is_archive(io::Cursor::new(tar.clone())));
        let compression = kiln_layer::Compression::zstd(3);
        let mut zstd = kiln_layer::compressor(vec![], &compression, 1).unwrap();
        zstd.write_all(&tar).unwrap();
        assert!(is_archive(io::Cursor::new(zstd.finish().unwrap())));
    }
}
