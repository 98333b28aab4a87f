//! `kiln key`.

use std::os::unix::fs::PermissionsExt as _;

use crate::world::World;

/// A world with a password in the file `pw` and the key pair `NAME`.
pub(super) fn with_keys(names: &[&str]) -> World {
    let world = World::new();
    world.write("pw", "correct horse\n");
    for name in names {
        world
            .kiln(["key", "generate", "--password-file=pw", "-o", name])
            .ok();
    }
    world
}

fn text(world: &World, file: &str) -> String {
    std::fs::read_to_string(world.dir().join(file)).unwrap()
}

#[test]
fn made_shown_and_never_in_the_clear() {
    let world = with_keys(&["team"]);
    let private = text(&world, "team.key");
    assert!(private.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    let mode = std::fs::metadata(world.dir().join("team.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = world.kiln(["key", "show", "team.pub"]).ok();
    assert!(
        shown.starts_with("ECDSA P-256 ") && shown.ends_with(&text(&world, "team.pub")),
        "{shown}"
    );
    assert_eq!(
        world
            .kiln(["key", "show", "team.key", "--password-file=pw"])
            .ok(),
        shown
    );
    let json: serde_json::Value =
        serde_json::from_str(&world.kiln(["key", "show", "--json", "team.pub"]).ok()).unwrap();
    assert_eq!(json["kind"], "ECDSA P-256");
    world.write("wrong", "wrong horse\n");
    let said = world
        .kiln(["key", "show", "team.key", "--password-file=wrong"])
        .fails(1);
    assert!(said.contains("the password is wrong"), "{said}");
    let said = world
        .kiln(["key", "generate", "--password-file=pw", "-o", "team"])
        .fails(1);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(text(&world, "team.key"), private);
}

#[test]
fn the_password_of_a_variable_may_be_empty() {
    let world = World::new();
    let run = |variable: &str, args: &[&str]| {
        let output = world.command(args).env(variable, "").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run("COSIGN_PASSWORD", &["key", "generate", "--kind=ed25519"]);
    run("KILN_KEY_PASSWORD", &["key", "show", "kiln.key"]);
}

#[test]
fn imported_from_another_tool() {
    let world = with_keys(&[]);
    let plain = include_str!("../../../kiln-trust/tests/data/rsa.pem");
    world.write("rsa.pem", plain);
    world
        .kiln(["key", "import", "rsa.pem", "-o", "in", "--password-file=pw"])
        .ok();
    let shown = world
        .kiln(["key", "show", "in.key", "--password-file=pw"])
        .ok();
    assert!(shown.starts_with("RSA 2048 "), "{shown}");
    let said = world
        .kiln(["key", "import", "pw", "-o", "x", "--password-file=pw"])
        .fails(1);
    assert!(said.contains("not a private key"), "{said}");
    for key in ["pkcs11:token=x", "awskms:///alias/x", "hashivault://x"] {
        let said = world.kiln(["key", "show", key]).fails(1);
        assert!(said.contains("cannot be used yet"), "{said}");
    }
    let said = world.kiln(["key", "show", "env://NOT_THERE"]).fails(1);
    assert!(said.contains("`NOT_THERE` is not set"), "{said}");
}

#[test]
fn a_successor_and_a_list_of_what_is_called_back() {
    let world = with_keys(&["old", "admin"]);
    world
        .kiln([
            "key",
            "rotate",
            "old.key",
            "-o",
            "new",
            "--password-file=pw",
        ])
        .ok();
    assert!(text(&world, "new.rotation.json").contains("application/vnd.kiln.rotation.v1+json"));
    let revoke = |more: &[&str]| {
        let args = [
            "key",
            "revoke",
            "--list=revoked.json",
            "--key=admin.key",
            "--password-file=pw",
        ];
        world.kiln(args.iter().chain(more)).ok()
    };
    assert!(revoke(&["--revoke-key=old.pub", "--reason=lost"]).starts_with("list 1 until "));
    let said = revoke(&["--certificate=00ab"]);
    assert!(
        said.starts_with("list 2 until ") && said.contains("1 keys, 1 certificates, 0 digests"),
        "{said}"
    );
    // Nobody else's list is taken over.
    let other = [
        "key",
        "revoke",
        "--list=revoked.json",
        "--key=old.key",
        "--password-file=pw",
    ];
    let said = world.kiln(other).fails(1);
    assert!(said.contains("signed by 0 of the keys"), "{said}");
}
