//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Action, App, Extract, Pane, Prompt, Span};

/// The keys and what they do, as the help shows them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("Tab", "to the other pane"),
    ("↑ ↓  k j", "up and down"),
    ("PgUp PgDn  u d", "a page up and down"),
    ("Home End  g G", "to the first and the last"),
    ("← →  h l", "close and open a directory; another layer"),
    (
        "Space Enter",
        "open or close a directory; a finding: to its first file",
    ),
    ("Ctrl+Space  *", "open or close all directories"),
    ("Ctrl+L", "show what this layer changes"),
    (
        "Ctrl+A",
        "layers: show all up to this one; tree: added files on or off",
    ),
    ("Ctrl+R  r", "removed files on or off"),
    ("m", "modified files on or off"),
    ("Ctrl+U", "unmodified files on or off"),
    ("Ctrl+B", "mode and owner on or off"),
    ("Ctrl+O  s", "sort by size or by name"),
    ("/  Ctrl+F", "only paths that hold a text; Esc ends it"),
    ("w", "what is wasted, and what helps"),
    ("Ctrl+E  e", "write the file under the cursor to disk"),
    ("?", "this help"),
    ("q  Ctrl+C", "leave"),
];

impl App {
    /// Does what a key says; what the owner of the terminal has to do comes back.
    pub fn key(&mut self, key: KeyEvent) -> Option<Action> {
        self.message = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('c') {
            return Some(Action::Quit);
        }
        if self.help {
            self.help = false;
            return None;
        }
        if let Some(prompt) = self.prompt.take() {
            return self.type_into(prompt, key.code, control);
        }
        match (key.code, control) {
            (KeyCode::Char('q'), false) => return Some(Action::Quit),
            (KeyCode::Char('?'), _) => self.help = true,
            (KeyCode::Tab | KeyCode::BackTab, _) => {
                self.pane = match self.pane {
                    Pane::Layers => Pane::Tree,
                    Pane::Tree | Pane::Waste => Pane::Layers,
                };
            }
            (KeyCode::Char('w'), false) => {
                self.pane = match self.pane {
                    Pane::Waste => Pane::Tree,
                    _ => Pane::Waste,
                };
            }
            (KeyCode::Char('/'), _) | (KeyCode::Char('f'), true) => {
                self.pane = Pane::Tree;
                self.prompt = Some(Prompt::Filter(self.filter.clone()));
            }
            (KeyCode::Esc, _) if !self.filter.is_empty() => {
                self.filter.clear();
                self.rebuild();
            }
            (KeyCode::Char('l'), true) => self.show(Span::Layer),
            (KeyCode::Char('b'), true) => self.attributes = !self.attributes,
            (KeyCode::Char('o'), true) | (KeyCode::Char('s'), false) => {
                self.by_size = !self.by_size;
                self.rebuild();
            }
            (KeyCode::Char('r'), _) => self.toggle(|shown| &mut shown.removed),
            (KeyCode::Char('m'), _) => self.toggle(|shown| &mut shown.modified),
            (KeyCode::Char('u'), true) => self.toggle(|shown| &mut shown.unmodified),
            (KeyCode::Char('a'), true) if self.pane == Pane::Tree => {
                self.toggle(|shown| &mut shown.added);
            }
            (KeyCode::Char('a'), true) => self.show(Span::UpTo),
            (KeyCode::Char('e'), _) => self.ask_where(),
            _ => self.move_about(key.code, control),
        }
        None
    }

    fn show(&mut self, span: Span) {
        if self.span != span {
            self.span = span;
            self.relist();
        }
    }

    fn toggle(&mut self, which: impl FnOnce(&mut super::Shown) -> &mut bool) {
        let shown = which(&mut self.shown);
        *shown = !*shown;
        if self.span == Span::UpTo {
            self.say("changes are shown for one layer: Ctrl+L");
        }
        self.rebuild();
    }

    fn move_about(&mut self, code: KeyCode, control: bool) {
        let page = isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1);
        let by = match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp | KeyCode::Char('u') => -page,
            KeyCode::PageDown | KeyCode::Char('d') => page,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            _ => 0,
        };
        match self.pane {
            Pane::Layers => self.choose_layer(by, code),
            Pane::Tree if by != 0 => self.rows.step(by),
            Pane::Tree => self.open_or_close(code, control),
            Pane::Waste => self.choose_finding(by, code),
        }
    }

    fn choose_layer(&mut self, by: isize, code: KeyCode) {
        let by = match code {
            KeyCode::Left | KeyCode::Char('h') => -1,
            KeyCode::Right | KeyCode::Char('l') => 1,
            KeyCode::Enter => return self.pane = Pane::Tree,
            _ => by,
        };
        let last = self.subject.layers.len().saturating_sub(1);
        let layer = self.layer.saturating_add_signed(by).min(last);
        if layer != self.layer {
            self.layer = layer;
            self.relist();
        }
    }

    fn open_or_close(&mut self, code: KeyCode, control: bool) {
        let is_open = self.rows.current().is_some_and(|row| row.open);
        match code {
            KeyCode::Char(' ') if control => self.rows.toggle_all(),
            KeyCode::Char('*') | KeyCode::Null => self.rows.toggle_all(),
            KeyCode::Char(' ') | KeyCode::Enter => self.rows.set_open(!is_open),
            KeyCode::Right | KeyCode::Char('l') if is_open => return self.rows.step(1),
            KeyCode::Right | KeyCode::Char('l') => self.rows.set_open(true),
            KeyCode::Left | KeyCode::Char('h') if is_open => self.rows.set_open(false),
            KeyCode::Left | KeyCode::Char('h') => return self.rows.step_out(),
            _ => return,
        }
        self.rebuild();
    }

    fn choose_finding(&mut self, by: isize, code: KeyCode) {
        let count = self
            .analysis
            .as_ref()
            .map_or(0, |analysis| analysis.findings.len());
        self.waste_at = self
            .waste_at
            .saturating_add_signed(by)
            .min(count.saturating_sub(1));
        match code {
            KeyCode::Enter | KeyCode::Char(' ') => self.show_finding(),
            KeyCode::Esc => self.pane = Pane::Tree,
            _ => {}
        }
    }

    /// To the first file of the finding, in the layer that stores it.
    fn show_finding(&mut self) {
        let findings = self.analysis.as_ref().map(|analysis| &analysis.findings);
        let Some(finding) = findings.and_then(|findings| findings.get(self.waste_at)) else {
            return;
        };
        let Some(path) = finding.examples.first().map(|example| example.path.clone()) else {
            return;
        };
        self.layer = finding.layer;
        self.span = Span::UpTo;
        self.filter.clear();
        self.pane = Pane::Tree;
        self.rows.reveal(path.as_bytes());
        self.relist();
        self.rows.go_to(path.as_bytes());
    }

    /// Asks for the path that the file under the cursor is written to.
    fn ask_where(&mut self) {
        let Some(row) = self.rows.current().filter(|_| self.pane == Pane::Tree) else {
            return self.say("choose a file in the tree");
        };
        let child = row.child();
        let layer = child.inode.layer();
        let Some(layer) = layer.filter(|_| child.letter == '-') else {
            return self.say("only regular files can be written");
        };
        let name = String::from_utf8_lossy(&child.name).into_owned();
        let of = Extract {
            layer,
            entry: child.inode.entry(),
            path: row.path.clone(),
            to: String::new(),
        };
        self.prompt = Some(Prompt::Extract { name, of });
    }

    fn type_into(&mut self, mut prompt: Prompt, code: KeyCode, control: bool) -> Option<Action> {
        let text = match &mut prompt {
            Prompt::Filter(text) => text,
            Prompt::Extract { name, .. } => name,
        };
        match code {
            KeyCode::Esc => return None,
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char('u') if control => text.clear(),
            KeyCode::Char(character) if !control => text.push(character),
            KeyCode::Enter => {
                return match prompt {
                    Prompt::Filter(text) => {
                        self.filter = text;
                        self.rebuild();
                        None
                    }
                    Prompt::Extract { name, .. } if name.is_empty() => None,
                    Prompt::Extract { name, of } => {
                        Some(Action::Extract(Extract { to: name, ..of }))
                    }
                };
            }
            _ => {}
        }
        self.prompt = Some(prompt);
        None
    }
}
