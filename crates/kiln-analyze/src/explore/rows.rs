//! The rows of the tree: which directories are open, where the cursor is, what a filter leaves.

use std::collections::HashSet;
use std::rc::Rc;

use kiln_layer::Tree;
use kiln_layer::entry::{join_path, split_path};

use super::Shown;
use super::listing::{Change, Child, Listings};

/// How rows are chosen and sorted.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) shown: Shown,
    /// Whether changes count at all.
    pub(super) marks: bool,
    pub(super) by_size: bool,
    /// What the path must hold, in any case of letters.
    pub(super) filter: &'a str,
}

/// A row: a child of a directory, at a depth.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) path: Vec<u8>,
    pub(super) depth: usize,
    pub(super) open: bool,
    children: Rc<Vec<Child>>,
    at: usize,
}

impl Row {
    pub(super) fn child(&self) -> &Child {
        &self.children[self.at]
    }
}

/// All rows, of which the screen shows some.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) list: Vec<Row>,
    pub(super) at: usize,
    /// The first row on the screen.
    pub(super) top: usize,
    open: HashSet<Vec<u8>>,
    /// Whether directories are open unless they are in `open`.
    inverted: bool,
}

impl Rows {
    /// Puts the rows together. The cursor stays on its path, or the nearest directory above that is left.
    pub(super) fn rebuild(
        &mut self,
        below: &Tree,
        above: &Tree,
        listings: &mut Listings,
        view: View<'_>,
    ) {
        let here = self.list.get(self.at).map(|row| row.path.clone());
        let kept = (!view.filter.is_empty()).then(|| matches(below, above, view.filter));
        self.list.clear();
        let mut pending: Vec<(Vec<u8>, Rc<Vec<Child>>, usize)> = vec![];
        let root = listings.of(below, above, &[], view.by_size);
        pending.push((vec![], root, 0));
        while let Some((path, children, at)) = pending.pop() {
            let Some(child) = children.get(at) else {
                continue;
            };
            let depth = pending.len();
            let child_path = join_path(&path, &child.name);
            let is_shown = view.shows(child.change)
                && kept.as_ref().is_none_or(|kept| kept.contains(&child_path));
            // What the filter found is not to be hidden in closed directories.
            let open = child.is_directory
                && (kept.is_some() || self.open.contains(&child_path) != self.inverted);
            let row = Row {
                path: child_path,
                depth,
                open,
                children: Rc::clone(&children),
                at,
            };
            pending.push((path, children, at + 1));
            if !is_shown {
                continue;
            }
            if open {
                let inside = listings.of(below, above, &row.path, view.by_size);
                pending.push((row.path.clone(), inside, 0));
            }
            self.list.push(row);
        }
        self.at = here.map_or(0, |path| self.nearest(path));
    }

    fn nearest(&self, mut path: Vec<u8>) -> usize {
        // Most moves change nothing above the cursor.
        loop {
            if let Some(at) = self.list.iter().position(|row| row.path == path) {
                return at;
            }
            match split_path(&path) {
                Some((parent, _)) if !parent.is_empty() => path = parent.to_vec(),
                _ => return self.at.min(self.list.len().saturating_sub(1)),
            }
        }
    }

    pub(super) fn current(&self) -> Option<&Row> {
        self.list.get(self.at)
    }

    pub(super) fn step(&mut self, by: isize) {
        let last = self.list.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    /// Brings the cursor's row onto a screen of `height` rows.
    pub(super) fn scroll(&mut self, height: usize) {
        let height = height.max(1);
        self.top = self.top.min(self.at);
        if self.at >= self.top + height {
            self.top = self.at + 1 - height;
        }
        let most = self.list.len().saturating_sub(height);
        self.top = self.top.min(most);
    }

    /// Opens or closes the directory under the cursor.
    pub(super) fn set_open(&mut self, open: bool) {
        let Some(row) = self
            .list
            .get(self.at)
            .filter(|row| row.child().is_directory)
        else {
            return;
        };
        if open != self.inverted {
            self.open.insert(row.path.clone());
        } else {
            self.open.remove(&row.path);
        }
    }

    /// Opens all directories, or closes all.
    pub(super) fn toggle_all(&mut self) {
        self.inverted = !self.inverted;
        self.open.clear();
    }

    /// Moves the cursor to the directory above.
    pub(super) fn step_out(&mut self) {
        let Some(depth) = self
            .current()
            .map(|row| row.depth)
            .filter(|depth| *depth > 0)
        else {
            return;
        };
        let above = &self.list[..self.at];
        if let Some(at) = above.iter().rposition(|row| row.depth < depth) {
            self.at = at;
        }
    }

    /// Opens the directories above `path`, so that the next rebuilding shows it.
    pub(super) fn reveal(&mut self, path: &[u8]) {
        let mut place = path;
        while let Some((parent, _)) = split_path(place) {
            if !parent.is_empty() {
                match self.inverted {
                    true => drop(self.open.remove(parent)),
                    false => drop(self.open.insert(parent.to_vec())),
                }
            }
            place = parent;
        }
    }

    /// Puts the cursor on `path`, or the nearest directory above it.
    pub(super) fn go_to(&mut self, path: &[u8]) {
        self.at = self.nearest(path.to_vec());
    }
}

impl View<'_> {
    fn shows(&self, change: Change) -> bool {
        if !self.marks {
            return change != Change::Removed;
        }
        match change {
            Change::Added => self.shown.added,
            Change::Removed => self.shown.removed,
            Change::Modified => self.shown.modified,
            Change::Unmodified => self.shown.unmodified,
        }
    }
}

/// The paths that hold `text`, and the directories above them.
fn matches(below: &Tree, above: &Tree, text: &str) -> HashSet<Vec<u8>> {
    let text = text.to_ascii_lowercase().into_bytes();
    let mut kept: HashSet<Vec<u8>> = HashSet::new();
    let mut lower = vec![];
    for tree in [above, below] {
        let mut walk = tree.walk(&[]);
        while let Some((path, _)) = walk.advance() {
            lower.clear();
            lower.extend(path.iter().map(u8::to_ascii_lowercase));
            if !lower.windows(text.len()).any(|part| part == text) {
                continue;
            }
            let mut place = path;
            while !place.is_empty() && kept.insert(place.to_vec()) {
                place = split_path(place).map_or(&[], |(parent, _)| parent);
            }
        }
    }
    kept
}
