//! `kiln lint`.

use serde_json::Value;

use crate::world::World;

const APT: &str = "FROM debian:12\nRUN apt-get update && apt-get install curl=7\n";

#[test]
fn findings_are_shown_and_decide_the_exit_code() {
    let world = World::new();
    let file = world.write("Dockerfile", APT);
    let file = file.to_str().unwrap();
    let out = world.kiln(["lint", file, "--fail-on=none"]).ok();
    assert!(
        out.contains(":2:23: warning[DL3014]: apt-get install waits for an answer"),
        "{out}"
    );
    assert!(
        out.contains("= why: ") && out.contains("= see: docs/reference/lint/DL3014.md"),
        "{out}"
    );
    world.kiln(["lint", file]).fails(1);
    world.kiln(["lint", file, "--fail-on=error"]).ok();
    world
        .kiln([
            "lint",
            file,
            "--only=DL3014",
            "--severity=DL3014=error",
            "-t",
            "error",
        ])
        .fails(1);
    assert_eq!(world.kiln(["lint", file, "--only=DL3000"]).ok(), "");
    assert_eq!(
        world
            .kiln(["lint", file, "--only=DL3014", "--ignore=DL3014"])
            .ok(),
        ""
    );
}

#[test]
fn editors_read_standard_input_and_get_places_and_fixes() {
    let world = World::new();
    let args = [
        "lint",
        "--stdin",
        "--stdin-name=app/Dockerfile",
        "--format=json",
        "--fail-on=none",
    ];
    let out = world.kiln_with_input(args, APT.as_bytes()).ok();
    let all: Value = serde_json::from_str(&out).unwrap();
    let one = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["code"] == "DL3014")
        .unwrap();
    assert_eq!(one["file"], "app/Dockerfile");
    let edit = &one["fix"]["edits"][0];
    assert_eq!(
        (&edit["text"], &edit["start"]),
        (&" -y".into(), &edit["end"])
    );
}

#[test]
fn configurations_are_found_and_say_what_counts() {
    let world = World::new();
    let file = world.write("Dockerfile", APT);
    let file = file.to_str().unwrap();
    let yaml = world.write(
        "hadolint.yaml",
        "ignored: [DL3014]\noverride:\n  error: [DL3015]\n",
    );
    let config = format!("--config={}", yaml.display());
    let out = world.kiln(["lint", file, &config, "--fail-on=none"]).ok();
    assert!(
        !out.contains("[DL3014]") && out.contains("error[DL3015]"),
        "{out}"
    );
    let toml = world.write("kiln-lint.toml", "families = [\"docker\"]\n");
    let config = format!("--config={}", toml.display());
    assert_eq!(world.kiln(["lint", file, &config]).ok(), "");
    let broken = world.write("broken.toml", "familie = 1\n");
    let config = format!("--config={}", broken.display());
    let said = world.kiln(["lint", file, &config]).fails(2);
    assert!(
        said.contains("broken.toml") && said.contains("familie"),
        "{said}"
    );
}

#[test]
fn what_can_be_put_right_is_shown_first() {
    let world = World::new();
    let file = world.write("Dockerfile", APT);
    let name = file.to_str().unwrap();
    let shown = world.kiln(["lint", name, "--fix", "--dry-run"]).ok();
    assert!(
        shown.contains("-RUN apt-get update && apt-get install curl=7\n"),
        "{shown}"
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        APT,
        "nothing was written"
    );
    world.kiln(["lint", name, "--fix"]).ok();
    let fixed = "FROM debian:12\nRUN apt-get update && apt-get install -y curl=7 && rm -rf /var/lib/apt/lists/*\n";
    assert_eq!(std::fs::read_to_string(&file).unwrap(), fixed);
    assert_eq!(
        world.kiln(["lint", name, "--fix"]).ok(),
        "",
        "twice changes nothing"
    );
    let out = world
        .kiln_with_input(["lint", "--stdin", "--fix"], APT.as_bytes())
        .ok();
    assert_eq!(out, fixed);
}

#[test]
fn rules_explain_themselves() {
    let world = World::new();
    let page = world.kiln(["lint", "--explain", "dl3014"]).ok();
    assert!(
        page.starts_with("# DL3014: apt-yes\n") && page.contains("## Why"),
        "{page}"
    );
    let list = world.kiln(["lint", "--list"]).ok();
    for code in ["StageNameCasing", "DL3008", "SC2086", "KL1001"] {
        assert!(list.contains(code), "{code}");
    }
    let said = world.kiln(["lint", "--explain", "DL30144"]).fails(2);
    assert!(said.contains("did you mean DL3014?"), "{said}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let world = World::new();
    let missing = world.dir().join("none");
    let said = world.kiln(["lint".as_ref(), missing.as_os_str()]).fails(1);
    assert!(said.contains("none"), "{said}");
    let said = world.kiln(["lint", "--format=loud"]).fails(2);
    assert!(said.contains("sarif"), "{said}");
    let out = world
        .kiln_with_input(["lint", "--stdin", "--only=DL1000"], b"FROM a\nRUM b\n")
        .fails(1);
    assert!(out.is_empty() || !out.contains("panicked"), "{out}");
}
