//! Which texts are git repositories.

use kiln_dockerfile::git::{GitMtime, GitSource};

#[test]
fn remotes_are_told_from_other_sources() {
    for (text, remote, name, unencrypted) in [
        (
            "https://github.com/a/b.git",
            "https://github.com/a/b.git",
            "b",
            false,
        ),
        ("http://h/a/b.git#main", "http://h/a/b.git", "b", true),
        ("git://h/b", "git://h/b", "b", true),
        ("ssh://git@h:22/a/b", "ssh://git@h:22/a/b", "b", false),
        (
            "git@github.com:a/b.git",
            "git@github.com:a/b.git",
            "b",
            false,
        ),
        ("git@h:b#v1:sub", "git@h:b", "b", false),
        ("https://h/b.git?ref=x", "https://h/b.git", "b", false),
    ] {
        let git = GitSource::parse(text).unwrap().unwrap();
        assert_eq!((git.remote.as_str(), git.name()), (remote, name), "{text}");
        assert_eq!(git.unencrypted, unencrypted, "{text}");
        assert_eq!(git.written, text);
    }
    for text in [
        "https://example.com/a.tar",
        "https://h/a.gitx",
        "https://h.git",
        "./git@h:b",
        "../x.git",
        "file.txt",
        "github.com/a/b",
        "dir/a.git",
        "a@b",
        "ftp://h/a.git",
        "https://",
        "",
    ] {
        assert!(GitSource::parse(text).is_none(), "{text}");
    }
    let git = GitSource::parse_context("github.com/a/b#dev")
        .unwrap()
        .unwrap();
    assert_eq!(
        (git.remote.as_str(), git.reference.as_deref()),
        ("https://github.com/a/b", Some("dev"))
    );
}

#[test]
fn fragments_and_queries() {
    for (suffix, reference, subdir) in [
        ("", None, None),
        ("#main", Some("main"), None),
        ("#main:docs/x", Some("main"), Some("docs/x")),
        ("#:docs", None, Some("docs")),
        ("#a/b", Some("a/b"), None),
        (
            "#refs/pull/1/head:/./a/../b/",
            Some("refs/pull/1/head"),
            Some("b"),
        ),
        ("?ref=main&subdir=x", Some("main"), Some("x")),
        ("?tag=v1", Some("refs/tags/v1"), None),
        ("?branch=dev", Some("refs/heads/dev"), None),
        ("?ref=a%2Fb", Some("a/b"), None),
        ("?ref=main#main:x", Some("main"), Some("x")),
    ] {
        let text = format!("https://h/r.git{suffix}");
        let git = GitSource::parse(&text).unwrap().unwrap();
        assert_eq!(git.reference.as_deref(), reference, "{text}");
        assert_eq!(git.subdir.as_deref(), subdir, "{text}");
    }
    let text = "https://h/r.git?commit=abc123&keep-git-dir&submodules=false&mtime=commit&fetch-by-commit=1";
    let git = GitSource::parse(text).unwrap().unwrap();
    assert_eq!(git.checksum.as_deref(), Some("abc123"));
    assert_eq!(
        (git.keep_git_dir, git.submodules),
        (Some(true), Some(false))
    );
    assert_eq!(
        (git.mtime, git.fetch_by_commit),
        (Some(GitMtime::Commit), Some(true))
    );
}

#[test]
fn mistakes_are_named() {
    for (suffix, expected) in [
        ("?ref=a#b", "conflicting ref in the git URL"),
        ("?tag=a&branch=b", "conflicting branch in the git URL"),
        (
            "?checksum=aa&commit=bb",
            "conflicting checksum in the git URL",
        ),
        ("?subdir=a#:b", "conflicting subdir in the git URL"),
        (
            "?reff=a",
            "unexpected key \"reff\" in the git URL's query; did you mean ref?",
        ),
        (
            "?zzzzzzz=a",
            "unexpected key \"zzzzzzz\" in the git URL's query",
        ),
        (
            "?submodules=x",
            "invalid value \"x\" for submodules in the git URL's query",
        ),
        (
            "?commit=xyz",
            "invalid value \"xyz\" for commit in the git URL's query",
        ),
        ("?ref=", "invalid value \"\" for ref in the git URL's query"),
        (
            "?mtime=now",
            "invalid value \"now\" for mtime in the git URL's query",
        ),
        (
            "#:../..",
            "subdirectory \"../..\" is outside of the repository",
        ),
        (
            "#--upload-pack=x",
            "\"--upload-pack=x\" must not begin with '-'",
        ),
    ] {
        let text = format!("https://h/r.git{suffix}");
        let error = GitSource::parse(&text).unwrap().unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}
