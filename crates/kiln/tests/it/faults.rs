//! Kills, full disks, damage: nothing is lost, nothing is left, and it is said what to do.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::time::Duration;

use crate::world::{World, not_checked};

#[test]
fn a_killed_build_leaves_a_sound_store_and_no_process() {
    let Some(world) = World::with_base("a_killed_build_leaves_a_sound_store_and_no_process") else {
        return;
    };
    world.write("a", "a".repeat(1_000_000));
    let marker = format!("{}", 100_000 + std::process::id());
    let dockerfile = format!("FROM base\nCOPY a /a\nRUN cp /a /b\nRUN sleep {marker}\n");
    world.write("Dockerfile", &dockerfile);
    for delay in [5, 20, 40, 80, 160, 400] {
        let mut child = world.command(["build", "-q", "."]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        world.kiln(["scrub"]).ok();
    }
    std::thread::sleep(Duration::from_millis(300));
    let left = Command::new("pgrep")
        .args(["-f", &format!("sleep {marker}")])
        .output();
    if let Ok(left) = left {
        assert_eq!(
            String::from_utf8_lossy(&left.stdout),
            "",
            "the step's process is gone too"
        );
    }
    world.kiln(["images"]).ok();
    for directory in ["work", "leases"] {
        let left: Vec<_> = fs::read_dir(world.home().join(directory))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{directory} holds {left:?}");
    }
    world
        .build("FROM base\nCOPY a /a\nRUN cp /a /b\n", &["-t", "x"])
        .ok();
}

#[test]
fn an_interrupted_build_cleans_up_and_says_so() {
    let Some(world) = World::with_base("an_interrupted_build_cleans_up_and_says_so") else {
        return;
    };
    let stderr = interrupted(
        &world,
        "FROM base\nRUN echo on the w''ay; sleep 1000\n",
        "] RUN",
        "on the way",
    );
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert_eq!(
        fs::read_dir(world.home().join("leases")).unwrap().count(),
        0
    );
    assert_eq!(fs::read_dir(world.home().join("work")).unwrap().count(), 0);
}

/// Builds, interrupts the build when it has said `before` and then `when`, and gives what it said in all.
fn interrupted(world: &World, dockerfile: &str, before: &str, when: &str) -> String {
    world.write("Dockerfile", dockerfile);
    let mut child = world
        .command(["build", "--progress=plain", "."])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    for wanted in [before, when] {
        let mut is_found = false;
        while !is_found {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it ended: {said}"))
                .unwrap();
            is_found = line.contains(wanted);
            said.push_str(&line);
        }
    }
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    for line in lines {
        said.push_str(&line.unwrap());
    }
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    said
}

#[test]
fn waiting_for_a_locked_cache_can_be_interrupted() {
    let Some(world) = World::with_base("waiting_for_a_locked_cache_can_be_interrupted") else {
        return;
    };
    let cache = "RUN --mount=type=cache,target=/c,sharing=locked";
    world.write(
        "first",
        format!("FROM base\n{cache} echo it is m''ine; sleep 1000\n"),
    );
    let mut holder = world
        .command(["build", "--progress=plain", "-f", "first", "."])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("it is mine")));
    // The output is not in the name of the step, which is told before it waits. The other one waits after that.
    let second = format!("FROM base\n{cache} true\n");
    let stderr = interrupted(&world, &second, "FROM", "] RUN");
    assert!(stderr.contains("interrupted"), "{stderr}");
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn damaged_content_is_found_and_repaired() {
    let world = World::new();
    world.write("a", "content");
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    let blobs = world.home().join("blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[600] ^= 1;
    fs::remove_file(&largest).unwrap();
    fs::write(&largest, bytes).unwrap();
    let outcome = world.kiln(["scrub"]);
    assert!(outcome.stdout.contains("damaged sha256:"), "{outcome:?}");
    assert!(outcome.fails(1).contains("--repair"));
    world.kiln(["scrub", "--repair"]).ok();
    world.build(dockerfile, &["-t", "x"]).ok();
    world.kiln(["scrub"]).ok();
    assert_eq!(world.files("x"), ["- 0644 0:0 7 a"]);
}

#[test]
fn a_full_disk_is_reported_and_nothing_is_left() {
    let test = "a_full_disk_is_reported_and_nothing_is_left";
    if !Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n")
    {
        not_checked(test, "only root may mount a small file system");
        return;
    }
    let world = World::new();
    world.write("big", vec![7_u8; 8 << 20]);
    world.write("Dockerfile", "FROM scratch\nCOPY big /big\n");
    fs::create_dir_all(world.home()).unwrap();
    // In a mount namespace of its own, so that nothing stays mounted whatever happens.
    let script = "mount -t tmpfs -o size=6m tmpfs \"$KILN_HOME\" && \"$1\" build -q .; echo \"code $?\"; \
        ls \"$KILN_HOME/work\" \"$KILN_HOME/leases\" | grep -c . ; \"$1\" scrub";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_kiln"))
        .current_dir(world.dir())
        .env("KILN_HOME", world.home())
        .output();
    let Ok(output) = output else {
        not_checked(test, "there is no unshare");
        return;
    };
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(stdout.contains("code 1"), "{stdout} {stderr}");
    assert!(
        stderr.contains("No space left on device") && stderr.contains("kiln prune"),
        "{stderr}"
    );
    assert!(stdout.contains("0 damaged"), "{stdout}");
}

#[test]
fn a_damaged_cache_is_made_anew_and_a_damaged_register_is_reported() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(world.home().join(format!("cache.db{suffix}")));
        let _ = fs::remove_file(world.home().join(format!("refs.db{suffix}")));
    }
    fs::write(
        world.home().join("cache.db"),
        b"this is no database, whatever its name says".repeat(100),
    )
    .unwrap();
    assert_eq!(world.files("x"), ["- 0644 0:0 1 a"]);
    fs::write(
        world.home().join("refs.db"),
        b"this is no database, whatever its name says".repeat(100),
    )
    .unwrap();
    let error = world.kiln(["images"]).fails(1);
    assert!(error.contains("refs.db"), "{error}");
}

#[test]
fn two_builds_at_once_do_not_disturb_each_other() {
    let Some(world) = World::with_base("two_builds_at_once_do_not_disturb_each_other") else {
        return;
    };
    world.write("a", "a");
    world.write("Dockerfile", "FROM base\nCOPY a /a\nRUN cp /a /b\n");
    let children: Vec<_> = (0..4)
        .map(|number| {
            let name = format!("x{number}");
            world
                .command(["build", "-q", "-t", &name, "."])
                .spawn()
                .unwrap()
        })
        .collect();
    let pruner = world
        .command(["prune"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for mut child in children.into_iter().chain([pruner]) {
        assert!(child.wait().unwrap().success());
    }
    world.kiln(["scrub"]).ok();
    assert_eq!(world.files("x0"), world.files("x3"));
}
