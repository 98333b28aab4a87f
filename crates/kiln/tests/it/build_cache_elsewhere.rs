//! `kiln build --cache-to` and `--cache-from`.

use kiln_oci::{Index, Manifest};
use kiln_testkit::{Fault, MemoryRegistry, Rule};

use crate::world::World;

const DOCKERFILE: &str =
    "FROM scratch AS one\nCOPY a /one/a\nFROM scratch\nCOPY b /b\nCOPY --from=one /one /two\n";

fn world() -> World {
    let world = World::new();
    world.write("a", "a".repeat(3000));
    world.write("b", "b".repeat(3000));
    world
}

fn cached(world: &World, args: &[&str]) -> (usize, String) {
    world.write("Dockerfile", DOCKERFILE);
    let all = ["build", "--progress=plain", "."];
    let outcome = world.kiln(all.iter().chain(args));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let steps = outcome
        .stderr
        .lines()
        .filter(|line| line.ends_with("CACHED"));
    // The two stages' FROM are always at hand.
    (steps.count() - 2, outcome.stderr)
}

fn layers(registry: &MemoryRegistry) -> usize {
    let manifest = registry.manifest("cache", "main").unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    manifest.layers.len()
}

#[test]
fn a_registry_hands_results_to_another_machine() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/cache:main", registry.host());
    let from = format!("--cache-from={name}");
    let world_one = world();
    // A cache that is not there yet is no reason to stop.
    let (count, said) = cached(&world_one, &[&from, "--cache-to", &name]);
    assert_eq!(count, 0);
    assert!(said.contains("there is none yet"), "{said}");
    assert_eq!(layers(&registry), 2);
    let all = format!("type=registry,ref={name},mode=max");
    registry.forget_requests();
    cached(&world_one, &["--cache-to", &all]);
    assert_eq!(layers(&registry), 3);
    // The third layer and the config; what was there is not sent again.
    assert_eq!(registry.lines("PUT /v2/cache/blobs/").len(), 2);
    let two = world();
    registry.forget_requests();
    let (count, _) = cached(&two, &[&from, "-t", "app"]);
    assert_eq!(count, 3);
    assert_eq!(two.files("app").len(), 3);
    assert_eq!(registry.lines("GET /v2/cache/blobs/").len(), 4);
    // Now its own store has them.
    registry.forget_requests();
    assert_eq!(cached(&two, &[]).0, 3);
    assert!(registry.requests().is_empty());
}

#[test]
fn a_directory_does_the_same() {
    let one = world();
    let place = one.dir().join("kept");
    let to = format!(
        "type=local,dest={},mode=max,compression=gzip",
        place.display()
    );
    cached(&one, &["--cache-to", &to]);
    cached(&one, &["--cache-to", &to]);
    let index = std::fs::read(place.join("index.json")).unwrap();
    let index: Index = serde_json::from_slice(&index).unwrap();
    assert_eq!(index.manifests.len(), 1);
    let two = world();
    let from = format!("type=local,src={}", place.display());
    assert_eq!(cached(&two, &["--cache-from", &from]).0, 3);
    let (count, said) = cached(&world(), &["--cache-from", "type=local,src=nowhere"]);
    assert!(count == 0 && said.contains("not used"), "{said}");
}

#[test]
fn a_damaged_cache_costs_time_and_not_the_build() {
    let registry = MemoryRegistry::start();
    let name = format!("{}/cache:main", registry.host());
    cached(&world(), &["--cache-to", &name]);
    registry.inject(
        Rule::once("GET", "/blobs/", Fault::WrongByte)
            .after(1)
            .always(),
    );
    let two = world();
    let (count, said) = cached(&two, &["--cache-from", &name, "-t", "app"]);
    assert_eq!(count, 0);
    assert!(said.contains("cannot be used"), "{said}");
    assert_eq!(two.files("app").len(), 3);
    two.kiln(["scrub"]).ok();
}

#[test]
fn a_cache_that_cannot_be_written_fails_unless_that_is_allowed() {
    let registry = MemoryRegistry::start();
    registry.inject(Rule::once("POST", "/uploads/", Fault::status(403)).always());
    let world = world();
    world.write("Dockerfile", DOCKERFILE);
    let to = format!("type=registry,ref={}/cache:main", registry.host());
    world.kiln(["build", ".", "--cache-to", &to]).fails(1);
    let to = format!("{to},ignore-error=true");
    let (_, said) = cached(&world, &["--cache-to", &to]);
    assert!(said.contains("is not written"), "{said}");
    world
        .kiln(["build", ".", "--cache-to", "type=gha"])
        .fails(2);
}
