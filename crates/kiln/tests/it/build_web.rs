//! `kiln build` of what an HTTP server gives: archives and Dockerfiles.

use crate::web::{Web, build, refused};
use crate::world::World;

const COPY_ALL: &str = "FROM scratch\nCOPY . /\n";

#[test]
fn what_a_server_gives_is_an_archive_or_a_dockerfile() {
    let (world, web) = (World::new(), Web::start());
    let tar = kiln_testkit::Layer::new()
        .file("Dockerfile", COPY_ALL)
        .file("other/Dockerfile", "FROM scratch\nCOPY data /only\n")
        .file("data", "12345")
        .tar();
    let mut zstd = kiln_layer::compressor(vec![], &kiln_layer::Compression::zstd(3), 1).unwrap();
    std::io::Write::write_all(&mut zstd, &tar).unwrap();
    let zstd = zstd.finish().unwrap();
    build(
        &world,
        &web.file("plain.tar", tar.clone()),
        &["-f", "other/Dockerfile"],
    );
    assert_eq!(world.files("it"), ["- 0644 0:0 5 only"]);
    build(&world, &web.file("context.tar.zst", zstd.clone()), &[]);
    assert!(world.files("it").contains(&"- 0644 0:0 5 data".to_owned()));
    // Anything else is the Dockerfile, and the only file of the context. --file is not asked.
    let alone = web.file("alone", "FROM scratch\nCOPY . /\nLABEL x=1\n");
    build(&world, &alone, &["-f", "nosuch"]);
    assert_eq!(world.files("it"), ["- 0600 0:0 32 context"]);

    refused(
        &world,
        &web.file("page", "<!doctype html>"),
        &[],
        &["is a web page", ".git"],
    );
    refused(&world, &web.url("nothing"), &[], &["404", "nothing"]);
    refused(
        &world,
        &web.file("bad", "FORM scratch\n"),
        &[],
        &["/bad", "FORM", "FROM"],
    );
    refused(
        &world,
        &web.cut("cut.tar", &tar[..tar.len() / 2]),
        &[],
        &["cut.tar"],
    );
    let truncated = web.file("truncated.tar.zst", &zstd[..zstd.len() / 2]);
    refused(&world, &truncated, &[], &["truncated"]);
    refused(
        &world,
        &web.file("empty.tar", vec![0; 1024]),
        &[],
        &["empty.tar"],
    );
}

#[test]
fn the_dockerfile_alone_may_come_from_the_web() {
    let (world, web) = (World::new(), Web::start());
    world.write("here", "x");
    let url = web.file("d", "FROM scratch\nCOPY here /there\n");
    build(&world, ".", &["-f", &url]);
    assert_eq!(world.files("it"), ["- 0644 0:0 1 there"]);
    refused(&world, ".", &["-f", &web.url("nothing")], &["404"]);
    refused(
        &world,
        ".",
        &[
            "-f",
            &web.file("t.tar", kiln_testkit::Layer::new().file("x", "").tar()),
        ],
        &["archive"],
    );
}
