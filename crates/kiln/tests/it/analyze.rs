//! `kiln analyze`.

use std::fs;

use kiln_testkit::{ImageBuilder, Layer, MemoryRegistry};
use serde_json::Value;

use crate::world::World;

/// An image `app` that wastes 40 kB, on an image `ground`.
fn wasteful() -> World {
    let world = World::new();
    world.write("ground", "g".repeat(5_000));
    world.write("one", "1".repeat(40_000));
    world.write("two", "2".repeat(10_000));
    world
        .build("FROM scratch\nCOPY ground /ground\n", &["-t", "ground"])
        .ok();
    let dockerfile = "FROM ground\nCOPY one /srv/app\nCOPY two /srv/app\n";
    world.build(dockerfile, &["-t", "app"]).ok();
    world
}

#[test]
fn an_image_of_the_store_is_reported_with_its_base() {
    let world = wasteful();
    let text = world.kiln(["analyze", "app"]).ok();
    for words in [
        "waste       40.0 kB (72.7 %)",
        "base        ground:latest: 1 layer, 5.0 kB",
        "overwritten later",
        "in layer 1: COPY one /srv/app",
        "by layer 2: COPY two /srv/app",
        "fix: write the file once",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let json: Value =
        serde_json::from_str(&world.kiln(["analyze", "--format=json", "app"]).ok()).unwrap();
    assert_eq!(
        (&json["schema"], &json["waste"]["bytes"]),
        (&1.into(), &40_000.into())
    );
    assert_eq!(json["base"]["known_by"], "store");
    assert_eq!(json["parts"]["own"]["waste"]["bytes"], 40_000);
}

#[test]
fn every_place_gives_the_same_report() {
    let world = wasteful();
    let registry = MemoryRegistry::start();
    let remote = format!("{}/team/app:1", registry.host());
    world.kiln(["push", "app", &remote]).ok();
    for to in [
        "oci:layout:app",
        "oci-archive:app.oci.tar:app",
        "docker-archive:app.tar:app",
    ] {
        world.kiln(["copy", "store://app", to]).ok();
    }
    // Somebody else, whose store is empty.
    let elsewhere = World::new();
    let numbers = |place: &str| {
        let json = elsewhere.kiln(["analyze", "--format=json", place]).ok();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            json["findings"][0]["step"], "COPY two /srv/app # buildkit",
            "{place}"
        );
        (
            json["stored"]["bytes"].clone(),
            json["waste"]["bytes"].clone(),
        )
    };
    let dir = world.dir();
    let at = |name: &str| dir.join(name).display().to_string();
    for place in [
        remote.clone(),
        format!("docker://{remote}"),
        at("layout"),
        format!("oci-layout://{}:app", at("layout")),
        at("app.oci.tar"),
        format!("oci-archive:{}", at("app.oci.tar")),
        at("app.tar"),
        format!("docker-archive:{}:app", at("app.tar")),
    ] {
        assert_eq!(numbers(&place), (55_000.into(), 40_000.into()), "{place}");
    }
    let listed = elsewhere.kiln(["images"]).ok();
    assert_eq!(listed.lines().count(), 1, "nothing was kept:\n{listed}");
    // What is known of the layers is: they are not fetched again.
    registry.forget_requests();
    numbers(&remote);
    let config = registry.lines("GET /v2/team/app/blobs");
    assert_eq!(config.len(), 1, "only the config: {config:?}");
}

#[test]
fn rules_decide_the_exit_code() {
    let world = wasteful();
    let kept = world.kiln([
        "analyze",
        "--fail-on=waste=80%,1kB",
        "--fail-on",
        "waste=1%,1MB",
        "app",
    ]);
    assert!(
        kept.stderr.contains("PASS  waste=80%,1kB: 40.0 kB, 72.7 %"),
        "{}",
        kept.stderr
    );
    kept.ok();
    let said = world
        .kiln(["analyze", "--fail-on=overwritten=10%,1kB", "app"])
        .fails(1);
    assert!(said.contains("FAIL  overwritten=10%,1kB"), "{said}");
    let broken = world.kiln(["analyze", "--format=json", "--fail-on=waste=0", "app"]);
    let json: Value = serde_json::from_str(&broken.stdout).unwrap();
    assert_eq!(
        (&json["gates"]["passed"], broken.code),
        (&false.into(), Some(1))
    );
    let said = world
        .kiln(["analyze", "--fail-on=wasted=1%", "app"])
        .fails(2);
    assert!(
        said.contains("there is no `wasted`; there are waste, own-waste"),
        "{said}"
    );
}

#[test]
fn the_rules_of_dive_gate_the_same() {
    let world = wasteful();
    // dive: (5 + 10) / (5 + 40 + 10) kB, and 50 kB wasted of 50.
    let text = world.kiln(["analyze", "--dive-compat", "app"]).ok();
    assert!(
        text.contains("efficiency 0.2727, wasted 50000 bytes, user-wasted 1.0000"),
        "{text}"
    );
    let said = world.kiln(["analyze", "--dive-ci", "app"]).fails(1);
    assert!(
        said.contains("FAIL  lowestEfficiency: 0.2727, at least 0.9"),
        "{said}"
    );
    assert!(
        said.contains("SKIP  highestWastedBytes: disabled"),
        "{said}"
    );
    world.write(
        ".dive-ci",
        "rules:\n  lowestEfficiency: 0.27\n  highestWastedBytes: 50kB\n  highestUserWastedPercent: 1.0\n",
    );
    world.kiln(["analyze", "--dive-ci", "app"]).ok();
    let other = world.write("other.yaml", "rules:\n  highestWastedBytes: 49kB\n");
    let flag = format!("--dive-ci={}", other.display());
    let said = world.kiln(["analyze", &flag, "app"]).fails(1);
    assert!(
        said.contains("FAIL  highestWastedBytes: 50000 bytes, at most 49000"),
        "{said}"
    );
    world.write(".dive-ci", "rules:\n  lowest: 1\n");
    let said = world.kiln(["analyze", "--dive-ci", "app"]).fails(2);
    assert!(
        said.contains(".dive-ci: `lowest` is not a rule of dive"),
        "{said}"
    );
}

#[test]
fn a_base_is_checked() {
    let world = wasteful();
    world
        .build("FROM scratch\nCOPY two /two\n", &["-t", "other"])
        .ok();
    let said = world.kiln(["analyze", "--base=other", "app"]).fails(1);
    assert!(
        said.contains("not built on other: of the 1 layers of that, it has 0"),
        "{said}"
    );
    let text = world.kiln(["analyze", "--base", "ground", "app"]).ok();
    assert!(text.contains("base        ground"), "{text}");
}

#[test]
fn reports_go_to_files() {
    let world = wasteful();
    world
        .kiln(["analyze", "--format=html", "-o", "report.html", "app"])
        .ok();
    let page = fs::read_to_string(world.dir().join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("COPY two /srv/app"));
    let markdown = world.kiln(["analyze", "--format=markdown", "app"]).ok();
    assert!(
        markdown.contains("| overwritten later | 40.0 kB | 72.7 % |"),
        "{markdown}"
    );
}

#[test]
fn what_is_not_there_or_damaged_is_said() {
    let world = World::new();
    let registry = MemoryRegistry::start();
    let missing = format!("{}/none:1", registry.host());
    let said = world.kiln(["analyze", &missing]).fails(1);
    assert!(said.contains("not in the store either"), "{said}");
    world.write("x.tar", "no archive");
    world.kiln(["analyze", "./x.tar"]).fails(1);
    world.kiln(["analyze", "oci:nowhere"]).fails(1);
    world.kiln(["analyze", "ftp://x"]).fails(2);
    // A hard link to nothing: the layers make no file system.
    let layer = Layer::new().hardlink("a", "b").tar();
    registry.put_image("bad", Some("1"), &ImageBuilder::new().layer(&layer).build());
    let said = world
        .kiln(["analyze", &format!("{}/bad:1", registry.host())])
        .fails(1);
    assert!(
        said.contains("`a` of layer 0 is a hard link to `b`"),
        "{said}"
    );
}
