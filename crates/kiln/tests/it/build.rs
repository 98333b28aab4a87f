//! `kiln build`: what comes out.

use std::fs;

use crate::world::World;

#[test]
fn a_build_of_files_needs_no_rights_and_no_base() {
    let world = World::new();
    world.write("a/one.txt", "1");
    world.write("a/two.txt", "22");
    let out = world
        .build(
            "FROM scratch\nCOPY a /data\nENV X=y\nCMD [\"/x\"]\n",
            &["-t", "files"],
        )
        .ok();
    assert!(
        out.starts_with("built sha256:") && out.ends_with(" files:latest\n"),
        "{out}"
    );
    assert_eq!(
        world.files("files"),
        [
            "d 0755 0:0 0 data",
            "- 0644 0:0 1 data/one.txt",
            "- 0644 0:0 2 data/two.txt"
        ]
    );
}

#[test]
fn the_config_holds_what_the_instructions_say() {
    let world = World::new();
    let dockerfile = "FROM scratch\nARG WHO=me\nENV A=1 B=\"two words\"\nLABEL by=$WHO\nEXPOSE 80 53/UDP\n\
        USER web:web\nVOLUME /data\nSTOPSIGNAL SIGINT\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\n\
        HEALTHCHECK --interval=3s CMD true\nONBUILD COPY . /app\nENTRYPOINT [\"/entry\"]\nCMD run --fast\n";
    world
        .build(
            dockerfile,
            &[
                "-t",
                "config",
                "--build-arg",
                "WHO=you",
                "--label",
                "more=1",
            ],
        )
        .ok();
    let config = world.kiln(["inspect", "config", "--raw-config"]).ok();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let expected = serde_json::json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words"],
        "Labels": {"by": "you", "more": "1"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "User": "web:web", "Volumes": {"/data": {}}, "StopSignal": "SIGINT",
        "Shell": ["/bin/sh", "-e", "-c"],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 3_000_000_000_i64},
        "OnBuild": ["COPY . /app"],
        "Entrypoint": ["/entry"], "Cmd": ["/bin/sh", "-e", "-c", "run --fast"],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&config["config"][key], value, "{key}");
    }
}

#[test]
fn only_stages_that_the_target_reaches_are_built() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM nowhere AS unused\nRUN false\nFROM scratch AS one\nCOPY a /one\n\
        FROM scratch AS two\nCOPY --from=one /one /two\n";
    let outcome = world.build(dockerfile, &["-t", "two"]);
    assert!(!outcome.stderr.contains("unused"), "{}", outcome.stderr);
    outcome.ok();
    assert_eq!(world.files("two"), ["- 0644 0:0 1 two"]);
    world
        .build(dockerfile, &["-t", "one", "--target", "one"])
        .ok();
    assert_eq!(world.files("one"), ["- 0644 0:0 1 one"]);
}

#[test]
fn every_form_of_output_is_written() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    world
        .build(
            dockerfile,
            &[
                "-t",
                "x",
                "-o",
                "type=oci,dest=x.oci.tar",
                "-o",
                "type=oci,tar=false,dest=x.oci",
                "-o",
                "type=docker,dest=x.docker.tar",
                "-o",
                "type=tar,dest=x.tar",
                "-o",
                "type=local,dest=x.dir",
                "--iidfile",
                "id",
                "--metadata-file",
                "meta.json",
            ],
        )
        .ok();
    let dir = world.dir();
    assert_eq!(fs::read(dir.join("x.dir/a")).unwrap(), b"a");
    assert!(dir.join("x.oci/index.json").exists() && dir.join("x.oci/oci-layout").exists());
    let metadata: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("meta.json")).unwrap()).unwrap();
    assert_eq!(metadata["image.name"], "docker.io/library/x:latest");
    assert_eq!(
        metadata["containerimage.config.digest"],
        fs::read_to_string(dir.join("id")).unwrap()
    );
    for (archive, name) in [
        ("x.oci.tar", "one"),
        ("x.oci", "two"),
        ("x.docker.tar", "three"),
    ] {
        world.kiln(["load", "-i", archive, "-t", name]).ok();
        assert_eq!(world.files(name), ["- 0644 0:0 1 a"], "{archive}");
    }
    assert!(!fs::read_dir(&dir).unwrap().any(|entry| {
        entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("partial")
    }));
}

#[test]
fn several_platforms_give_an_index() {
    let world = World::new();
    world.write("a", "a");
    let dockerfile = "FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY a /a\n";
    world
        .build(
            dockerfile,
            &["-t", "many", "--platform", "linux/amd64,linux/arm64"],
        )
        .ok();
    for arch in ["amd64", "arm64"] {
        let platform = format!("--platform=linux/{arch}");
        let config = world
            .kiln(["inspect", "many", "--raw-config", &platform])
            .ok();
        assert!(config.contains(&format!(r#""arch":"{arch}""#)), "{config}");
    }
    let missing = world
        .kiln(["inspect", "many", "--platform=linux/s390x"])
        .fails(1);
    assert!(
        missing.contains("it has linux/amd64, linux/arm64"),
        "{missing}"
    );
}

#[test]
fn the_dockerfile_may_come_from_anywhere() {
    let world = World::new();
    world.write("sub/other.Dockerfile", "FROM scratch\nCOPY a /a\n");
    world.write("a", "a");
    world
        .kiln([
            "build",
            "-q",
            "-f",
            "sub/other.Dockerfile",
            "-t",
            "one",
            ".",
        ])
        .ok();
    world
        .kiln_with_input(
            ["build", "-q", "-f", "-", "-t", "two", "."],
            b"FROM scratch\nCOPY a /a\n",
        )
        .ok();
    assert_eq!(world.files("one"), world.files("two"));
    let text = b"FROM scratch\nCOPY <<X /x\nhello\nX\n";
    world
        .kiln_with_input(["build", "-q", "-t", "three", "-"], text)
        .ok();
    assert_eq!(world.files("three"), ["- 0644 0:0 6 x"]);
}

#[test]
fn an_archive_on_standard_input_is_a_context() {
    let world = World::new();
    world.write("ctx/Dockerfile", "FROM scratch\nCOPY sub /s\n");
    world.write("ctx/other", "FROM scratch\nCOPY sub/f /only\n");
    world.write("ctx/sub/f", "x");
    for flags in ["-cf", "-czf"] {
        let made = std::process::Command::new("tar")
            .args(["--owner=7", "--group=7", "-C", "ctx", flags, "ctx.tar", "."])
            .current_dir(world.dir())
            .status();
        assert!(made.unwrap().success());
        let archive = fs::read(world.dir().join("ctx.tar")).unwrap();
        world
            .kiln_with_input(["build", "-q", "-t", "x", "-"], &archive)
            .ok();
        assert_eq!(world.files("x"), ["d 0755 0:0 0 s", "- 0644 0:0 1 s/f"]);
        world
            .kiln_with_input(["build", "-q", "-t", "y", "-f", "other", "-"], &archive)
            .ok();
        assert_eq!(world.files("y"), ["- 0644 0:0 1 only"]);
    }
    let error = world.kiln_with_input(
        ["build", "-f", "nosuch", "-"],
        &fs::read(world.dir().join("ctx.tar")).unwrap(),
    );
    assert!(error.fails(1).contains("nosuch"));
}

#[test]
fn contexts_by_name_replace_images_and_directories() {
    let world = World::new();
    world.write("a", "a");
    world.write("other/b", "bb");
    world
        .build("FROM scratch\nCOPY a /a\n", &["-t", "real"])
        .ok();
    let dockerfile = "FROM pretended:1.0\nCOPY --from=extra b /b\n";
    world
        .build(
            dockerfile,
            &[
                "-t",
                "x",
                "--build-context",
                "pretended:1.0=docker-image://real",
                "--build-context",
                "extra=other",
            ],
        )
        .ok();
    assert_eq!(world.files("x"), ["- 0644 0:0 1 a", "- 0644 0:0 2 b"]);
}

#[test]
fn squashing_leaves_the_base_and_makes_one_layer() {
    let world = World::new();
    world.write("a", "a");
    world
        .build("FROM scratch\nCOPY a /base\n", &["-t", "base"])
        .ok();
    let dockerfile = "FROM base\nCOPY a /one\nCOPY a /two\nWORKDIR /three\n";
    world.build(dockerfile, &["-t", "wide"]).ok();
    world.build(dockerfile, &["-t", "flat", "--squash"]).ok();
    assert_eq!(world.files("wide"), world.files("flat"));
    let layers = |image: &str| {
        let config = world.kiln(["inspect", image, "--raw-config"]).ok();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let history = config["history"].as_array().unwrap().clone();
        let with_layer = history
            .iter()
            .filter(|step| step["empty_layer"] != true)
            .count();
        let count = config["rootfs"]["diff_ids"].as_array().unwrap().len();
        assert_eq!(with_layer, count, "history and layers of {image} agree");
        count
    };
    assert_eq!((layers("wide"), layers("flat")), (4, 2));
}

#[test]
fn advice_is_given_without_building() {
    let world = World::new();
    let out = world
        .build(
            "FROM scratch as x\nMAINTAINER me\nWORKDIR rel\n",
            &["--check"],
        )
        .ok();
    for rule in [
        "FromAsCasing",
        "MaintainerDeprecated",
        "WorkdirRelativePath",
    ] {
        assert!(out.contains(rule), "{rule} in {out}");
    }
    let out = world
        .build("# check=error=true\nFROM scratch as x\n", &["--check"])
        .fails(1);
    assert!(out.contains("finding"), "{out}");
    assert!(!world.home().join("blobs").exists(), "nothing was built");
}
