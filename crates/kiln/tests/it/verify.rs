//! `kiln verify`.

use kiln_testkit::MemoryRegistry;

use super::key::with_keys;
use super::pull::image;
use crate::world::World;

const POLICY: &str = "version = 1\n\
    [[key]]\nname = 'a'\nfile = 'keys/a.pub'\n\
    [[key]]\nname = 'admin'\nfile = 'keys/admin.pub'\n\
    [[role]]\nname = 'team'\nkeys = ['a']\n\
    [[role]]\nname = 'security'\nkeys = ['admin']\n\
    [[image]]\nrepositories = ['*/team/**']\n\
    require = [{ role = 'team' }, { role = 'security', predicate = 'scan', where = [{ path = '/critical', at-most = 0 }] }]\n\
    [revocation]\nfile = 'revoked.json'\nrole = 'security'\n";

fn run(world: &World, args: &[&str]) -> String {
    world.kiln(args.iter().chain(&["--password-file=pw"])).ok()
}

#[test]
fn a_policy_with_roles_conditions_and_a_list() {
    let registry = MemoryRegistry::start();
    let digest = registry.put_image("team/app", Some("1"), &image(1));
    registry.put_image("other", Some("1"), &image(2));
    let world = with_keys(&["a", "admin"]);
    for name in ["a", "admin"] {
        let content = std::fs::read(world.dir().join(format!("{name}.pub"))).unwrap();
        world.write(&format!("trust/keys/{name}.pub"), content);
    }
    world.write("trust/trust.toml", POLICY);
    let name = format!("{}/team/app:1", registry.host());
    let verify = || world.kiln(["verify", &name, "--policy=trust/trust.toml"]);
    assert!(
        verify()
            .fails(1)
            .contains("cannot read the revocation list")
    );
    let revoke = [
        "key",
        "revoke",
        "--list=trust/revoked.json",
        "--key=admin.key",
    ];
    run(&world, &revoke);
    let said = verify();
    assert!(
        said.stdout.contains("no  a signature by `team`"),
        "{said:?}"
    );
    run(&world, &["sign", &name, "--key=a.key"]);
    world.write("bad.json", r#"{"critical":3}"#);
    run(
        &world,
        &[
            "attest",
            &name,
            "--key=admin.key",
            "--type=scan",
            "--predicate=bad.json",
        ],
    );
    let said = verify();
    assert!(
        said.stdout.contains("yes a signature by `team`"),
        "{said:?}"
    );
    assert!(
        said.stdout
            .contains("`/critical` is 3, which is not at most 0"),
        "{said:?}"
    );
    said.fails(1);
    world.write("good.json", r#"{"critical":0}"#);
    run(
        &world,
        &[
            "attest",
            &name,
            "--key=admin.key",
            "--type=scan",
            "--predicate=good.json",
        ],
    );
    let said = verify().ok();
    assert!(
        said.starts_with(&format!("verified {}/team/app@{digest}\n", registry.host())),
        "{said}"
    );
    // A repository without a rule.
    let other = format!("{}/other:1", registry.host());
    let said = world
        .kiln(["verify", &other, "--policy=trust/trust.toml"])
        .fails(1);
    assert!(said.contains("no rule"), "{said}");
    // Called back, and the list put back to what it was before.
    let old = std::fs::read(world.dir().join("trust/revoked.json")).unwrap();
    let digest = format!("--digest={digest}");
    let more = [&revoke[..], &[&digest, "--reason=retired"]].concat();
    run(&world, &more);
    let said = verify();
    assert!(said.stdout.contains("is revoked: retired"), "{said:?}");
    said.fails(1);
    world.write("trust/revoked.json", old);
    let said = verify().fails(1);
    assert!(said.contains("it was rolled back"), "{said}");
}

#[test]
fn several_images_as_json() {
    let registry = MemoryRegistry::start();
    let digest = registry.put_image("app", Some("1"), &image(1));
    registry.put_image("app", Some("2"), &image(2));
    let world = with_keys(&["a", "b"]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.host());
    run(&world, &["sign", &name("1"), "--key=a.key"]);
    run(&world, &["sign", &name("2"), "--key=b.key"]);
    let outcome = world.kiln([
        "verify",
        "--json",
        "--key=a.pub",
        &name("1"),
        &name("2"),
        &name("3"),
    ]);
    let lines: Vec<serde_json::Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(outcome.fails(1).contains("2 of 3 images"));
    assert_eq!(lines[0]["allowed"], true);
    assert_eq!(lines[0]["digest"], digest.to_string());
    assert_eq!(lines[1]["decisions"][0]["refused"][0]["code"], "stranger");
    assert!(lines[2]["error"].as_str().unwrap().contains("is not there"));
    // Any one of several keys is enough.
    world
        .kiln([
            "verify",
            "--key=a.pub",
            "--key=b.pub",
            &name("1"),
            &name("2"),
        ])
        .ok();
    world.kiln(["verify", &name("1")]).fails(2);
    world
        .kiln(["verify", &name("1"), "--key=a.pub", "--policy=x"])
        .fails(2);
}

#[test]
fn a_copy_keeps_its_signatures() {
    let (one, two) = (MemoryRegistry::start(), MemoryRegistry::start());
    one.put_image("app", Some("1"), &image(1));
    let world = with_keys(&["a"]);
    let (from, to) = (
        format!("{}/app:1", one.host()),
        format!("{}/mirror:1", two.host()),
    );
    for format in ["tag", "bundle"] {
        run(
            &world,
            &["sign", &from, "--key=a.key", &format!("--format={format}")],
        );
        world.kiln(["copy", &from, &to]).ok();
        world.kiln(["verify", &to, "--key=a.pub"]).ok();
    }
}
