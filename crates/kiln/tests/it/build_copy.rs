//! COPY and ADD: which files, where, with which owner and mode.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::world::World;

#[test]
fn directories_patterns_and_names_copy_as_everybody_expects() {
    let world = World::new();
    for file in ["d/one", "d/sub/two", "x1.txt", "x2.txt"] {
        world.write(file, file);
    }
    let dockerfile = "FROM scratch\nCOPY d /contents\nCOPY d/one /renamed\nCOPY d/one /into/\nCOPY *.txt /glob/\n\
        COPY nothing*.here /none/\nWORKDIR /work\nCOPY d/one rel\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    assert_eq!(
        world.files("x"),
        [
            "d 0755 0:0 0 contents",
            "- 0644 0:0 5 contents/one",
            "d 0755 0:0 0 contents/sub",
            "- 0644 0:0 9 contents/sub/two",
            "d 0755 0:0 0 glob",
            "- 0644 0:0 6 glob/x1.txt",
            "- 0644 0:0 6 glob/x2.txt",
            "d 0755 0:0 0 into",
            "- 0644 0:0 5 into/one",
            "- 0644 0:0 5 renamed",
            "d 0755 0:0 0 work",
            "- 0644 0:0 5 work/rel",
        ]
    );
}

#[test]
fn owners_modes_parents_and_excludes_are_obeyed() {
    let world = World::new();
    for file in ["a/b/c.txt", "a/b/d.md", "a/e.txt"] {
        world.write(file, "x");
    }
    let dockerfile = "FROM scratch\nCOPY --chown=12:34 a/e.txt /own/e\nCOPY --chown=7 a/e.txt /user\n\
        COPY --chmod=0600 a/e.txt /mode\nCOPY --chmod=u=rwX,go=rX a/b /sym\nCOPY --parents a/b/c.txt /p/\n\
        COPY --parents a/./b/c.txt /q/\nCOPY --exclude=**/*.md a /ex\nCOPY --link a/e.txt /linked/e\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    assert_eq!(
        world.files("x"),
        [
            "d 0755 0:0 0 ex",
            "d 0755 0:0 0 ex/b",
            "- 0644 0:0 1 ex/b/c.txt",
            "- 0644 0:0 1 ex/e.txt",
            "d 0755 0:0 0 linked",
            "- 0644 0:0 1 linked/e",
            "- 0600 0:0 1 mode",
            "d 0755 12:34 0 own",
            "- 0644 12:34 1 own/e",
            "d 0755 0:0 0 p",
            "d 0755 0:0 0 p/a",
            "d 0755 0:0 0 p/a/b",
            "- 0644 0:0 1 p/a/b/c.txt",
            "d 0755 0:0 0 q",
            "d 0755 0:0 0 q/b",
            "- 0644 0:0 1 q/b/c.txt",
            "d 0755 0:0 0 sym",
            "- 0644 0:0 1 sym/c.txt",
            "- 0644 0:0 1 sym/d.md",
            "- 0644 7:7 1 user",
        ]
    );
}

#[test]
fn links_stay_links_inside_and_are_followed_on_the_way() {
    let world = World::new();
    world.write("d/file", "x");
    let dir = world.dir();
    symlink("file", dir.join("d/soft")).unwrap();
    fs::hard_link(dir.join("d/file"), dir.join("d/hard")).unwrap();
    symlink("d", dir.join("alias")).unwrap();
    symlink("/etc/shadow", dir.join("d/out")).unwrap();
    let dockerfile = "FROM scratch\nCOPY d /d\nCOPY alias/file /via\nCOPY d/soft /followed\n\
        COPY --from=0 /d/hard /hard\n";
    let dockerfile = dockerfile.replace("COPY --from=0 /d/hard /hard\n", "");
    world.build(&dockerfile, &["-t", "x"]).ok();
    assert_eq!(
        world.files("x"),
        [
            "d 0755 0:0 0 d",
            "- 0644 0:0 1 d/file",
            "h 0644 0:0 0 d/hard => d/file",
            "l 0777 0:0 0 d/out -> /etc/shadow",
            "l 0777 0:0 0 d/soft -> file",
            "- 0644 0:0 1 followed",
            "- 0644 0:0 1 via",
        ]
    );
    let error = world
        .build("FROM scratch\nCOPY d/out /stolen\n", &[])
        .fails(1);
    assert!(
        error.contains("d/out"),
        "a link out of the context is followed inside it: {error}"
    );
}

#[test]
fn ignored_files_are_not_there() {
    let world = World::new();
    for file in ["keep/a", "keep/b.log", "drop/c", "drop/except", "top.log"] {
        world.write(file, "x");
    }
    world.write(
        ".dockerignore",
        "# comment\n**/*.log\ndrop\n!drop/except\nDockerfile\n.dockerignore\n",
    );
    world.build("FROM scratch\nCOPY . /\n", &["-t", "x"]).ok();
    assert_eq!(
        world.files("x"),
        [
            "d 0755 0:0 0 drop",
            "- 0644 0:0 1 drop/except",
            "d 0755 0:0 0 keep",
            "- 0644 0:0 1 keep/a"
        ]
        .map(str::to_owned)
        .into_iter()
        .filter(|line| !line.contains("flat"))
        .collect::<Vec<_>>()
    );
    let error = world.build("FROM scratch\nCOPY top.log /\n", &[]).fails(1);
    assert!(error.contains(".dockerignore"), "{error}");
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    let world = World::new();
    world.write("src/f", "content");
    let dir = world.dir();
    fs::set_permissions(dir.join("src/f"), fs::Permissions::from_mode(0o640)).unwrap();
    for (flag, name) in [
        ("", "a.tar"),
        ("z", "a.tgz"),
        ("J", "a.txz"),
        ("j", "a.tbz"),
    ] {
        let made = Command::new("tar")
            .args([
                "--owner=5",
                "--group=6",
                "-C",
                "src",
                &format!("-c{flag}f"),
                name,
                "f",
            ])
            .current_dir(&dir)
            .status();
        // A machine without the compressor has nothing to check here.
        if !made.is_ok_and(|status| status.success()) {
            crate::world::not_checked(
                "archives_are_unpacked_by_add_alone",
                &format!("no tool for {name}"),
            );
            continue;
        }
        let dockerfile = format!(
            "FROM scratch\nADD {name} /add/\nCOPY {name} /copy/\nADD --unpack=false {name} /kept/\n"
        );
        world.build(&dockerfile, &["-t", "x"]).ok();
        let files = world.files("x");
        assert!(
            files.contains(&"- 0640 5:6 7 add/f".to_owned()),
            "{files:?}"
        );
        assert!(
            files
                .iter()
                .any(|line| line.ends_with(&format!("copy/{name}"))),
            "{files:?}"
        );
        assert!(
            files
                .iter()
                .any(|line| line.ends_with(&format!("kept/{name}"))),
            "{files:?}"
        );
    }
    world.write("broken.tgz", b"\x1f\x8b\x08\x00garbage");
    world
        .build("FROM scratch\nADD broken.tgz /x/\n", &["-t", "y"])
        .ok();
    assert!(
        world.files("y")[1].ends_with("x/broken.tgz"),
        "what is no archive is copied"
    );
}

#[test]
fn heredocs_become_files() {
    let world = World::new();
    let dockerfile =
        "FROM scratch\nARG WHO=world\nCOPY <<one <<\"two\" /d/\nhello $WHO\none\nplain $WHO\ntwo\n";
    world
        .build(dockerfile, &["-t", "x", "-o", "type=local,dest=out"])
        .ok();
    let dir = world.dir();
    assert_eq!(
        fs::read_to_string(dir.join("out/d/one")).unwrap(),
        "hello world\n"
    );
    assert_eq!(
        fs::read_to_string(dir.join("out/d/two")).unwrap(),
        "plain $WHO\n"
    );
}

#[test]
fn names_that_are_no_text_survive() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    world.write("d/a", "x");
    fs::write(
        world
            .dir()
            .join("d")
            .join(std::ffi::OsStr::from_bytes(b"\xff\xfe")),
        "y",
    )
    .unwrap();
    world
        .build(
            "FROM scratch\nCOPY d /d\n",
            &["-t", "x", "-o", "type=local,dest=out"],
        )
        .ok();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    assert_eq!(
        fs::read(world.dir().join("out/d").join(name)).unwrap(),
        b"y"
    );
}
