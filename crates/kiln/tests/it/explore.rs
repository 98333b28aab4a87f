//! `kiln explore`, in a real terminal where there is tmux.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::world::{World, not_checked};

fn image() -> World {
    let world = World::new();
    world.write("app/main", "#!/bin/sh\necho hello\n");
    world.write("app/data/large", "x".repeat(30_000));
    world
        .build("FROM scratch\nCOPY app /srv\n", &["-t", "app"])
        .ok();
    world
}

#[test]
fn the_first_screen_can_be_printed() {
    let world = image();
    let text = world.kiln(["explore", "--screen=110x30", "app"]).ok();
    assert_eq!(text.lines().count(), 30);
    for words in ["● Layers", "COPY app /srv", "▸ srv", "30.0 kB", "? help"] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    world.kiln(["explore", "--screen=0x0", "app"]).fails(2);
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let said = image().kiln(["explore", "app"]).fails(1);
    assert!(
        said.contains("there is no terminal") && said.contains("kiln analyze"),
        "{said}"
    );
}

/// A terminal, with kiln in it. Ended when dropped.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn start(world: &World, args: &[&str]) -> Self {
        // A socket's path may only have about a hundred bytes.
        let socket = format!("kiln-test-{}", std::process::id());
        let tmux = Self { socket };
        let kiln = world.command(args);
        let words: Vec<String> = [kiln.get_program()]
            .into_iter()
            .chain(kiln.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let home = world.home();
        let mut new = tmux.command(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "120",
            "-y",
            "32",
            "-s",
            "it",
        ]);
        let line = format!("KILN_HOME='{}' {}", home.display(), words.join(" "));
        // The pane stays when kiln has ended, so that its end can be seen.
        let script = format!("{line}; echo \"kiln ended with $?\"; sleep 600");
        let status = new
            .arg("sh")
            .arg("-c")
            .arg(script)
            .current_dir(world.dir())
            .status();
        assert!(status.unwrap().success());
        tmux
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-L", &self.socket])
            .args(args)
            .env_remove("TMUX");
        command
    }

    fn keys(&self, keys: &[&str]) {
        let all = ["send-keys", "-t", "it"].iter().chain(keys).copied();
        let status = self.command(&all.collect::<Vec<_>>()).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the screen shows `words`.
    #[track_caller]
    fn shows(&self, words: &str) -> String {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let output = self
                .command(&["capture-pane", "-p", "-t", "it"])
                .output()
                .unwrap();
            let screen = String::from_utf8_lossy(&output.stdout).into_owned();
            if screen.contains(words) {
                return screen;
            }
            assert!(Instant::now() < end, "no `{words}`:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

#[test]
fn keys_work_in_a_real_terminal() {
    if Command::new("tmux").arg("-V").output().is_err() {
        return not_checked("explore::keys_work_in_a_real_terminal", "there is no tmux");
    }
    let world = image();
    let tmux = Tmux::start(&world, &["explore", "app"]);
    tmux.shows("efficiency  100.0 %");
    tmux.keys(&["Tab", "Right"]);
    tmux.shows("▸ data");
    tmux.keys(&["Down", "Down", "e"]);
    tmux.shows("write to: main");
    tmux.keys(&["2", "Enter"]);
    tmux.shows("21 B written to");
    let written = std::fs::read_to_string(world.dir().join("main2")).unwrap();
    assert_eq!(written, "#!/bin/sh\necho hello\n");
    tmux.keys(&["e", "2", "Enter"]);
    tmux.shows("is there already");
    tmux.keys(&["q"]);
    let last = tmux.shows("kiln ended with 0");
    assert!(
        !last.contains("● Layers"),
        "the screen is what it was before:\n{last}"
    );
    assert!(!Path::new(&world.dir()).join("main2.partial").exists());
}
