//! `kiln slim`. Programs are run, so these tests need what `kiln run` needs.

use super::squash::{config, json};
use crate::world::World;

/// An image whose program reads a file that only its run tells: the path is put together.
const DOCKERFILE: &str = "FROM base\n\
    COPY app /app\nCOPY data /data\nCOPY junk /junk\n\
    WORKDIR /app\nENV LEVEL=1\n\
    CMD [\"sh\", \"/app/serve\"]\n";

/// Makes it; `app/serve` prints `data/needed` and ends.
fn build(world: &World) {
    world.write(
        "app/serve",
        "#!/bin/sh\nset -e\nfolder=/da\ncat \"${folder}ta/needed\" /app/page >/dev/null\nmkdir /app/made\necho x >/app/made/file\n",
    );
    world.write("app/page", "page");
    world.write("data/needed", "needed");
    world.write("data/other", "other");
    world.write("junk/big", vec![b'x'; 100_000]);
    world.build(DOCKERFILE, &["-t", "app"]).ok();
}

fn has(world: &World, image: &str, path: &str) -> bool {
    let end = format!(" {path}");
    world
        .files(image)
        .iter()
        .any(|line| line.ends_with(&end) || line.contains(&format!("{end} ->")))
}

#[test]
fn what_a_test_needs_is_searched_and_put_back() {
    let Some(world) = World::with_base("what_a_test_needs_is_searched_and_put_back") else {
        return;
    };
    build(&world);
    let exec = "sh /app/serve";
    let error = world
        .kiln(["slim", "app", "-t", "slim", "--exec", exec])
        .fails(1);
    assert!(error.contains("--keep '/data/needed'"), "{error}");
    assert!(
        !error.contains("/data/other") && !error.contains("/junk"),
        "{error}"
    );
    // Nothing was named.
    let list = world.kiln(["images"]).ok();
    assert!(!list.contains("slim"), "{list}");

    let args = [
        "slim",
        "app",
        "-t",
        "slim",
        "--exec",
        exec,
        "--repair",
        "--report",
        "report.json",
        "--json",
    ];
    let said = json(&world.kiln(args).ok());
    assert_eq!(said["put_back"], serde_json::json!(["/data/needed"]));
    assert!(has(&world, "slim", "data/needed") && has(&world, "slim", "app/page"));
    assert!(!has(&world, "slim", "data/other") && !has(&world, "slim", "junk/big"));
    assert!(has(&world, "slim", "etc/passwd") && has(&world, "slim", "bin/busybox"));
    let report = std::fs::read_to_string(world.dir().join("report.json")).unwrap();
    assert_eq!(json(&report)["put_back"], said["put_back"]);
    let removed = said["slim"]["removed"].as_array().unwrap();
    assert!(
        removed
            .iter()
            .any(|row| row["group"] == "/junk" && row["bytes"] == 100_000),
        "{removed:?}"
    );
    // The old image is what it was, and the new one has its config.
    assert!(has(&world, "app", "junk/big"));
    assert_eq!(config(&world, "slim").config, config(&world, "app").config);
    world.kiln(["run", "slim"]).ok();
}

#[test]
fn what_was_asked_for_or_read_stays() {
    let Some(world) = World::with_base("what_was_asked_for_or_read_stays") else {
        return;
    };
    build(&world);
    let exec = "sh /app/serve";
    world
        .kiln([
            "slim", "-q", "app", "-t", "kept", "--exec", exec, "--keep", "/data",
        ])
        .ok();
    assert!(has(&world, "kept", "data/other") && !has(&world, "kept", "junk/big"));
    let seen = [
        "slim", "-q", "app", "-t", "seen", "--exec", exec, "--mode", "observed",
    ];
    world.kiln(seen).ok();
    assert!(has(&world, "seen", "data/needed") && !has(&world, "seen", "data/other"));
    world
        .kiln(["slim", "-q", "app", "-t", "untested", "--no-test"])
        .ok();
    assert!(!has(&world, "untested", "data/needed"));
}

#[test]
fn a_running_program_is_asked_from_inside_and_outside() {
    let Some(world) = World::with_base("a_running_program_is_asked_from_inside_and_outside") else {
        return;
    };
    world.write("wait", "#!/bin/sh\nwhile true; do sleep 1; done\n");
    let dockerfile = "FROM base\nCOPY --chmod=755 wait /bin/wait\nCMD [\"wait\"]\n";
    world.build(dockerfile, &["-t", "app"]).ok();
    world
        .kiln(["slim", "-q", "app", "-t", "one", "--test", "true"])
        .ok();
    world
        .kiln([
            "slim",
            "-q",
            "app",
            "-t",
            "two",
            "--check",
            "test -f /bin/wait",
        ])
        .ok();
    assert!(has(&world, "one", "bin/sleep") && !has(&world, "one", "bin/wc"));
    let error = world
        .kiln([
            "slim",
            "app",
            "-t",
            "x",
            "--test",
            "false",
            "--timeout",
            "1",
        ])
        .fails(1);
    assert!(error.contains("fails in the image itself"), "{error}");
    let checked = format!("{dockerfile}HEALTHCHECK CMD test -x /bin/wait\n");
    world.build(&checked, &["-t", "checked"]).ok();
    let said = json(
        &world
            .kiln(["slim", "checked", "-t", "three", "--json"])
            .ok(),
    );
    assert_eq!(said["test"], "passed in both images");
}

#[test]
fn without_a_test_it_must_be_said() {
    let Some(world) = World::with_base("without_a_test_it_must_be_said") else {
        return;
    };
    let error = world.kiln(["slim", "base", "-t", "x"]).fails(2);
    assert!(
        error.contains("--test") && error.contains("--no-test"),
        "{error}"
    );
    let error = world
        .kiln(["slim", "base", "-t", "x", "--no-test", "--mode", "observed"])
        .fails(2);
    assert!(error.contains("something to observe"), "{error}");
    let error = world
        .kiln(["slim", "base", "-t", "x", "--exec", "nothere"])
        .fails(1);
    assert!(error.contains("nothere"), "{error}");
    let error = world
        .kiln(["slim", "base", "-t", "base", "--no-test"])
        .fails(2);
    assert!(error.contains("--replace"), "{error}");
}
