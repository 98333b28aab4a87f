//! What a file offers to whoever builds it.

use kiln_dockerfile::outline::{outline, targets};
use kiln_dockerfile::{Dockerfile, PlanOptions, SourceFile, parse};

const FILE: &str = r#"# GO_VERSION the compiler
ARG GO_VERSION=1.21
ARG UNUSED=1
ARG FLAVOUR=slim
ARG TAG=$GO_VERSION-$FLAVOUR
# builder compiles it
FROM --platform=$BUILDPLATFORM golang:$TAG AS Builder
ARG TARGETARCH
# MODE debug or release
ARG MODE=release FLAGS
ARG UNUSED
RUN --mount=type=secret,id=token,required --mount=type=cache,target=/c --mount=type=ssh true
RUN --mount=type=secret,id=token --mount=type=secret,id=other,env=X true
FROM scratch AS other
ARG NOT_REACHED=1
RUN --mount=type=secret,id=not-reached true
FROM Builder
ARG MODE
ARG GO_VERSION
"#;

fn file(text: &str) -> Dockerfile {
    let parsed = parse(&SourceFile::new("Dockerfile", text));
    assert_eq!(parsed.diagnostics, []);
    parsed.file
}

#[test]
fn targets_are_listed_with_what_is_said_of_them() {
    let listed = targets(&file(FILE));
    let names: Vec<Option<&str>> = listed.iter().map(|target| target.name.as_deref()).collect();
    assert_eq!(names, [Some("builder"), Some("other"), None]);
    assert_eq!(listed[0].description.as_deref(), Some("compiles it"));
    assert_eq!(listed[0].base, "golang:$TAG");
    assert_eq!(listed[0].platform.as_deref(), Some("$BUILDPLATFORM"));
    let default: Vec<bool> = listed.iter().map(|target| target.default).collect();
    assert_eq!(default, [false, false, true]);
    assert_eq!(targets(&Dockerfile::default()), []);
}

#[test]
fn a_target_asks_for_what_it_reaches() {
    let mut options = PlanOptions::default();
    options.build_platform.os = "linux".to_owned();
    options.build_platform.architecture = "amd64".to_owned();
    options
        .build_args
        .insert("FLAVOUR".to_owned(), "fat".to_owned());
    let outline = outline(&file(FILE), &options).unwrap();
    let args: Vec<_> = outline
        .args
        .iter()
        .map(|arg| (&*arg.name, arg.value.as_deref(), arg.description.as_deref()))
        .collect();
    assert_eq!(
        args,
        [
            ("GO_VERSION", Some("1.21"), Some("the compiler")),
            ("UNUSED", Some("1"), None),
            ("FLAVOUR", Some("fat"), None),
            ("TAG", Some("1.21-fat"), None),
            ("MODE", Some("release"), Some("debug or release")),
            ("FLAGS", None, None),
        ]
    );
    let asked = |list: &[kiln_dockerfile::outline::Asked]| -> Vec<(String, bool)> {
        list.iter()
            .map(|one| (one.name.clone(), one.required))
            .collect()
    };
    assert_eq!(
        asked(&outline.secrets),
        [("token".to_owned(), true), ("other".to_owned(), false)]
    );
    assert_eq!(asked(&outline.ssh), [("default".to_owned(), false)]);
    assert_eq!(asked(&outline.caches), [("/c".to_owned(), false)]);
    assert_eq!((outline.name, outline.description), (None, None));
}

#[test]
fn only_the_target_counts() {
    let options = PlanOptions {
        target: Some("other".to_owned()),
        ..PlanOptions::default()
    };
    let other = outline(&file(FILE), &options).unwrap();
    let names: Vec<&str> = other.args.iter().map(|arg| &*arg.name).collect();
    assert_eq!(names, ["NOT_REACHED"]);
    assert_eq!(other.secrets[0].name, "not-reached");
    let options = PlanOptions {
        target: Some("nosuch".to_owned()),
        ..PlanOptions::default()
    };
    assert!(outline(&file(FILE), &options).is_err());
}
