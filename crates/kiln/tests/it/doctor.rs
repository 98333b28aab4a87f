//! `kiln doctor`.

use crate::world::World;

#[test]
fn every_check_has_a_verdict_and_a_meaning() {
    let world = World::new();
    let outcome = world.kiln(["doctor", "--json"]);
    let verdicts: Vec<serde_json::Value> = serde_json::from_str(&outcome.stdout).unwrap();
    let checks: Vec<&str> = verdicts
        .iter()
        .map(|v| v["check"].as_str().unwrap())
        .collect();
    for check in [
        "kernel",
        "user namespaces",
        "cgroups",
        "binfmt",
        "inotify",
        "store",
        "disk",
    ] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }
    for verdict in &verdicts {
        assert!(!verdict["means"].as_str().unwrap().is_empty(), "{verdict}");
    }
    let bad = verdicts.iter().any(|verdict| verdict["grade"] == "bad");
    assert_eq!(outcome.code, Some(i32::from(bad)));
    assert!(world.kiln(["doctor"]).stdout.contains("kernel: "));
}
