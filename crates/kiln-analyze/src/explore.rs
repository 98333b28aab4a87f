//! Looking around in an image, in a terminal: layers, the tree that they give, what each changes, what is
//! wasted.
//!
//! Everything here is state and drawing; who owns a terminal feeds keys to [`App::key`] and gives frames to
//! [`App::draw`]. Nothing is computed before it is looked at: children of a directory are listed when it is
//! opened and kept, only rows on the screen are drawn, and the analysis arrives when it is ready. So the
//! first screen of an image with half a million files is there as soon as its layers are merged.
//!
//! Keys are those of dive 0.13 where it has one for the purpose.

mod draw;
mod keys;
mod listing;
mod rows;

use std::sync::Arc;

use kiln_layer::{IndexEntry, Tree, TreeError};

use crate::analysis::Analysis;
use crate::subject::Subject;
use listing::Listings;
use rows::Rows;

pub use listing::Change;

/// What the owner of the terminal has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leave.
    Quit,
    /// Write a file of the image to a path that a person typed, and say so with [`App::say`].
    Extract(Extract),
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    /// The number of its layer, from below.
    pub layer: usize,
    /// The number of its entry there.
    pub entry: usize,
    /// Its path in the image.
    pub path: Vec<u8>,
    /// Where it shall go.
    pub to: String,
}

/// The part of the screen that keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Layers,
    Tree,
    Waste,
}

/// Whether the tree shows what one layer changes, or all layers up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Layer,
    UpTo,
}

/// What keys type into.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prompt {
    Filter(String),
    Extract { name: String, of: Extract },
}

/// Which changes the tree shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    added: bool,
    removed: bool,
    modified: bool,
    unmodified: bool,
}

/// How an [`App`] looks.
#[derive(Clone, Copy, Debug)]
pub struct AppOptions {
    /// Whether colours may be used. What they say is always said by characters, too.
    pub color: bool,
}

/// The state of an exploration.
pub struct App {
    subject: Arc<Subject>,
    /// The tree below each layer, and at the end that of all.
    trees: Vec<Tree>,
    /// Bytes of the files of each layer.
    sizes: Vec<u64>,
    options: AppOptions,
    analysis: Option<Analysis>,
    pane: Pane,
    layer: usize,
    span: Span,
    shown: Shown,
    attributes: bool,
    by_size: bool,
    filter: String,
    prompt: Option<Prompt>,
    help: bool,
    message: Option<String>,
    listings: Listings,
    rows: Rows,
    waste_at: usize,
    /// Rows of the tree that fit on the screen, as of the last drawing.
    height: usize,
}

impl App {
    /// Merges the layers. The top layer is chosen, and the tree shows all.
    ///
    /// # Errors
    /// If the layers do not fit together.
    pub fn new(subject: Arc<Subject>, options: AppOptions) -> Result<Self, TreeError> {
        let mut trees = vec![Tree::new()];
        for layer in &subject.layers {
            let mut tree = trees[trees.len() - 1].clone();
            tree.apply(&layer.index)?;
            trees.push(tree);
        }
        let sizes = subject.layers.iter().map(|layer| {
            let entries = layer.index.entries.iter();
            entries.map(IndexEntry::size).sum()
        });
        let mut app = Self {
            sizes: sizes.collect(),
            layer: subject.layers.len().saturating_sub(1),
            subject,
            trees,
            options,
            analysis: None,
            pane: Pane::Layers,
            span: Span::UpTo,
            shown: Shown {
                added: true,
                removed: true,
                modified: true,
                unmodified: true,
            },
            attributes: true,
            by_size: false,
            filter: String::new(),
            prompt: None,
            help: false,
            message: None,
            listings: Listings::default(),
            rows: Rows::default(),
            waste_at: 0,
            height: 20,
        };
        app.relist();
        Ok(app)
    }

    /// Tells what the image's bytes are, once that is known.
    pub fn analyzed(&mut self, analysis: Analysis) {
        self.analysis = Some(analysis);
    }

    /// Shows a message until the next key.
    pub fn say(&mut self, message: impl Into<String>) {
        self.message = Some(message.into());
    }

    /// The trees whose difference is shown: below and above.
    fn between(&self) -> (&Tree, &Tree) {
        if self.subject.layers.is_empty() {
            return (&self.trees[0], &self.trees[0]);
        }
        let below = match self.span {
            Span::Layer => &self.trees[self.layer],
            Span::UpTo => &self.trees[0],
        };
        (below, &self.trees[self.layer + 1])
    }

    /// Lists everything anew: another layer or another way to look is chosen.
    fn relist(&mut self) {
        self.listings.clear();
        self.rebuild();
    }

    /// Puts the rows together anew from what is listed.
    fn rebuild(&mut self) {
        let mut listings = std::mem::take(&mut self.listings);
        let mut rows = std::mem::take(&mut self.rows);
        let (below, above) = self.between();
        rows.rebuild(below, above, &mut listings, self.view());
        self.listings = listings;
        self.rows = rows;
    }

    /// How rows are chosen and sorted.
    fn view(&self) -> rows::View<'_> {
        rows::View {
            // Against nothing everything is added, which says nothing.
            shown: self.shown,
            marks: self.span == Span::Layer,
            by_size: self.by_size,
            filter: &self.filter,
        }
    }
}
