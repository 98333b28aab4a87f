//! One layer of several.

use std::ops::Range;

use kiln_layer::{Tree, write_difference};
use kiln_oci::{Image, ImageConfig};

use super::{Piece, RewriteError, Rewriter, Rewritten, history, without_base};

impl Rewriter<'_> {
    /// The image with the layers of `range` (numbered from 0, the lowest) made into one. The layers below
    /// and above stay as they are, byte for byte; what the range removes of the layers below stays removed.
    ///
    /// The history keeps every step: those of the range become steps without a layer, and one more stands
    /// for the new layer.
    ///
    /// # Errors
    /// If the range is empty or not in the image, or the layers cannot be read or written.
    pub fn squash(&self, image: &Image, range: Range<usize>) -> Result<Rewritten, RewriteError> {
        self.merge(image, range, "kiln squash")
    }

    /// The image with all its layers made into one, which has no whiteouts.
    ///
    /// # Errors
    /// If the image has no layers, or they cannot be read or written.
    pub fn flatten(&self, image: &Image) -> Result<Rewritten, RewriteError> {
        self.merge(image, 0..image.layers.len(), "kiln flatten")
    }

    /// The files of `made`, an image of one layer that was imported, with the config of `like`: what
    /// `kiln export` wrote becomes an image again. The history keeps the steps of both.
    ///
    /// # Errors
    /// If the layers cannot be read.
    pub fn with_config_of(&self, made: &Image, like: &Image) -> Result<Rewritten, RewriteError> {
        let expected = Tree::of(&self.indexes(made)?)?;
        let mut steps = like.config.history.clone();
        for step in &mut steps {
            step.empty_layer = true;
        }
        steps.extend(history::aligned(&made.config));
        let change = |config: &mut ImageConfig| config.history = steps;
        self.finish(
            like,
            Piece::all(made),
            change,
            without_base(like),
            &expected,
        )
    }

    /// The image with `tree`, which has lost some of its paths, in one layer.
    pub(crate) fn only(
        &self,
        image: &Image,
        tree: &Tree,
        by: &str,
    ) -> Result<Rewritten, RewriteError> {
        let layers = image.layers.len();
        if layers == 0 {
            return Err(RewriteError::Range {
                first: 1,
                last: 0,
                layers,
            });
        }
        let made = self.write_layer(|out| write_difference(&Tree::new(), tree, self.store, out))?;
        let steps = history::aligned(&image.config);
        let change = |config: &mut ImageConfig| {
            config.history = history::merged(steps, &(0..layers), by, config.created.as_ref());
        };
        self.finish(
            image,
            vec![Piece::new(&made)],
            change,
            without_base(image),
            tree,
        )
    }

    fn merge(
        &self,
        image: &Image,
        range: Range<usize>,
        by: &str,
    ) -> Result<Rewritten, RewriteError> {
        let layers = image.layers.len();
        if range.is_empty() || range.end > layers {
            return Err(RewriteError::Range {
                first: range.start + 1,
                last: range.end,
                layers,
            });
        }
        let indexes = self.indexes(image)?;
        let below = Tree::of(&indexes[..range.start])?;
        let mut merged = below.clone();
        for index in &indexes[range.clone()] {
            merged.apply(index)?;
        }
        let made = self.write_layer(|out| write_difference(&below, &merged, self.store, out))?;
        let mut whole = merged;
        for index in &indexes[range.end..] {
            whole.apply(index)?;
        }
        let mut pieces = Piece::all(image);
        pieces.splice(range.clone(), [Piece::new(&made)]);
        let steps = history::aligned(&image.config);
        let annotations = match range.start {
            0 => without_base(image),
            _ => image.manifest.annotations.clone(),
        };
        let change = |config: &mut ImageConfig| {
            config.history = history::merged(steps, &range, by, config.created.as_ref());
        };
        self.finish(image, pieces, change, annotations, &whole)
    }
}
