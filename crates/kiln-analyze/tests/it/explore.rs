//! The terminal interface, drawn into memory.

use std::sync::Arc;

use kiln_analyze::explore::{Action, App, AppOptions};
use kiln_analyze::{Subject, analyze};
use kiln_testkit::Layer;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::made::{bytes, with_steps};

struct Screen {
    app: App,
    terminal: Terminal<TestBackend>,
}

impl Screen {
    fn of(subject: Subject) -> Self {
        let analysis = analyze(&subject).unwrap();
        let mut app = App::new(Arc::new(subject), AppOptions { color: false }).unwrap();
        app.analyzed(analysis);
        let terminal = Terminal::new(TestBackend::new(130, 36)).unwrap();
        Self { app, terminal }
    }

    fn new() -> Self {
        Self::of(image())
    }

    fn press(&mut self, keys: &str) -> Option<Action> {
        let mut last = None;
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\u{1b}' => KeyCode::Esc,
                '↓' => KeyCode::Down,
                '→' => KeyCode::Right,
                '←' => KeyCode::Left,
                other => KeyCode::Char(other),
            };
            last = self.app.key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        last
    }

    fn control(&mut self, key: char) -> Option<Action> {
        self.app
            .key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL))
    }

    /// The lines of the screen.
    fn lines(&mut self) -> Vec<String> {
        let app = &mut self.app;
        self.terminal.draw(|frame| app.draw(frame)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let row = |y| {
            (0..130)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..36).map(row).collect()
    }

    fn text(&mut self) -> String {
        self.lines().join("\n")
    }

    /// The row of the tree that holds `name`, from the tree's border on.
    fn row(&mut self, name: &str) -> Option<String> {
        let lines = self.lines();
        let of_tree = lines
            .iter()
            .map(|line| line.chars().skip(53).collect::<String>());
        of_tree.into_iter().find(|line| line.contains(name))
    }
}

fn image() -> Subject {
    let base = Layer::new()
        .directory("etc")
        .file("etc/passwd", "root")
        .file("etc/shadow", "secret!")
        .directory("srv")
        .file("srv/big", bytes(1, 50_000))
        .file("srv/small", bytes(2, 100));
    let changes = Layer::new()
        .file("etc/passwd", "root and others")
        .whiteout("srv/big")
        .symlink("srv/link", "small");
    with_steps([
        ("ADD base.tar /", base),
        ("RUN useradd app && rm /srv/big", changes),
    ])
}

#[test]
fn the_first_screen_shows_layers_files_and_what_is_wasted() {
    let mut screen = Screen::new();
    let text = screen.text();
    for words in [
        "● Layers",
        ">  1",
        "RUN useradd app",
        "Files up to layer 1",
        "efficiency  0.2 %",
        "waste       50.0 kB (99.8 %)",
        "removed later",
        "▸ etc",
        "? help",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains("passwd"), "directories are closed at first");
}

#[test]
fn the_tree_opens_closes_and_sorts() {
    let mut screen = Screen::new();
    screen.press("\t→");
    assert!(screen.row("passwd").is_some());
    screen.press("←");
    assert!(screen.row("passwd").is_none());
    screen.control(' ');
    let text = screen.text();
    let at = |text: &str, name: &str| text.find(name).unwrap();
    assert!(at(&text, "passwd") < at(&text, "shadow"));
    screen.press("s");
    let text = screen.text();
    assert!(text.contains(", by size"));
    assert!(at(&text, "▾ srv") < at(&text, "▾ etc"), "{text}");
    assert!(screen.row("link").unwrap().contains("→ small"));
    screen.control('b');
    assert!(!screen.row("passwd").unwrap().contains("rw-r--r--"));
}

#[test]
fn a_layers_changes_are_marked_and_can_be_left_out() {
    let mut screen = Screen::new();
    screen.control('l');
    screen.press("\t*");
    assert!(screen.row("passwd").unwrap().contains("~ -rw-r--r--"));
    assert!(screen.row("big").unwrap().contains("- -rw-r--r--"));
    assert!(screen.row("link").unwrap().contains("+ l"));
    assert!(screen.row("▾ srv").unwrap().contains("~ d"));
    assert!(screen.row("shadow").unwrap().contains("  -rw"));
    screen.control('u');
    assert!(screen.row("shadow").is_none());
    screen.press("r");
    assert!(screen.row("big").is_none());
    screen.control('a');
    assert!(screen.row("link").is_none());
    screen.press("m");
    assert!(screen.text().contains("nothing to show"));
}

#[test]
fn layers_are_chosen() {
    let mut screen = Screen::new();
    screen.press("k");
    let text = screen.text();
    assert!(
        text.contains("Files up to layer 0") && text.contains(">  0"),
        "{text}"
    );
    screen.press("\t");
    screen.press("jl");
    assert!(screen.row("big").is_some());
    screen.press("\t→");
    assert!(screen.text().contains("Files up to layer 1"));
    assert!(
        screen.row("big").is_none() && screen.row("small").is_some(),
        "open stays open"
    );
}

#[test]
fn a_filter_leaves_what_holds_the_text() {
    let mut screen = Screen::new();
    screen.press("/PASS\n");
    let text = screen.text();
    assert!(text.contains("with `PASS`") && text.contains("passwd"));
    assert!(screen.row("shadow").is_none() && screen.row("▾ etc").is_some());
    screen.press("\u{1b}");
    assert!(screen.row("▸ srv").is_some() && screen.row("passwd").is_none());
    screen.press("/no such thing\n");
    assert!(screen.text().contains("nothing to show"));
    // Keys on an empty tree do nothing.
    screen.press("jk→←\n sgG*e");
    screen.press("/abc\u{1b}");
    assert!(
        screen.text().contains("with `no such thing`"),
        "a prompt that is left changes nothing"
    );
}

#[test]
fn waste_is_listed_and_leads_to_its_file() {
    let mut screen = Screen::new();
    screen.press("w");
    let text = screen.text();
    assert!(text.contains("What could be saved"), "{text}");
    assert!(
        text.contains(">  50.0 kB  removed later  (layer 0, by 1)"),
        "{text}"
    );
    assert!(
        text.contains("fix   remove it in the step that makes it"),
        "{text}"
    );
    screen.press("↓");
    assert!(screen.text().contains(">      4 B  overwritten later"));
    screen.press("k\n");
    let text = screen.text();
    assert!(text.contains("Files up to layer 0"), "{text}");
    screen.press("e");
    assert!(
        screen.text().contains("write to: big"),
        "the cursor is on the file"
    );
}

#[test]
fn a_file_is_handed_out_to_be_written() {
    let mut screen = Screen::new();
    screen.press("e");
    assert!(screen.text().contains("choose a file in the tree"));
    screen.press("\te");
    assert!(screen.text().contains("only regular files can be written"));
    screen.press("→jje");
    assert!(screen.text().contains("write to: shadow"));
    let Some(Action::Extract(extract)) = screen.press("2\n") else {
        panic!("because a file was chosen");
    };
    assert_eq!(
        (extract.layer, &extract.path[..], &*extract.to),
        (0, &b"etc/shadow"[..], "shadow2")
    );
    screen.app.say("written");
    assert!(screen.lines()[35].contains("written"));
    screen.press("j");
    assert!(!screen.lines()[35].contains("written"));
}

#[test]
fn help_and_leaving() {
    let mut screen = Screen::new();
    screen.press("?");
    assert!(screen.text().contains("only paths that hold a text"));
    assert_eq!(screen.press("q"), None, "any key closes the help");
    assert_eq!(screen.press("q"), Some(Action::Quit));
    assert_eq!(screen.control('c'), Some(Action::Quit));
}

#[test]
fn screens_of_any_size_and_images_of_nothing_are_drawn() {
    for (width, height) in [(1, 1), (20, 5), (39, 12), (80, 24), (300, 100)] {
        for subject in [image(), with_steps([]), with_steps([("", Layer::new())])] {
            let mut app = App::new(Arc::new(subject), AppOptions { color: true }).unwrap();
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            for key in ['x', '?', 'x', 'w', 'w', 'j', 'd', 'G', 'e', '/', 'a', 'q'] {
                terminal.draw(|frame| app.draw(frame)).unwrap();
                app.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
            }
            terminal.draw(|frame| app.draw(frame)).unwrap();
        }
    }
}

#[test]
fn names_that_are_no_text_do_no_harm() {
    let entry = kiln_layer::Entry::new(*b"\xff\x1b[31mred", kiln_layer::Kind::Fifo);
    let mut screen = Screen::of(with_steps([("RUN \u{1b}[2J", Layer::new().entry(&entry))]));
    let text = screen.text();
    assert!(
        !text.contains('\u{1b}') && text.contains("[31mred"),
        "{text}"
    );
}
