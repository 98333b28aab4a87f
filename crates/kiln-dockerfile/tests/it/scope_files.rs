//! What COPY and ADD mean once the variables are known.

use crate::scope::{error, last};
use kiln_dockerfile::Evaluated;
use kiln_dockerfile::evaluate::{AddSource, CopySource, EvaluatedAdd, EvaluatedCopy};

fn copy(body: &str) -> EvaluatedCopy {
    match last(body) {
        Evaluated::Copy(copy) => copy,
        other => panic!("{other:?}"),
    }
}

fn add(body: &str) -> EvaluatedAdd {
    match last(body) {
        Evaluated::Add(add) => add,
        other => panic!("{other:?}"),
    }
}

#[test]
fn destinations_and_sources_of_copy() {
    for (body, path, sources) in [
        ("COPY a /b", "/b", vec![("", "a", false)]),
        ("COPY a b/", "/b/", vec![("", "a", false)]),
        ("WORKDIR /w\nCOPY a .", "/w/", vec![("", "a", false)]),
        (
            "WORKDIR /w\nCOPY a ./x/../y",
            "/w/y",
            vec![("", "a", false)],
        ),
        ("COPY a .", "/", vec![("", "a", false)]),
        ("COPY . /x", "/x", vec![("", "", false)]),
        ("COPY ../../a /x", "/x", vec![("", "a", false)]),
        (
            "COPY /a/ b* /x/",
            "/x/",
            vec![("", "a", false), ("", "b*", true)],
        ),
        ("COPY fil[e] /x", "/x", vec![("", "fil[e]", true)]),
        ("COPY a\\\\*b /x", "/x", vec![("", "a\\*b", false)]),
        (
            "COPY --parents a/./b/*.c /x",
            "/x",
            vec![("a", "b/*.c", true)],
        ),
        ("COPY --parents a/b /x", "/x", vec![("", "a/b", false)]),
        ("ARG d=q\nCOPY $d ${d}2/", "/q2/", vec![("", "q", false)]),
        ("COPY [\"a b\", \"/c d\"]", "/c d", vec![]),
    ] {
        let copy = copy(body);
        assert_eq!(copy.to.path, path, "{body}");
        let found: Vec<_> = copy
            .sources
            .iter()
            .map(|source| match source {
                CopySource::Path(path) => (path.base.as_str(), path.path.as_str(), path.wildcard),
                CopySource::Heredoc(file) => panic!("{file:?}"),
            })
            .collect();
        if !sources.is_empty() {
            assert_eq!(found, sources, "{body}");
        }
    }
    let copy = copy("ARG u=7\nCOPY --chown=$u --chmod=$u --exclude=*.$u a b");
    assert_eq!(
        (copy.to.chown.as_deref(), copy.to.chmod.as_deref()),
        (Some("7"), Some("7"))
    );
    assert_eq!(copy.to.excludes, ["*.7"]);
    for (body, word) in [
        ("COPY --chmod=9 a b", "octal"),
        ("COPY --chmod=u=q a b", "must look like"),
        ("COPY https://a/b c", "cannot take a URL"),
        ("COPY git@h:r c", "cannot take a git repository"),
        ("COPY \"a b\" c", "double-quote"),
    ] {
        let found = error(body);
        assert!(found.contains(word), "{body}: {found}");
    }
}

#[test]
fn heredoc_files() {
    for (body, expected) in [
        ("ARG a=1\nCOPY <<f /x\n$a '${a}' \\$a\nf", "1 '1' $a\n"),
        ("ARG a=1\nCOPY <<'f' /x\n$a \\$a\nf", "$a \\$a\n"),
        ("COPY <<-f /x\n\t\ta\n\tf", "a\n"),
    ] {
        let sources = copy(body).sources;
        let [CopySource::Heredoc(file)] = sources.as_slice() else {
            panic!("{sources:?}")
        };
        assert_eq!(
            (file.name.as_str(), file.content.as_str()),
            ("f", expected),
            "{body}"
        );
    }
}

#[test]
fn sources_of_add() {
    let body = "ADD https://h/d/a%20b.tgz?x=1 https://h git@h:a/r.git#v1 local.tar /x/";
    let sources = add(body).sources;
    let http = |url: &str, name: &str| AddSource::Http {
        url: url.into(),
        file_name: name.into(),
    };
    assert_eq!(sources[0], http("https://h/d/a%20b.tgz?x=1", "a b.tgz"));
    assert_eq!(sources[1], http("https://h", "__unnamed__"));
    assert!(matches!(&sources[2], AddSource::Git(git) if git.reference.as_deref() == Some("v1")));
    assert!(matches!(&sources[3], AddSource::Local(path) if path.path == "local.tar"));
    let sum = "0".repeat(64);
    add(&format!("ADD --checksum=sha256:{sum} https://h/f /x"));
    add("ADD --checksum=abc123 https://h/r.git#v1 /x");
    assert_eq!(
        add("ADD https://h/r.git?keep-git-dir=true /x").keep_git_dir,
        Some(true)
    );
    for (body, word) in [
        ("ADD --checksum=sha256:00 https://h/f /x", "64 hexadecimal"),
        ("ADD --checksum=md5:00 https://h/f /x", "64 hexadecimal"),
        ("ADD --checksum=zz https://h/r.git /x", "must be a commit"),
        ("ADD --checksum=sha256:00 local /x", "HTTP(S) or git"),
        (
            "ADD --checksum=sha256:00 https://h/f https://h/g /x",
            "exactly one",
        ),
        (
            "ADD --keep-git-dir=false https://h/r.git?keep-git-dir=true /x",
            "contradict",
        ),
        ("ADD https://h/r.git?nope=1 /x", "unexpected key"),
    ] {
        let found = error(body);
        assert!(found.contains(word), "{body}: {found}");
    }
}
