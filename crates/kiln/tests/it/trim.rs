//! `kiln trim`.

use super::squash::{config, json, put};
use crate::world::World;

#[test]
fn documentation_goes_and_other_layers_stay() {
    let world = World::new();
    put(&world, "app", 3);
    let said = json(&world.kiln(["trim", "app", "-t", "small", "--json"]).ok());
    assert_eq!(said["rules"]["docs"]["entries"], 1);
    assert_eq!(said["rewritten_layers"], serde_json::json!([2]));
    let (old, new) = (config(&world, "app"), config(&world, "small"));
    assert_eq!(old.rootfs.diff_ids[0], new.rootfs.diff_ids[0]);
    assert_eq!(old.rootfs.diff_ids[2], new.rootfs.diff_ids[2]);
    let expected: Vec<_> = world
        .files("app")
        .into_iter()
        .filter(|line| !line.contains("README"))
        .collect();
    assert_eq!(world.files("small"), expected);
    let outcome = world.kiln(["trim", "small", "-t", "smaller"]);
    assert!(
        outcome.stderr.contains("nothing to leave out"),
        "{}",
        outcome.stderr
    );
    outcome.ok();
}

#[test]
fn own_patterns_and_rules() {
    let world = World::new();
    put(&world, "app", 3);
    world
        .kiln([
            "trim", "-q", "app", "-t", "one", "--rule", "none", "--drop", "/etc",
        ])
        .ok();
    assert!(world.files("one").iter().all(|line| !line.contains("etc")));
    world
        .kiln(["trim", "-q", "app", "-t", "two", "--keep", "**/README"])
        .ok();
    assert_eq!(world.files("two"), world.files("app"));
    world
        .kiln(["trim", "-q", "app", "-t", "all", "--rule", "all"])
        .ok();
    let error = world
        .kiln(["trim", "app", "-t", "x", "--rule", "dust"])
        .fails(1);
    assert!(error.contains("no rule `dust`"), "{error}");
    let error = world
        .kiln(["trim", "app", "-t", "x", "--drop", "a{b"])
        .fails(1);
    assert!(error.contains("`a{b` is not a pattern"), "{error}");
    let help = world.kiln(["trim", "--help"]).ok();
    assert!(help.contains("bytecode"), "{help}");
}
