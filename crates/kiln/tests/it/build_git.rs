//! `kiln build` of git repositories, and ADD of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::web::{COMMITTED, Repo, Web, build, refused};
use crate::world::World;

const COPY_ALL: &str = "FROM scratch\nCOPY . /\n";

/// A world with a web server and one published repository `app`.
fn with_repository(test: &str) -> Option<(World, Web, Repo)> {
    let world = World::new();
    let repo = Repo::new(test, &world, "app")?;
    let web = Web::start();
    web.repositories(repo.root());
    Some((world, web, repo))
}

#[test]
fn a_git_repository_is_a_context() {
    let Some((world, web, repo)) = with_repository("a_git_repository_is_a_context") else {
        return;
    };
    repo.write("Dockerfile", COPY_ALL);
    repo.write(".dockerignore", "plain\n");
    let script = repo.write("bin/run", "#!/bin/sh\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o700)).unwrap();
    let plain = repo.write("plain", "1");
    fs::set_permissions(plain, fs::Permissions::from_mode(0o600)).unwrap();
    let commit = repo.commit();
    let url = web.url("smart/app.git");
    build(&world, &url, &["--metadata-file", "facts.json"]);
    // Ignore files are not applied, `.git` is gone, and modes are those that git knows.
    assert_eq!(
        world.files("it"),
        [
            "- 0644 0:0 6 .dockerignore",
            "- 0644 0:0 22 Dockerfile",
            "d 0755 0:0 0 bin",
            "- 0755 0:0 10 bin/run",
            "- 0644 0:0 1 plain"
        ]
    );
    let facts = fs::read_to_string(world.dir().join("facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let source = serde_json::json!({"repository": url, "commit": commit, "committed": COMMITTED});
    assert_eq!(facts["kiln.source"], source);
    // The same commit is not fetched again, not even looked up.
    drop(web);
    let again = build(&world, &format!("{url}#{commit}"), &[]);
    assert!(again.contains("built sha256:"), "{again}");
}

#[test]
fn fragments_and_queries_choose_what_is_taken() {
    let Some((world, web, repo)) = with_repository("fragments_and_queries_choose_what_is_taken")
    else {
        return;
    };
    let version = |number: &str| {
        repo.write("sub/Dockerfile", "FROM scratch\nCOPY version /\n");
        repo.write("sub/version", number);
        repo.commit()
    };
    version("1");
    repo.git(&["tag", "-a", "v1", "-m", "annotated"]);
    repo.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    version("22");
    repo.git(&["branch", "other"]);
    repo.git(&["tag", "both"]);
    version("333");
    repo.git(&["branch", "both"]);
    repo.publish();
    for (host, what, size) in [
        ("smart", "#v1:sub", 1),
        ("dumb", "#v1:sub", 1),
        ("smart", "#pull/7/head:sub", 1),
        ("smart", "#refs/heads/other:sub", 2),
        ("dumb", "?branch=other&subdir=sub", 2),
        ("smart", "?tag=both&subdir=sub", 2),
        ("smart", "#both:/sub/", 3),
        ("smart", "#:sub", 3),
    ] {
        build(
            &world,
            &format!("{}{what}", web.url(&format!("{host}/app.git"))),
            &[],
        );
        assert_eq!(
            world.files("it"),
            [format!("- 0644 0:0 {size} version")],
            "{host} {what}"
        );
    }
}

#[test]
fn git_directories_and_submodules() {
    let Some((world, web, repo)) = with_repository("git_directories_and_submodules") else {
        return;
    };
    let Some(library) = Repo::new("git_directories_and_submodules", &world, "library") else {
        return;
    };
    library.write("code", "lib");
    library.commit();
    repo.write("Dockerfile", COPY_ALL);
    let published = library.root().join("library.git");
    repo.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        published.to_str().unwrap(),
        "lib",
    ]);
    // Seen from wherever the repository is.
    let modules = repo.write(".gitmodules", "");
    fs::write(
        modules,
        "[submodule \"lib\"]\n\tpath = lib\n\turl = ../library.git\n",
    )
    .unwrap();
    repo.commit();
    for host in ["smart", "dumb"] {
        build(&world, &web.url(&format!("{host}/app.git")), &[]);
        let files = world.files("it");
        let code = "- 0644 0:0 3 lib/code".to_owned();
        assert!(files.contains(&code), "{host}: {files:?}");
        assert!(
            !files
                .iter()
                .any(|file| file.ends_with("/.git") || file.contains(" .git/")),
            "{files:?}"
        );
    }
    build(&world, &web.url("smart/app.git?submodules=false"), &[]);
    assert!(
        !world
            .files("it")
            .iter()
            .any(|file| file.contains("lib/code"))
    );
    let keep = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"];
    for (query, args) in [("?keep-git-dir=true", &[][..]), ("", &keep[..])] {
        build(&world, &web.url(&format!("smart/app.git{query}")), args);
        let files = world.files("it");
        assert!(
            files.iter().any(|file| file.ends_with(" .git/HEAD")),
            "{files:?}"
        );
    }
}

#[test]
fn a_repository_that_is_not_as_it_should_be_is_refused() {
    let Some((world, web, repo)) =
        with_repository("a_repository_that_is_not_as_it_should_be_is_refused")
    else {
        return;
    };
    repo.write("docker/Dockerfile", COPY_ALL);
    symlink("/", repo.write("x", "").with_file_name("out")).unwrap();
    let commit = repo.commit();
    let url = web.url("smart/app.git");
    refused(
        &world,
        &format!("{url}#nosuch"),
        &[],
        &["no branch or tag `nosuch`"],
    );
    refused(
        &world,
        &format!("{url}#:nosuch"),
        &[],
        &["no directory `nosuch`"],
    );
    refused(
        &world,
        &format!("{url}#:out"),
        &[],
        &["`out` leads out of it"],
    );
    refused(&world, &format!("{url}?teg=v1"), &[], &["teg", "tag"]);
    refused(
        &world,
        &format!("{url}?checksum=0123"),
        &[],
        &[&commit, "0123"],
    );
    refused(
        &world,
        &web.url("smart/other.git"),
        &[],
        &["smart/other.git"],
    );
    refused(&world, &url, &[], &["there is no Dockerfile in", "--file"]);
    refused(&world, &url, &["-f", "Other"], &["there is no `Other`"]);
    build(
        &world,
        &format!("{url}?checksum={}", &commit[..12]),
        &["-f", "./docker/Dockerfile"],
    );
    // Known by now, but still not the commit that is asked for.
    refused(
        &world,
        &format!("{url}?checksum=0123"),
        &["-f", "docker/Dockerfile"],
        &["0123"],
    );
    let file = world.write("local", "FROM scratch\nCOPY x /\n");
    build(&world, &url, &["-f", file.to_str().unwrap()]);
    assert_eq!(world.files("it"), ["- 0644 0:0 0 x"]);
}

#[test]
fn a_hook_of_another_repository_does_not_disturb() {
    let Some((world, web, repo)) = with_repository("a_hook_of_another_repository_does_not_disturb")
    else {
        return;
    };
    repo.write("Dockerfile", COPY_ALL);
    repo.commit();
    let mut command = world.command(["build", "-q", &web.url("smart/app.git")]);
    command
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_time_of_the_commit_is_the_time_of_a_reproducible_build() {
    let Some((world, web, repo)) =
        with_repository("the_time_of_the_commit_is_the_time_of_a_reproducible_build")
    else {
        return;
    };
    repo.write("Dockerfile", COPY_ALL);
    repo.commit();
    let created = |args: &[&str]| {
        build(&world, &web.url("smart/app.git"), args);
        let config = world.kiln(["inspect", "it", "--raw-config"]).ok();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (
            text(&config["created"]),
            text(&config["history"][0]["created"]),
        )
    };
    let (commit, epoch) = (
        "2001-09-09T01:46:40Z".to_owned(),
        "1980-01-01T00:00:00Z".to_owned(),
    );
    assert_eq!(created(&["--reproducible"]), (commit.clone(), epoch));
    assert_eq!(
        created(&["--build-arg", "SOURCE_DATE_EPOCH=context"]),
        (commit.clone(), commit)
    );
    world.write("Dockerfile", COPY_ALL);
    refused(
        &world,
        ".",
        &["--build-arg", "SOURCE_DATE_EPOCH=context"],
        &["needs a git repository"],
    );
}

#[test]
fn named_contexts_come_from_the_web_when_they_are_used() {
    let Some((world, web, repo)) =
        with_repository("named_contexts_come_from_the_web_when_they_are_used")
    else {
        return;
    };
    repo.write("sub/code", "1");
    repo.commit();
    let git = format!("git={}#main:sub", web.url("smart/app.git"));
    let tar = kiln_testkit::Layer::new().file("in-archive", "22").tar();
    let archive = format!("archive={}", web.file("a.tar", tar));
    let file = format!("file={}", web.file("f", "333"));
    let unused = format!("unused={}", web.file("never", ""));
    let contexts: Vec<&str> = [&git, &archive, &file, &unused]
        .into_iter()
        .flat_map(|context| ["--build-context", context])
        .collect();
    let dockerfile = "FROM git AS code\nFROM scratch\nCOPY --from=code code /\nCOPY --from=git . /g\n\
        COPY --from=archive / /a\nCOPY --from=file context /f\n";
    world
        .build(dockerfile, &[&contexts[..], &["-t", "it"]].concat())
        .ok();
    assert_eq!(
        world.files("it"),
        [
            "d 0755 0:0 0 a",
            "- 0644 0:0 2 a/in-archive",
            "- 0644 0:0 1 code",
            "- 0600 0:0 3 f",
            "d 0755 0:0 0 g",
            "- 0644 0:0 1 g/code"
        ]
    );
    assert!(!web.asked().contains(&"never".to_owned()));
    let missing = format!("x={}", web.url("nothing"));
    let error = world
        .build(
            "FROM scratch\nCOPY --from=x / /\n",
            &["--build-context", &missing],
        )
        .fails(1);
    assert!(
        error.contains("the context `x`") && error.contains("404"),
        "{error}"
    );
}

#[test]
fn add_takes_repositories() {
    let Some((world, web, repo)) = with_repository("add_takes_repositories") else {
        return;
    };
    repo.write("code", "1");
    repo.write("sub/more", "22");
    let commit = repo.commit();
    let url = web.url("smart/app.git");
    let dockerfile = format!(
        "FROM scratch\nADD {url} /all\nADD {url}#main:sub /sub\nADD --checksum={commit} --keep-git-dir {url} /kept\nADD --chmod=711 --chown=3:4 {url} /own\n"
    );
    world.build(&dockerfile, &["-t", "it"]).ok();
    let files = world.files("it");
    for file in [
        "- 0644 0:0 1 all/code",
        "- 0644 0:0 2 all/sub/more",
        "- 0644 0:0 2 sub/more",
        "- 0644 0:0 1 kept/code",
        "d 0711 3:4 0 own",
        "- 0711 3:4 2 own/sub/more",
    ] {
        assert!(files.contains(&file.to_owned()), "{file} in {files:?}");
    }
    assert!(files.iter().any(|file| file.ends_with("kept/.git/HEAD")));
    assert!(!files.iter().any(|file| file.contains(" all/.git")));
    let wrong = format!("FROM scratch\nADD --checksum=0123456789 {url} /all\n");
    let error = world.build(&wrong, &[]).fails(1);
    assert!(
        error.contains(&commit) && error.contains("0123456789"),
        "{error}"
    );
}

#[test]
fn a_repository_behind_ssh_is_a_context() {
    let Some((world, _web, repo)) = with_repository("a_repository_behind_ssh_is_a_context") else {
        return;
    };
    repo.write("Dockerfile", COPY_ALL);
    repo.commit();
    // Takes the place of ssh: runs the command here that it should run there.
    let ssh = world.write("bin/readme", "").with_file_name("ssh");
    let script =
        "#!/bin/sh\nfor last; do :; done\necho \"$@\" >>\"$HOME/asked\"\nexec sh -c \"$last\"\n";
    // Written by another process: one that this process has open for writing, and a child that another test forks at
    // that moment with it, could not be executed.
    let write = [
        "-c",
        "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"",
        "sh",
        script,
        ssh.to_str().unwrap(),
    ];
    assert!(
        std::process::Command::new("sh")
            .args(write)
            .status()
            .unwrap()
            .success()
    );
    let path = format!(
        "{}:{}",
        ssh.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let context = format!("git@host.invalid:{}/app.git#main", repo.root().display());
    let mut command = world.command(["build", "-q", "-t", "it", &context]);
    let output = command.env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(world.files("it"), ["- 0644 0:0 22 Dockerfile"]);
    let asked = fs::read_to_string(world.home().with_file_name("asked")).unwrap();
    assert!(
        asked.contains("git@host.invalid git-upload-pack"),
        "{asked}"
    );
}
