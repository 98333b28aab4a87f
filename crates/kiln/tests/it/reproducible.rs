//! The same input gives the same digest.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::world::World;

#[test]
fn another_checkout_another_time_and_any_number_of_jobs_give_the_same_digest() {
    let Some(world) = World::with_base(
        "another_checkout_another_time_and_any_number_of_jobs_give_the_same_digest",
    ) else {
        return;
    };
    let dockerfile = "FROM base AS one\nCOPY d /d\nRUN mkdir /new && echo $SOURCE_DATE_EPOCH >/new/file\nFROM base\n\
        COPY --from=one /new /new\nCOPY --from=one /d /d\nWORKDIR /w\n";
    world.write("d/a", "a");
    world.write("d/b/c", "c");
    let build = |args: &[&str]| {
        let all: Vec<&str> = ["-q", "--reproducible"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        world.build(dockerfile, &all).ok()
    };
    let first = build(&[]);
    assert_eq!(first, build(&["--no-cache", "--jobs", "1"]));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    fs::rename(world.dir().join("d"), world.dir().join("old")).unwrap();
    world.write("d/b/c", "c");
    world.write("d/a", "a");
    assert_eq!(
        first,
        build(&["--no-cache", "--jobs", "4"]),
        "another checkout"
    );
    assert_ne!(
        first,
        build(&["--build-arg", "SOURCE_DATE_EPOCH=1000"]),
        "the epoch counts"
    );
    fs::set_permissions(world.dir().join("d/a"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_ne!(first, build(&[]), "and so does a mode");
}

#[test]
fn a_step_that_reads_the_clock_is_found_out() {
    let Some(world) = World::with_base("a_step_that_reads_the_clock_is_found_out") else {
        return;
    };
    let good = "FROM base\nRUN echo same >/same\n";
    let told = world.build(good, &["--check-reproducible"]);
    assert!(
        told.stderr.contains("reproducible: both builds gave"),
        "{}",
        told.stderr
    );
    told.ok();
    let bad = "FROM base\nRUN cat /proc/sys/kernel/random/uuid >/other\n";
    let error = world.build(bad, &["--check-reproducible"]).fails(1);
    assert!(
        error.contains("/other") && error.contains("its content"),
        "{error}"
    );
}

#[test]
fn exports_of_one_image_are_equal_to_the_byte() {
    let world = World::new();
    world.write("a", "a".repeat(3_000_000));
    let dockerfile = "FROM scratch\nCOPY a /a\n";
    for compression in ["zstd", "gzip", "none"] {
        let mut archives = vec![];
        for number in 0..2 {
            let output = format!("type=oci,dest={number}.tar,compression={compression}");
            world
                .build(dockerfile, &["-q", "--reproducible", "-o", &output])
                .ok();
            archives.push(fs::read(world.dir().join(format!("{number}.tar"))).unwrap());
            world.kiln(["prune"]).ok();
        }
        assert!(archives[0] == archives[1], "{compression}");
    }
}
