//! `kiln squash`: several layers of an image become one.

use std::ops::Range;
use std::process::ExitCode;
use std::str::FromStr;

use kiln_oci::{Digest, Image};

use super::Context;
use crate::rewriting::{self, Desk, Outcome, RewriteArgs, failed};
use crate::ui::report::Report;

/// Make one layer of several
///
/// Without --layers, all layers over the image's base become one; the base is still shared with other images. The new
/// image shows the same files and keeps config and history.
#[derive(Debug, clap::Args)]
pub(crate) struct SquashArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
    /// These layers, counted from 1, the lowest: FIRST-LAST, FIRST- or -LAST
    #[arg(long, value_name = "RANGE", conflicts_with = "base")]
    layers: Option<Layers>,
    /// The layers over those of this image [default: the base that the image names]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
}

/// A range of layers as a person counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layers {
    first: Option<usize>,
    last: Option<usize>,
}

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of layers, such as 2-5, 2- or -5");
        let number = |text: &str| match text {
            "" => Ok(None),
            text => match text.parse() {
                Ok(0) | Err(_) => Err(wrong()),
                Ok(number) => Ok(Some(number)),
            },
        };
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let layers = Self {
            first: number(first)?,
            last: number(last)?,
        };
        match layers {
            Self {
                first: None,
                last: None,
            } => Err(wrong()),
            layers => Ok(layers),
        }
    }
}

impl Layers {
    /// From 0, the end not included.
    fn range(self, count: usize) -> Range<usize> {
        self.first.unwrap_or(1) - 1..self.last.unwrap_or(count)
    }
}

/// Squashes.
pub(crate) fn squash(context: &Context, args: &SquashArgs) -> Result<ExitCode, Report> {
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let count = image.layers.len();
        let range = match (args.layers, &args.base) {
            (Some(layers), _) => layers.range(count),
            (None, Some(base)) => {
                let base = desk.other(base)?;
                desk.rewriter.base_layers(image, &base).map_err(failed)?..count
            }
            (None, None) => own_layers(desk, image)?..count,
        };
        let squashed = desk.rewriter.squash(image, range).map_err(failed)?;
        Ok(Outcome::from(squashed))
    })
}

/// How many layers belong to the base that the image names in its manifest.
fn own_layers(desk: &Desk<'_>, image: &Image) -> Result<usize, Report> {
    let unknown = || {
        Report::new("the image does not say which of its layers are its base's")
            .hint("name the base with --base, or the layers with --layers")
    };
    let named = image
        .manifest
        .annotations
        .get("org.opencontainers.image.base.digest");
    let digest: Digest = named
        .and_then(|digest| digest.parse().ok())
        .ok_or_else(unknown)?;
    let base = desk.store.image_by_id(&digest.to_string())?;
    let base = base.ok_or_else(|| {
        Report::new(format!("the image's base {digest} is not in the store"))
            .hint("name the base with --base, or the layers with --layers")
    })?;
    desk.rewriter.base_layers(image, &base).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_counted_from_one() {
        let range = |text: &str| text.parse::<Layers>().map(|layers| layers.range(6));
        assert_eq!(range("2-5"), Ok(1..5));
        assert_eq!(range("3-"), Ok(2..6));
        assert_eq!(range("-2"), Ok(0..2));
        for wrong in ["-", "0-3", "a-b", "3", "1-0", "1--2"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
