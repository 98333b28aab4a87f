//! Whole files of an image, for those few whose content must be looked at.

use std::io::{self, Read as _};

use kiln_layer::{ContentAt, Node, Tree};

/// The largest program or library that is looked into: 512 MiB.
pub(crate) const MAX_PROGRAM: u64 = 512 << 20;

/// The content of a regular file; nothing for all else, and for files of more than `limit` bytes.
pub(crate) fn read(
    content: &dyn ContentAt,
    node: Node<'_>,
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    let indexed = node.indexed();
    let (Some(layer), Some(_)) = (node.diff_id(), node.content()) else {
        return Ok(None);
    };
    if indexed.size() > limit {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    content.open_at(layer, indexed)?.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Its first `len` bytes.
pub(crate) fn begin(content: &dyn ContentAt, node: Node<'_>, len: u64) -> io::Result<Vec<u8>> {
    let indexed = node.indexed();
    let (Some(layer), Some(_)) = (node.diff_id(), node.content()) else {
        return Ok(vec![]);
    };
    let mut bytes = Vec::new();
    let reader = content.open_at(layer, indexed)?;
    reader.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The content of the file that `path` leads to, through links; nothing if there is none.
pub(crate) fn read_at(
    content: &dyn ContentAt,
    tree: &Tree,
    path: &[u8],
    limit: u64,
) -> io::Result<Option<Vec<u8>>> {
    match tree.resolve(path, true).ok().and_then(|found| found.node) {
        Some(node) => read(content, node, limit),
        None => Ok(None),
    }
}
