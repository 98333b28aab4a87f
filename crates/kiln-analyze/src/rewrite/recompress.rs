//! The same layers in another compression.

use kiln_layer::Compression;
use kiln_oci::Image;
use kiln_store::export;

use super::{Piece, RewriteError, Rewriter, Rewritten};

impl Rewriter<'_> {
    /// The image with every layer compressed as said. The config stays byte for byte, because diff ids are
    /// of the uncompressed layers, so the image keeps its id; the manifest is another one.
    ///
    /// Annotations of a layer that describe its compressed form (those of eStargz and zstd:chunked) are
    /// left out; others stay.
    ///
    /// # Errors
    /// If a layer cannot be read or compressed.
    pub fn recompress(
        &self,
        image: &Image,
        compression: &Compression,
    ) -> Result<Rewritten, RewriteError> {
        let mut pieces = Piece::all(image);
        for piece in &mut pieces {
            self.check()?;
            let mut made = export::layer(self.store, self.lease, &piece.diff_id, compression)?;
            made.annotations = std::mem::take(&mut piece.descriptor.annotations);
            made.annotations.retain(|name, _| !describes_form(name));
            piece.descriptor = made;
        }
        let annotations = image.manifest.annotations.clone();
        self.put(image, pieces, &image.config, annotations)
    }
}

/// Whether an annotation is about the bytes of the compressed layer.
fn describes_form(name: &str) -> bool {
    name.starts_with("io.github.containers.zstd-chunked.")
        || name.starts_with("io.containers.zstd-chunked.")
        || name.starts_with("containerd.io/snapshot/stargz/")
        || name == "io.containers.estargz.uncompressed-size"
}
