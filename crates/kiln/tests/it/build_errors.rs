//! `kiln build`: what is said when it cannot be done.

use crate::world::World;

#[test]
fn mistakes_are_shown_with_their_place_and_a_way_out() {
    let world = World::new();
    world.write("real.txt", "x");
    for (dockerfile, expected) in [
        ("FORM scratch\n", &["Dockerfile:1:1", "FORM", "FROM"][..]),
        (
            "FROM scratch\nCOPY --chwon=1 a /\n",
            &["Dockerfile:2", "chwon", "chown"],
        ),
        (
            "FROM scratch\nCOPY rael.txt /\n",
            &["rael.txt", "the build context", "real.txt"],
        ),
        ("FROM scratch\nCOPY --from=biulder /x /\n", &["biulder"]),
        ("FROM scratch\nRUN <<EOF\necho\n", &["EOF"]),
        ("FROM scratch\nUSER\n", &["USER"]),
        (
            "FROM 127.0.0.1:1/missing:1\n",
            &["missing:1", "refused", "hint: is the server up"],
        ),
        ("", &["Dockerfile"]),
        (
            "FROM scratch\nCOPY real.txt /a\nCOPY real.txt /a/b\n",
            &["cannot copy into `/a`", "not a directory"],
        ),
        (
            "FROM scratch\nCOPY --chown=nobody real.txt /x\n",
            &["no user `nobody`"],
        ),
    ] {
        let error = world.build(dockerfile, &[]).fails(1);
        for part in expected {
            assert!(
                error.contains(part),
                "{part:?} in the answer to {dockerfile:?}:\n{error}"
            );
        }
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn wrong_flags_are_named() {
    let world = World::new();
    world.write("Dockerfile", "FROM scratch\n");
    for (args, expected) in [
        (&["--platform", "teapot"][..], "teapot"),
        (&["--output", "type=ship,dest=x"], "ship"),
        (&["--output", "type=oci"], "dest=PATH"),
        (&["--network", "moon"], "moon"),
        (&["--secret", "id=x,src=missing"], "missing"),
        (&["--secret", "id=NOT_SET"], "NOT_SET"),
        (&["--ssh", "default"], "SSH_AUTH_SOCK"),
        (&["--build-context", "x=ftp://y"], "ftp"),
        (&["--ulimit", "speed=1"], "speed"),
        (&["--allow", "all"], "all"),
        (&["-t", "UPPER"], "lower case"),
        (&["--target", "nosuch"], "nosuch"),
        (&["--provenance"], "kiln makes no attestations"),
        (&["--provenance=mode=max"], "kiln makes no attestations"),
        (&["--sbom=true"], "--sbom=false"),
        (&["--attest", "type=sbom"], "--attest type=sbom"),
        (&["--call", "check", "--check"], "--check"),
    ] {
        let all: Vec<&str> = ["build", "."]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let outcome = world.kiln(all);
        assert!(matches!(outcome.code, Some(1 | 2)), "{args:?}: {outcome:?}");
        assert!(
            outcome.stderr.contains(expected),
            "{expected:?} in {}",
            outcome.stderr
        );
    }
}

#[test]
fn to_ask_for_no_attestation_is_fine() {
    let world = World::new();
    world.write("Dockerfile", "FROM scratch\n");
    let none = [
        "--provenance=false",
        "--sbom=false",
        "--attest=type=provenance,disabled=true",
    ];
    world.kiln(["build", "-q", "."].iter().chain(&none)).ok();
}

#[test]
fn a_context_that_is_not_there_is_named() {
    let world = World::new();
    assert!(
        world
            .kiln(["build", "nowhere"])
            .fails(1)
            .contains("`nowhere` does not exist")
    );
    world.write("file", "");
    assert!(
        world
            .kiln(["build", "file"])
            .fails(1)
            .contains("`file` is not a directory")
    );
    assert!(
        world
            .kiln(["build", "."])
            .fails(1)
            .contains("no Dockerfile")
    );
    // Nobody listens on this port: 1 is reserved for a service that is long gone.
    for url in ["http://127.0.0.1:1/x.git", "http://127.0.0.1:1/x.tar"] {
        assert!(world.kiln(["build", url]).fails(1).contains(url));
    }
}
