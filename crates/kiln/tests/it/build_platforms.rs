//! `kiln build --platform` with several platforms.

use crate::world::{World, list};

/// The digest of each platform's manifest, as the index of the layout `out` names them.
fn manifests(world: &World) -> Vec<String> {
    let read = |path: String| {
        let bytes = std::fs::read(world.dir().join("out").join(path)).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    let listed = |index: &serde_json::Value| -> Vec<String> {
        let digests = index["manifests"].as_array().unwrap().iter();
        digests
            .map(|entry| entry["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    let index = read("index.json".to_owned());
    match index["manifests"][0]["mediaType"].as_str() {
        Some("application/vnd.oci.image.index.v1+json") => {
            let digest = listed(&index).remove(0);
            listed(&read(format!("blobs/{}", digest.replace(':', "/"))))
        }
        _ => listed(&index),
    }
}

fn build(world: &World, dockerfile: &str, platforms: &str) -> (Vec<String>, String) {
    let _ = std::fs::remove_dir_all(world.dir().join("out"));
    let args = [
        "--reproducible",
        "--no-cache",
        "--platform",
        platforms,
        "-o",
        "type=oci,tar=false,dest=out",
    ];
    let outcome = world.build(dockerfile, &args);
    let stderr = outcome.stderr.clone();
    outcome.ok();
    (manifests(world), stderr)
}

#[test]
fn side_by_side_gives_what_one_after_the_other_gave() {
    let world = World::new();
    world.write("file", "x");
    let dockerfile = "FROM scratch AS one\nARG TARGETARCH\nCOPY file /$TARGETARCH\nFROM scratch\nCOPY --from=one / /\n\
        COPY file $UNKNOWN/file\n";
    let platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"];
    let (together, log) = build(&world, dockerfile, &platforms.join(","));
    let alone: Vec<String> = platforms
        .iter()
        .flat_map(|platform| build(&world, dockerfile, platform).0)
        .collect();
    assert_eq!(together, alone);
    for platform in platforms {
        assert!(
            log.contains(&format!(" [{platform} one 2/2] COPY file")),
            "{log}"
        );
    }
    assert_eq!(
        log.matches("undefined variable $UNKNOWN").count(),
        1,
        "{log}"
    );
    let (_, log) = build(&world, dockerfile, "linux/arm64");
    assert!(log.contains(" [one 2/2] COPY file"), "{log}");
}

#[test]
fn platforms_are_built_at_the_same_time_and_share_what_is_the_same() {
    let test = "platforms_are_built_at_the_same_time_and_share_what_is_the_same";
    let Some(world) = World::with_base(test) else {
        return;
    };
    // Each platform waits for the other through a shared cache: one after the other they would never end.
    let dockerfile = "FROM --platform=$BUILDPLATFORM base AS same\nRUN cat /proc/sys/kernel/random/uuid >/id\n\
        FROM --platform=$BUILDPLATFORM same AS meet\nARG TARGETARCH\nRUN --mount=type=cache,target=/m \
        touch /m/$TARGETARCH; n=0; while [ ! -e /m/ppc64le ] || [ ! -e /m/s390x ]; do \
        sleep 0.1; n=$((n+1)); [ $n -lt 300 ] || exit 1; done; echo $TARGETARCH >/arch\n\
        FROM scratch\nCOPY --from=same /id /\nCOPY --from=meet /arch /\n";
    let dest = world.dir().join("out");
    let output = format!("type=tar,dest={}", dest.display());
    let platforms = "linux/ppc64le,linux/s390x";
    let outcome = world.build(
        dockerfile,
        &[
            "--no-cache",
            "--jobs=2",
            "--platform",
            platforms,
            "-o",
            &output,
        ],
    );
    let log = outcome.stderr.clone();
    outcome.ok();
    let host = kiln_oci::Platform::host().to_string();
    assert!(
        log.contains(&format!(" [{host}->s390x meet 2/2] RUN")),
        "{log}"
    );
    let content = |arch: &str, name: &str| {
        let tar = world.dir().join(format!("out.linux_{arch}"));
        assert_eq!(list(&tar).len(), 2);
        let file = std::process::Command::new("tar")
            .arg("-xOf")
            .arg(tar)
            .arg(name)
            .output()
            .unwrap();
        String::from_utf8(file.stdout).unwrap()
    };
    assert_eq!(
        content("ppc64le", "id"),
        content("s390x", "id"),
        "made once"
    );
    assert_eq!(
        (&*content("ppc64le", "arch"), &*content("s390x", "arch")),
        ("ppc64le\n", "s390x\n")
    );
}

#[test]
fn one_platform_that_fails_is_the_error_of_all() {
    let world = World::new();
    world.write("amd64", "x");
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n";
    let args = ["--platform", "linux/amd64,linux/s390x"];
    let error = world.build(dockerfile, &args).fails(1);
    assert!(
        error.contains("[linux/s390x stage-0 2/2]") && error.contains("`s390x`"),
        "{error}"
    );
    let base = "FROM nosuch:1\n";
    let error = world.build(base, &args).fails(1);
    assert!(
        error.contains("nosuch:1") && !error.contains("interrupted"),
        "{error}"
    );
}
