//! `kiln assemble`, against a signed repository on the loopback interface.

use std::collections::BTreeMap;

use kiln_testkit::debian::{Deb, DebianRepository, FileServer, SigningKey};

use crate::world::World;

/// A world with a repository, and what serves it.
struct Assembly {
    world: World,
    server: FileServer,
    key: SigningKey,
}

impl Assembly {
    fn new(packages: Vec<Deb>) -> Self {
        let key = SigningKey::new(true);
        let server = FileServer::start(DebianRepository::new(packages).publish(&key));
        let world = World::new();
        world.write("archive.gpg", key.keyring());
        Self { world, server, key }
    }

    fn write(&self, text: &str) {
        let repository = format!(
            "[[repository]]\nurl = \"{}\"\nsuites = [\"stable\"]\nkeyring = \"archive.gpg\"\n",
            self.server.url()
        );
        self.world
            .write("image.toml", format!("{text}\n{repository}"));
    }
}

fn app(version: &str) -> Deb {
    Deb::new("app", version)
        .file("usr/bin/app", version)
        .field("Depends", "data")
}

fn data() -> Deb {
    Deb::new("data", "1")
        .field("Architecture", "all")
        .file("usr/share/data", "data")
}

const TEXT: &str = "architectures = [\"amd64\"]\npackages = [\"app\"]";

#[test]
fn an_image_is_locked_made_and_there() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    let world = &assembly.world;
    assembly.write(TEXT);
    let error = world.kiln(["assemble", "-t", "mine"]).fails(1);
    assert!(
        error.contains("hint: find the packages first: kiln assemble lock"),
        "{error}"
    );
    let said = world.kiln(["assemble", "lock"]);
    assert!(
        said.stderr.contains("locked packages: 2 for amd64"),
        "{}",
        said.stderr
    );
    said.ok();
    let lock = std::fs::read_to_string(world.dir().join("image.lock")).unwrap();
    assert!(lock.contains("name = \"data\""), "{lock}");
    let digest = world.kiln(["assemble", "-t", "mine"]).ok();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let again = world.kiln(["assemble", "--offline", "--threads=1", "-q"]);
    assert_eq!(
        (again.stdout.as_str(), again.stderr.as_str()),
        (digest.as_str(), "")
    );
    let history = world.kiln(["history", "mine"]).ok();
    assert!(history.contains("app: app 1"), "{history}");
    world
        .kiln(["save", "mine", "-o", "mine.tar", "--format", "oci"])
        .ok();
}

#[test]
fn an_update_says_what_changed() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    let world = &assembly.world;
    assembly.write(TEXT);
    world.kiln(["assemble", "lock"]).ok();
    let newer = DebianRepository::new(vec![
        app("2").field("Depends", "other"),
        Deb::new("other", "3"),
    ]);
    assembly.server.replace(newer.publish(&assembly.key));
    let kept = world.kiln(["assemble", "lock"]);
    assert!(kept.stderr.contains("up to date"), "{}", kept.stderr);
    let updated = world.kiln(["assemble", "lock", "--update"]);
    for line in [
        "  app 1 -> 2 (amd64)",
        "- data 1 (amd64)",
        "+ other 3 (amd64)",
    ] {
        assert!(updated.stderr.contains(line), "{}", updated.stderr);
    }
    // A build asks for what is locked, and the mirror no longer has the old one.
    assembly.write("architectures = [\"amd64\"]\npackages = [\"other\"]");
    let stale = world.kiln(["assemble"]).fails(1);
    assert!(
        stale.contains("hint: make it anew: kiln assemble lock"),
        "{stale}"
    );
}

#[test]
fn what_is_wrong_is_said_with_the_line_or_the_package() {
    let assembly = Assembly::new(vec![app("1")]);
    let world = &assembly.world;
    assert!(
        world
            .kiln(["assemble"])
            .fails(1)
            .contains("cannot read `image.toml`")
    );
    assembly.write("architectures = [\"amd64\"]\npackage = [\"app\"]");
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("image.toml:2: unknown field `package`"),
        "{error}"
    );
    assembly.write(TEXT);
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("no set of packages for amd64") && error.contains("data"),
        "{error}"
    );
    assert!(!world.dir().join("image.lock").exists());
    world.write("image.lock", "version = 9");
    let error = world.kiln(["assemble", "lock"]).fails(1);
    assert!(error.contains("lock file"), "{error}");
}

#[test]
fn a_stranger_is_not_trusted() {
    let assembly = Assembly::new(vec![app("1"), data()]);
    assembly.write(TEXT);
    let stranger = SigningKey::new(false);
    let files: BTreeMap<_, _> = DebianRepository::new(vec![app("1"), data()]).publish(&stranger);
    assembly.server.replace(files);
    let error = assembly.world.kiln(["assemble", "lock"]).fails(1);
    assert!(
        error.contains("is not trusted") && error.contains("hint: is the keyring"),
        "{error}"
    );
    assembly.world.write("archive.gpg", "no keys");
    let error = assembly.world.kiln(["assemble", "lock"]).fails(1);
    assert!(error.contains("the keyring"), "{error}");
}

#[test]
fn presets_begin_an_image_file_or_are_made_at_once() {
    let packages = ["base-files", "ca-certificates", "netbase", "tzdata"].map(|name| {
        Deb::new(name, "1")
            .field("Architecture", "all")
            .file(&format!("usr/share/{name}"), name)
    });
    let assembly = Assembly::new(packages.to_vec());
    let world = &assembly.world;
    let url = assembly.server.url();
    let source = ["--preset=static", "--keyring=archive.gpg", "--mirror", &url];
    world.kiln(["assemble", "new"].iter().chain(&source)).ok();
    let again = world
        .kiln(["assemble", "new"].iter().chain(&source))
        .fails(1);
    assert!(again.contains("--force"), "{again}");
    world.kiln(["assemble", "lock"]).ok();
    let from_file = world.kiln(["assemble"]).ok();
    let at_once = world
        .kiln(["assemble", "-t", "small"].iter().chain(&source))
        .ok();
    assert_eq!(from_file, at_once);
    let error = world.kiln(["assemble", "--preset=windows"]).fails(2);
    assert!(error.contains("there are static, busybox"), "{error}");
    let error = world.kiln(["assemble", "--preset=static"]).fails(2);
    assert!(error.contains("needs --mirror"), "{error}");
}
