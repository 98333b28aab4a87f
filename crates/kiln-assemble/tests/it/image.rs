//! What an image holds, and that it is always the same.

use kiln_assemble::{AssembleError, Lock};
use kiln_layer::{Entry, Kind};
use kiln_testkit::debian::Deb;

use crate::world::{World, told};

fn base_files() -> Deb {
    Deb::new("base-files", "12")
        .directory("bin")
        .directory("etc")
        .directory("root")
        .file("etc/debian_version", "12\n")
        .directory("usr")
        .directory("usr/lib")
        .file("usr/lib/os-release", "ID=debian\n")
        .symlink("etc/os-release", "../usr/lib/os-release")
        .directory("var")
}

fn certificates() -> Deb {
    Deb::new("ca-certificates", "1")
        .field("Architecture", "all")
        .file("usr/share/ca-certificates/mozilla/Two.crt", "TWO\n")
        .file("usr/share/ca-certificates/mozilla/One.crt", "ONE\n")
        .file("usr/share/doc/ca-certificates/copyright", "free\n")
        .file("usr/share/doc/ca-certificates/changelog.gz", "long\n")
        .file("usr/share/man/man8/update.8.gz", "man\n")
}

fn tool() -> Deb {
    Deb::new("tool", "1")
        .field("Source", "toolbox")
        .file("bin/tool", "#!")
        .entry(
            Entry {
                mode: 0o644,
                ..Entry::new(
                    "bin/other",
                    Kind::Hardlink {
                        target: b"bin/tool".to_vec(),
                    },
                )
            },
            "",
        )
        .file("lib64/ld.so", "ld")
}

#[test]
fn an_image_is_what_dpkg_would_have_made_of_it() {
    let world = World::new(vec![base_files(), certificates(), tool()]);
    let seen = world
        .image("packages = [\"base-files\", \"ca-certificates\", \"tool\"]\ndrop = [\"docs\", \"man\"]")
        .unwrap();
    let paths = seen.paths();
    for path in [
        "bin -> usr/bin",
        "lib -> usr/lib",
        "lib64 -> usr/lib64",
        "usr/bin/tool",
        "usr/lib64/ld.so",
        "var/run -> /run",
        "var/lib/dpkg/status.d/tool",
        "var/lib/dpkg/status.d/ca-certificates.md5sums",
        "usr/share/doc/ca-certificates/copyright",
        "home/nonroot/",
        "tmp/",
    ] {
        assert!(
            paths.iter().any(|known| known == path),
            "{path} is not in {paths:#?}"
        );
    }
    for absent in ["changelog", "man8", "sbin"] {
        assert!(
            !paths.iter().any(|path| path.contains(absent)),
            "{absent}: {paths:#?}"
        );
    }
    assert_eq!(seen.text("etc/ssl/certs/ca-certificates.crt"), "ONE\nTWO\n");
    assert!(
        seen.text("var/lib/dpkg/status.d/tool")
            .starts_with("Package: tool\nVersion: 1\n")
    );
    assert!(seen.text("etc/passwd").contains("nonroot:x:65532:65532:"));
    assert_eq!(seen.text("usr/bin/other"), "#!");
    let config = &seen.image.config;
    assert_eq!(config.config.user, "65532");
    assert!(
        config
            .config
            .env
            .contains(&"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt".to_owned())
    );
    assert_eq!(config.created.as_deref(), Some("2024-01-01T00:00:00Z"));
    assert_eq!(seen.image.layers.len(), 4, "three sources, and the last");
    assert!(
        config.history[2]
            .created_by
            .as_deref()
            .unwrap()
            .contains("toolbox: tool 1")
    );
}

#[test]
fn files_users_and_settings_are_taken_from_the_image_file() {
    let world = World::new(vec![base_files()]);
    std::fs::write(world.path("server"), "binary").unwrap();
    let seen = world
        .image(
            "packages = [\"base-files\"]\n\
             [[user]]\nname = \"app\"\nuid = 1000\n\
             [[file]]\npath = \"/app/server\"\nsource = \"server\"\nmode = \"0755\"\nuid = 1000\n\
             [[file]]\npath = \"/etc/motd\"\ncontent = \"hello\\n\"\n\
             [[file]]\npath = \"/etc/os-release\"\ncontent = \"ID=mine\\n\"\n\
             [[file]]\npath = \"/data\"\ndirectory = true\nmode = \"0700\"\n\
             [config]\nuser = \"app\"\nentrypoint = [\"/app/server\"]\nworkdir = \"/data\"\nenv = { A = \"b\" }\n\
             labels = { \"org.example\" = \"x\" }\n",
        )
        .unwrap();
    assert_eq!(seen.text("app/server"), "binary");
    let server = seen.tree.get(b"app/server").unwrap().entry().clone();
    assert_eq!((server.mode, server.uid), (0o755, 1000));
    assert_eq!(seen.text("etc/os-release"), "ID=mine\n");
    assert_eq!(seen.tree.get(b"data").unwrap().entry().mode, 0o700);
    let config = &seen.image.config.config;
    assert_eq!(
        config.entrypoint.as_deref(),
        Some(&["/app/server".to_owned()][..])
    );
    assert_eq!(
        (
            config.working_dir.as_str(),
            config.labels["org.example"].as_str()
        ),
        ("/data", "x")
    );
    assert!(config.env.contains(&"A=b".to_owned()));
}

#[test]
fn the_same_lock_gives_the_same_digest_whatever_the_threads_and_the_store() {
    let packages = || {
        let many = (0..12).map(|number| {
            Deb::new(&format!("pkg{number}"), "1")
                .file(&format!("usr/share/{number}"), vec![number; 70_000])
        });
        many.chain([base_files(), certificates(), tool()])
            .collect::<Vec<_>>()
    };
    let names: Vec<String> = (0..12).map(|number| format!("\"pkg{number}\"")).collect();
    let text = format!(
        "packages = [{}, \"tool\", \"base-files\"]\nmax-layers = 6",
        names.join(", ")
    );
    let world = World::new(packages());
    let spec = world.spec(&text);
    let lock = world.lock(&spec).unwrap();
    let first = world.make_with(&spec, &lock, 1).unwrap().descriptor;
    assert_eq!(world.seen(&first).image.layers.len(), 6);
    for threads in [1, 2, 7] {
        let other = World::new(packages());
        let mut lock: Lock = lock
            .to_string()
            .replace(&world.server.url(), &other.server.url())
            .parse()
            .unwrap();
        let spec = other.spec(&text);
        lock.request = spec.request(&crate::world::architectures(&spec));
        assert_eq!(
            other.make_with(&spec, &lock, threads).unwrap().descriptor,
            first,
            "{threads} threads"
        );
    }
}

#[test]
fn images_share_the_layers_of_the_sources_they_share() {
    let world = World::new(vec![base_files(), certificates(), tool()]);
    let layers = |text: &str| {
        let seen = world.image(text).unwrap();
        let ids = seen.image.layers.iter().map(|layer| *layer.diff_id());
        ids.collect::<Vec<_>>()
    };
    let small = layers("packages = [\"tool\"]");
    let large = layers("packages = [\"base-files\", \"ca-certificates\", \"tool\"]");
    assert!(large.contains(&small[0]));
}

#[test]
fn several_architectures_make_an_index() {
    let both = ["amd64", "arm64"].map(|name| tool().field("Architecture", name));
    let world = World::new(both.to_vec());
    let spec = world.spec("architectures = [\"amd64\", \"arm64\"]\npackages = [\"tool\"]");
    let made = world.make(&spec, &world.lock(&spec).unwrap()).unwrap();
    let platforms: Vec<String> = made
        .images
        .iter()
        .map(|image| image.architecture.platform().to_string())
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(made.descriptor.media_type, kiln_oci::media_type::OCI_INDEX);
    let arm64 = world.seen(&made.images[1].descriptor);
    assert_eq!(arm64.image.config.platform, "linux/arm64".parse().unwrap());
}

#[test]
fn the_build_needs_only_the_lock_and_the_cache() {
    let mut world = World::new(vec![tool()]);
    let spec = world.spec("packages = [\"tool\"]");
    let lock = world.lock(&spec).unwrap();
    let _ = world.server.asked();
    let first = world.make(&spec, &lock).unwrap();
    assert_eq!(world.server.asked(), ["pool/main/tool_1_amd64.deb"]);
    world.offline = true;
    assert_eq!(
        world.make(&spec, &lock).unwrap().descriptor,
        first.descriptor
    );
    assert!(world.server.asked().is_empty());
}

#[test]
fn a_lock_for_other_wishes_is_refused() {
    let world = World::new(vec![tool(), base_files()]);
    let lock = world.lock(&world.spec("packages = [\"tool\"]")).unwrap();
    let other = world.spec("packages = [\"tool\", \"base-files\"]");
    assert!(matches!(
        world.make(&other, &lock),
        Err(AssembleError::Stale)
    ));
}

#[test]
fn two_packages_with_the_same_file_need_one_to_replace_the_other() {
    let old = || {
        Deb::new("old", "1")
            .file("usr/share/both", "old")
            .file("usr/share/old", "old")
    };
    let new = || Deb::new("new", "1").file("usr/share/both", "new");
    let text = "packages = [\"old\", \"new\"]";
    let error = World::new(vec![old(), new()]).image(text).err().unwrap();
    assert!(
        told(&error).contains("`/usr/share/both` is in both"),
        "{}",
        told(&error)
    );
    let wrong_version = new().field("Replaces", "old (<< 1)");
    assert!(World::new(vec![old(), wrong_version]).image(text).is_err());
    for same_source in ["old", "new"] {
        let replacing = new()
            .field("Replaces", "old (<= 1)")
            .field("Source", same_source);
        let world = World::new(vec![old().field("Source", "old"), replacing]);
        let seen = world.image(text).unwrap();
        assert_eq!(seen.text("usr/share/both"), "new");
        assert_eq!(seen.text("usr/share/old"), "old");
        let layers = seen.tree.layers().iter();
        let entries = layers.flat_map(|layer| &layer.entries);
        let times = entries
            .filter(|entry| entry.entry.path == b"usr/share/both")
            .count();
        assert_eq!(times, 1, "the replaced one is in no layer");
    }
}
