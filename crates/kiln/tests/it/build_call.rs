//! `kiln build --call`: what a Dockerfile says about itself.

use serde_json::{Value, json};

use crate::world::World;

const DOCKERFILE: &str = "ARG VERSION=1\n# app is the program\nFROM base:$VERSION AS app\n# MODE debug or release\n\
    ARG MODE=release\nRUN --mount=type=secret,id=token,required --mount=type=cache,target=/c --mount=type=ssh true\n\
    FROM app AS Last\nCMD run\n";

fn call(world: &World, spec: &str, more: &[&str]) -> String {
    let args = ["build", ".", "--call", spec];
    world.kiln(args.iter().chain(more)).ok()
}

fn call_json(world: &World, spec: &str) -> Value {
    serde_json::from_str(&call(world, &format!("{spec},format=json"), &[])).unwrap()
}

fn lines(first: u32, last: u32) -> Value {
    json!({"ranges": [{"start": {"line": first}, "end": {"line": last}}]})
}

#[test]
fn outlines_and_targets_are_for_people_and_programs() {
    let world = World::new();
    world.write("Dockerfile", DOCKERFILE);
    let outline = call(
        &world,
        "outline",
        &["--build-arg", "MODE=debug", "--target", "app"],
    );
    assert_eq!(
        outline,
        "TARGET:      app\nDESCRIPTION: is the program\n\nBUILD ARG  VALUE  DESCRIPTION\nVERSION    1\n\
        MODE       debug  debug or release\n\nSECRET  REQUIRED\ntoken   true\n\nSSH      REQUIRED\ndefault\n\n\
        CACHE ID\n/c\n"
    );
    let targets = call(&world, "targets", &[]);
    assert_eq!(
        targets,
        "TARGET          DESCRIPTION\napp             is the program\nlast (default)\n"
    );
    let mut outline = call_json(&world, "outline");
    assert_eq!(
        outline["sources"][0].as_str().unwrap().len(),
        DOCKERFILE.len().div_ceil(3) * 4
    );
    outline.as_object_mut().unwrap().remove("sources");
    let expected = json!({
        "name": "last",
        "args": [
            {"name": "VERSION", "value": "1", "location": lines(1, 1)},
            {"name": "MODE", "value": "release", "description": "debug or release", "location": lines(5, 5)},
        ],
        "secrets": [{"name": "token", "required": true, "location": lines(6, 6)}],
        "ssh": [{"name": "default", "location": lines(6, 6)}],
        "cache": [{"ID": "/c", "location": lines(6, 6)}],
    });
    assert_eq!(outline, expected);
    let targets = call_json(&world, "targets");
    let expected = json!([
        {"name": "app", "description": "is the program", "base": "base:$VERSION", "location": lines(3, 3)},
        {"name": "last", "default": true, "base": "app", "location": lines(7, 7)},
    ]);
    assert_eq!(targets["targets"], expected);
}

#[test]
fn checks_are_the_same_as_a_flag_and_as_a_call() {
    let world = World::new();
    world.write("Dockerfile", "FROM scratch AS One\nMAINTAINER me\n");
    let args = ["build", ".", "--check"];
    assert_eq!(call(&world, "check", &[]), world.kiln(args).ok());
    let check = call_json(&world, "check");
    assert_eq!(check["warnings"][0]["ruleName"], "StageNameCasing");
    assert_eq!(check["warnings"][1]["ruleName"], "MaintainerDeprecated");
    assert_eq!(check["warnings"][1]["location"], lines(2, 2));
    assert!(
        check["warnings"][1]["url"]
            .as_str()
            .unwrap()
            .ends_with("/maintainer-deprecated/")
    );
    assert_eq!(check["sources"][0]["filename"], "Dockerfile");
    world.write("Dockerfile", "# check=error=true\nFROM scratch AS One\n");
    let failed = world.kiln(["build", ".", "--call", "check,format=json"]);
    assert!(failed.stdout.contains("StageNameCasing"));
    failed.fails(1);
}

#[test]
fn what_cannot_be_called_is_named() {
    let world = World::new();
    world.write("Dockerfile", "FROM scratch\n");
    for (spec, expected) in [
        ("sing", "`sing`"),
        ("outline,format=xml", "format=xml"),
        ("", "expected build"),
    ] {
        let error = world.kiln(["build", ".", "--call", spec]).fails(2);
        assert!(error.contains(expected.trim_matches('`')), "{error}");
    }
    let error = world
        .kiln(["build", ".", "--call=outline", "--target=nosuch"])
        .fails(1);
    assert!(error.contains("nosuch"), "{error}");
    world.kiln(["build", ".", "-q", "--call=build"]).ok();
}
