//! What is built again and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::world::World;

/// The numbers of steps that were done and that were cached, FROM not counted.
fn steps(stderr: &str) -> (usize, usize) {
    let done = stderr
        .lines()
        .filter(|line| line.contains(" DONE "))
        .count();
    let cached = stderr
        .lines()
        .filter(|line| line.ends_with(" CACHED"))
        .count();
    (done, cached)
}

#[test]
fn unchanged_input_gives_the_same_image_and_does_nothing() {
    let world = World::new();
    world.write("a", "a");
    world.write("b", "b");
    let dockerfile = "FROM scratch\nCOPY a /a\nCOPY b /b\n";
    let first = world.build(dockerfile, &["-t", "x"]);
    assert_eq!(steps(&first.stderr), (2, 1));
    let second = world.build(dockerfile, &["-t", "x"]);
    assert_eq!(steps(&second.stderr), (0, 3));
    assert_eq!(first.ok(), second.ok());
}

#[test]
fn content_and_mode_count_but_time_and_other_files_do_not() {
    let world = World::new();
    world.write("a", "a");
    world.write("other", "x");
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    let build = || steps(&world.build(dockerfile, &[]).stderr);
    assert_eq!(build(), (1, 1));
    world.write("other", "y");
    world.write("a", "a");
    assert_eq!(build(), (0, 2), "same content, new time");
    world.write("a", "b");
    assert_eq!(build(), (1, 1), "new content");
    fs::set_permissions(world.dir().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(build(), (1, 1), "new mode");
    let fixed = "FROM scratch\nCOPY --chmod=644 a /a\n";
    assert_eq!(steps(&world.build(fixed, &[]).stderr), (1, 1));
    fs::set_permissions(world.dir().join("a"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(
        steps(&world.build(fixed, &[]).stderr),
        (0, 2),
        "a mode that is overridden"
    );
}

#[test]
fn a_file_that_is_swapped_within_one_second_is_noticed() {
    let world = World::new();
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    for content in ["one", "two", "thr", "fou"] {
        world.write("a", content);
        world
            .build(dockerfile, &["-q", "-o", "type=local,dest=out"])
            .ok();
        assert_eq!(
            fs::read_to_string(world.dir().join("out/a")).unwrap(),
            content
        );
    }
}

#[test]
fn the_cache_can_be_refused_as_a_whole_and_by_stage() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\nCOPY --from=one /a /b\n";
    world.build(dockerfile, &[]).ok();
    assert_eq!(
        steps(&world.build(dockerfile, &["--no-cache"]).stderr),
        (2, 2)
    );
    assert_eq!(
        steps(
            &world
                .build(dockerfile, &["--no-cache-filter", "two"])
                .stderr
        ),
        (1, 3)
    );
}

#[test]
fn a_pruned_cache_costs_time_and_nothing_else() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM scratch AS one\nCOPY a /a\nFROM scratch\nCOPY --from=one /a /b\n";
    let first = world.build(dockerfile, &["-t", "x", "--reproducible"]).ok();
    world.kiln(["prune"]).ok();
    let again = world.build(dockerfile, &["-t", "x", "--reproducible"]);
    assert_eq!(first, again.ok());
    fs::remove_file(world.home().join("cache.db")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(world.home().join(format!("cache.db{suffix}")));
    }
    assert_eq!(
        first,
        world.build(dockerfile, &["-t", "x", "--reproducible"]).ok()
    );
}

#[test]
fn an_unchanged_context_is_known_and_a_changed_one_is_seen() {
    let world = World::new();
    let file = world.write("d/a", "1");
    world.write("d/b", "b");
    world.write(".dockerignore", "Dockerfile\n");
    let text = "FROM scratch\nCOPY d /d\n";
    let content = |args: &[&str]| {
        let args = [&["-o", "type=local,dest=../out"], args].concat();
        let outcome = world.build(text, &args);
        let is_cached = outcome.stderr.contains("#2 CACHED");
        outcome.ok();
        (
            fs::read_to_string(world.dir().join("../out/d/a")).unwrap(),
            is_cached,
        )
    };
    assert_eq!(content(&[]), ("1".to_owned(), false));
    // Long enough ago to be trusted, and again, so that what was remembered is used.
    std::thread::sleep(std::time::Duration::from_millis(100));
    for _ in 0..3 {
        assert_eq!(content(&[]), ("1".to_owned(), true));
    }
    assert_eq!(content(&["--no-cache"]), ("1".to_owned(), false));
    let mtime = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "2").unwrap();
    fs::File::open(&file).unwrap().set_modified(mtime).unwrap();
    assert_eq!(content(&[]), ("2".to_owned(), false));
    // What a prune took is made again.
    world.kiln(["prune"]).ok();
    assert_eq!(content(&[]), ("2".to_owned(), false));
}
