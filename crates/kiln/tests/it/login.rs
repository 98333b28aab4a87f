//! `kiln login`.

use kiln_testkit::{Auth, MemoryRegistry, RegistryOptions};

use super::pull::image;
use crate::world::World;

fn private() -> MemoryRegistry {
    MemoryRegistry::with(RegistryOptions {
        auth: Auth::basic(),
        ..RegistryOptions::default()
    })
}

#[test]
fn a_login_is_tried_kept_and_used() {
    let mut bearer = Auth::bearer();
    if let Auth::Bearer { anonymous_pull, .. } = &mut bearer {
        *anonymous_pull = false;
    }
    for auth in [Auth::basic(), bearer] {
        let registry = MemoryRegistry::with(RegistryOptions {
            auth,
            ..RegistryOptions::default()
        });
        registry.put_image("app", Some("1"), &image(1));
        let host = registry.host();
        let name = format!("{host}/app:1");
        let world = World::new();
        let said = world.kiln(["pull", &name]).fails(1);
        assert!(said.contains(&format!("kiln login {host}")), "{said}");
        let args = ["login", &host, "-u", "kiln", "--password-stdin"];
        let said = world.kiln_with_input(args, b"wrong\n").fails(1);
        assert!(said.contains("hint"), "{said}");
        let said = world.kiln_with_input(args, b"secret\n").ok();
        assert_eq!(said, format!("logged in to {host} as kiln\n"));
        world.kiln(["pull", &name]).ok();
        let file = world.dir().join("../.docker/config.json");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        world.kiln(["logout", &host]).ok();
        assert!(!std::fs::read_to_string(&file).unwrap().contains(&host));
    }
}

#[test]
fn without_a_terminal_somebody_must_give_both() {
    let host = private().host();
    let world = World::new();
    world
        .kiln_with_input(["login", &host, "--password-stdin"], b"x")
        .fails(2);
    let args = ["login", &host, "-u", "user", "--password-stdin"];
    world.kiln_with_input(args, b"\n").fails(1);
    let said = world.kiln(["login", "example.org/team"]).fails(2);
    assert!(said.contains("HOST"), "{said}");
}
