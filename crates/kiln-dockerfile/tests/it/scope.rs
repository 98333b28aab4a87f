//! What instructions mean once the variables are known.

use crate::parsed;
use kiln_dockerfile::evaluate::{EvaluatedRun, MountKind, RunForm, Sharing};
use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::scope::{BaseConfig, DEFAULT_PATH};
use kiln_dockerfile::{Diagnostic, Evaluated, Origin, PlanOptions, StageScope, plan};

/// Evaluates all stages of a text in order; gives what the last one does, and its scope.
fn try_evaluate(
    text: &str,
    build_args: &[(&str, &str)],
    base: &BaseConfig,
) -> Result<(Vec<Evaluated>, StageScope), Diagnostic> {
    let options = PlanOptions {
        build_args: build_args
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        build_platform: PlatformParts::linux("amd64", ""),
        target_platform: PlatformParts::linux("arm64", ""),
        ..PlanOptions::default()
    };
    let plan = plan(&parsed(text).file, &options).map_err(|mut errors| errors.remove(0))?;
    let mut scopes: Vec<Option<StageScope>> = vec![None; 16];
    let mut last = Vec::new();
    for stage in &plan.stages {
        let mut scope = match stage.base {
            Origin::Stage(parent) => StageScope::on_stage(
                stage.index,
                scopes[parent].as_ref().expect("a base is planned first"),
            ),
            _ => StageScope::on_image(&plan, stage.index, base),
        };
        last.clear();
        for step in &stage.steps {
            last.push(scope.evaluate(&step.instruction)?);
        }
        scopes[stage.index] = Some(scope);
    }
    Ok((
        last,
        scopes[plan.target].take().expect("the target is planned"),
    ))
}

fn evaluate(text: &str, build_args: &[(&str, &str)]) -> Vec<Evaluated> {
    try_evaluate(text, build_args, &BaseConfig::default())
        .unwrap_or_else(|error| panic!("{text}: {error:#?}"))
        .0
}

/// What a body after `FROM x` does at its last instruction.
pub(crate) fn last(body: &str) -> Evaluated {
    evaluate(&format!("FROM x\n{body}\n"), &[])
        .pop()
        .expect("a step")
}

pub(crate) fn error(body: &str) -> String {
    try_evaluate(&format!("FROM x\n{body}\n"), &[], &BaseConfig::default())
        .expect_err(body)
        .message
}

fn run(body: &str) -> EvaluatedRun {
    match last(body) {
        Evaluated::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

/// A variable as RUN sees it.
fn seen(run: &EvaluatedRun, name: &str) -> Option<String> {
    run.env
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.clone())
}

#[test]
fn variables_come_from_the_right_place() {
    for (text, args, expected) in [
        ("FROM x\nENV v=1", vec![], Some("1")),
        ("FROM x\nARG v=1", vec![], Some("1")),
        ("FROM x\nARG v=1", vec![("v", "2")], Some("2")),
        ("FROM x\nARG v", vec![("v", "2")], Some("2")),
        ("FROM x\nARG v", vec![], None),
        ("FROM x", vec![("v", "2")], None),
        ("ARG v=g\nFROM x\nARG v", vec![], Some("g")),
        ("ARG v=g\nFROM x", vec![], None),
        ("ARG v=g\nFROM x\nARG v=l", vec![], Some("l")),
        ("ARG v=g\nFROM x\nARG v=l", vec![("v", "b")], Some("b")),
        ("FROM x\nARG v=1\nENV v=2", vec![("v", "3")], Some("2")),
        ("FROM x\nARG v=1\nENV v=${v}!", vec![("v", "3")], Some("3!")),
        // What was set last is seen: an ARG below an ENV wins in RUN (BuildKit), the image keeps its own.
        ("FROM x\nENV v=1\nARG v=2", vec![], Some("2")),
        ("FROM x\nENV v=1\nARG v", vec![], Some("1")),
        ("FROM x AS a\nARG v=1\nFROM a", vec![], Some("1")),
        (
            "FROM x AS a\nENV v=1\nFROM a\nENV v=${v}2",
            vec![],
            Some("12"),
        ),
        ("FROM x AS a\nARG v=1\nFROM x", vec![], None),
        ("FROM x\nENV v=1 w=$v\nENV v=$w", vec![], Some("")),
        ("FROM x\nARG w=1 v=$w", vec![], Some("1")),
        ("FROM x\nENV v='$HOME' w=1", vec![], Some("$HOME")),
        ("FROM x\nENV v=a\\ b", vec![], Some("a b")),
        ("FROM x\nENV v \"a\" b", vec![], Some("a b")),
        (
            "FROM x\nARG TARGETARCH\nENV v=$TARGETARCH",
            vec![],
            Some("arm64"),
        ),
        ("FROM x\nENV v=$TARGETARCH", vec![], Some("")),
        (
            "FROM x AS y\nARG TARGETSTAGE\nENV v=$TARGETSTAGE",
            vec![],
            Some("y"),
        ),
        ("FROM x\nENV k=v\nENV $k=1", vec![], Some("1")),
    ] {
        let steps = evaluate(&format!("{text}\nRUN z\n"), &args);
        let Some(Evaluated::Run(run)) = steps.last() else {
            panic!()
        };
        assert_eq!(seen(run, "v").as_deref(), expected, "{text} {args:?}");
    }
}

#[test]
fn the_image_keeps_env_and_not_args() {
    let base = BaseConfig {
        env: vec![("A".into(), "1".into())],
        ..BaseConfig::default()
    };
    let text = "FROM x\nENV v=1\nARG v=2 w=3\nENV A=2\n";
    let (_, scope) = try_evaluate(text, &[], &base).unwrap();
    let expected = [("A", "2"), ("PATH", DEFAULT_PATH), ("v", "1")];
    let found: Vec<_> = scope
        .env()
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn history_shows_arguments_with_their_present_values() {
    let steps = evaluate(
        "FROM x AS p\nARG a=1\nFROM p\nARG b c=3 a=4\nENV c=9\nRUN make -j\n",
        &[("HTTP_PROXY", "http://p")],
    );
    let entry = steps.last().unwrap().history().unwrap();
    assert_eq!(
        entry,
        (
            "RUN |3 a=4 b= c=9 /bin/sh -c make -j # buildkit".into(),
            true
        )
    );
    let Some(Evaluated::Run(run)) = steps.last() else {
        panic!()
    };
    let proxies = [("HTTP_PROXY", "http://p"), ("http_proxy", "http://p")];
    assert_eq!(
        run.proxy_env,
        proxies.map(|(k, v)| (k.to_string(), v.to_string()))
    );
    assert_eq!(seen(run, "HTTP_PROXY"), None);
}

#[test]
fn history_of_the_other_instructions() {
    for (line, expected) in [
        ("ENV a=1 b=\"x y\"", Some("ENV a=1 b=x y")),
        ("ARG a b=2", Some("ARG a b=2")),
        ("LABEL a=b", Some("LABEL a=b")),
        ("EXPOSE 80 53/udp", Some("EXPOSE [53/udp 80/tcp]")),
        ("USER u:g", Some("USER u:g")),
        ("WORKDIR a", Some("WORKDIR /a")),
        ("VOLUME /a /b", Some("VOLUME [/a /b]")),
        (
            "CMD a \"b\"",
            Some("CMD [\"/bin/sh\" \"-c\" \"a \\\"b\\\"\"]"),
        ),
        ("ENTRYPOINT [\"a\"]", Some("ENTRYPOINT [\"a\"]")),
        (
            "SHELL [\"/bin/bash\", \"-c\"]",
            Some("SHELL [/bin/bash -c]"),
        ),
        ("STOPSIGNAL SIGTERM", Some("STOPSIGNAL SIGTERM")),
        ("MAINTAINER m", Some("MAINTAINER m")),
        ("ONBUILD RUN x", None),
        (
            "HEALTHCHECK --interval=5m --timeout=3s CMD curl x",
            Some(
                "HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:5m0s Timeout:3s StartPeriod:0s StartInterval:0s Retries:0}",
            ),
        ),
        (
            "COPY --parents --chown=1:2 --chmod=755 a b /c/",
            Some("COPY --parents --chown=1:2 --chmod=755 a b /c/ # buildkit"),
        ),
        ("COPY <<f a /d/\nx\nf", Some("COPY a <<f /d/ # buildkit")),
        ("ADD a.tar b", Some("ADD a.tar b # buildkit")),
        ("RUN [\"a\", \"b\"]", Some("RUN a b # buildkit")),
    ] {
        let entry = last(line).history();
        assert_eq!(
            entry.as_ref().map(|(text, _)| text.as_str()),
            expected,
            "{line}"
        );
    }
    assert!(!last("WORKDIR /").history().unwrap().1);
    assert!(last("WORKDIR /a").history().unwrap().1);
}

#[test]
fn forms_of_run() {
    let bash = "SHELL [\"/bin/bash\", \"-ec\"]\n";
    for (body, form, args) in [
        ("RUN a $b", RunForm::Shell, vec!["/bin/sh", "-c", "a $b"]),
        (
            &format!("{bash}RUN a"),
            RunForm::Shell,
            vec!["/bin/bash", "-ec", "a"],
        ),
        ("RUN [\"a\", \"$b\"]", RunForm::Exec, vec!["a", "$b"]),
        (
            "RUN <<EOF\na\nb\nEOF",
            RunForm::Heredoc,
            vec!["/bin/sh", "-c", "a\nb\n"],
        ),
        (
            "RUN <<-EOF\n\ta\n\tEOF",
            RunForm::Heredoc,
            vec!["/bin/sh", "-c", "a\n"],
        ),
        (
            "RUN python3 <<A - <<-B\na\nA\n\tb\n\tB",
            RunForm::Shell,
            vec!["/bin/sh", "-c", "python3 <<A - <<-B\na\nA\n\tb\nB"],
        ),
        (
            "RUN <<EOF cat\na\nEOF",
            RunForm::Shell,
            vec!["/bin/sh", "-c", "<<EOF cat\na\nEOF"],
        ),
        (
            "RUN <<s.py\n#!/usr/bin/python\n1\ns.py",
            RunForm::Script,
            vec!["/dev/pipes/s.py"],
        ),
    ] {
        let run = run(body);
        assert_eq!(
            (run.form, run.args),
            (form, args.iter().map(ToString::to_string).collect()),
            "{body}"
        );
    }
    let script = run("RUN <<../../x\n#!/bin/sh\n../../x").script.unwrap();
    assert_eq!(script.path, "/dev/pipes/x");
}

#[test]
fn display_fills_in_what_is_known() {
    let body = "ENV a=1\nRUN echo $a \"$b\" '$a'";
    assert_eq!(run(body).display, "RUN echo 1 \"$b\" '$a'");
    assert_eq!(
        run("RUN <<EOF\nfirst\nsecond\nEOF").display,
        "RUN <<EOF (first...)"
    );
}

#[test]
fn mounts() {
    let mounts = run(
        "WORKDIR /w\nARG n=x\nRUN --mount=target=rel,src=../s/$n --mount=type=bind,from=golang,dst=/g,rw \
         --mount=type=cache,target=/c/../c2,sharing=locked,uid=5,mode=0700 --mount=type=cache,id=k,target=/d,ro \
         --mount=type=tmpfs,target=/t,size=64m --mount=type=secret,id=a --mount=type=secret,id=b,env=B \
         --mount=type=secret,target=/s/f,required --mount=type=ssh --mount=type=ssh,id=k,target=/k z",
    )
    .mounts;
    let targets: Vec<_> = mounts.iter().map(|mount| mount.target.as_deref()).collect();
    assert_eq!(
        targets,
        [
            Some("/w/rel"),
            Some("/g"),
            Some("/c2"),
            Some("/d"),
            Some("/t"),
            Some("/run/secrets/a"),
            None,
            Some("/s/f"),
            Some("/run/buildkit/ssh_agent.0"),
            Some("/k"),
        ]
    );
    let bind = |from, source: &str, writable| MountKind::Bind {
        from,
        source: source.into(),
        writable,
    };
    assert_eq!(mounts[0].kind, bind(None, "s/x", false));
    assert_eq!(
        mounts[1].kind,
        bind(Some(Origin::Image("golang".into())), "", true)
    );
    let MountKind::Cache {
        id,
        sharing,
        writable,
        mode,
        uid,
        gid,
        ..
    } = &mounts[2].kind
    else {
        panic!()
    };
    assert_eq!(
        (id.as_str(), *sharing, *writable),
        ("/c2", Sharing::Locked, true)
    );
    assert_eq!((*mode, *uid, *gid), (0o700, 5, 0));
    assert!(matches!(&mounts[3].kind, MountKind::Cache { id, writable: false, .. } if id == "k"));
    assert_eq!(
        mounts[4].kind,
        MountKind::Tmpfs {
            size: Some(64 << 20)
        }
    );
    assert!(
        matches!(&mounts[6].kind, MountKind::Secret { id, env: Some(env), .. } if id == "b" && env == "B")
    );
    assert!(
        matches!(&mounts[7].kind, MountKind::Secret { id, required: true, mode: 0o400, .. } if id == "f")
    );
    assert!(matches!(&mounts[8].kind, MountKind::Ssh { id, mode: 0o600, .. } if id == "default"));
    for (flag, word) in [
        ("target=/", "/ as its target"),
        ("target=.", "/ as its target"),
        ("type=cache,target=/a,uid=$n", "invalid value"),
        ("type=$t,target=/a", "unsupported mount type"),
    ] {
        let found = error(&format!("ARG n=x\nRUN --mount={flag} z"));
        assert!(found.contains(word), "{flag}: {found}");
    }
    let steps = evaluate(
        "FROM x\nRUN --mount=type=cache,target=/c z\n",
        &[("BUILDKIT_CACHE_MOUNT_NS", "ns")],
    );
    let Evaluated::Run(run) = &steps[0] else {
        panic!()
    };
    assert!(matches!(&run.mounts[0].kind, MountKind::Cache { id, .. } if id == "ns//c"));
}

#[test]
fn simple_instructions() {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (body, expected) in [
        (
            "WORKDIR a\nWORKDIR b/../c",
            Evaluated::Workdir("/a/c".into()),
        ),
        (
            "WORKDIR /a\nWORKDIR ../../..",
            Evaluated::Workdir("/".into()),
        ),
        ("ARG d=x\nWORKDIR /$d", Evaluated::Workdir("/x".into())),
        ("ARG u=7\nUSER $u:g", Evaluated::User("7:g".into())),
        (
            "ARG p='80 81'\nEXPOSE $p",
            Evaluated::Expose(strings(&["80/tcp", "81/tcp"])),
        ),
        (
            "EXPOSE 7000-7001/UDP",
            Evaluated::Expose(strings(&["7000/udp", "7001/udp"])),
        ),
        (
            "ARG s=TERM\nSTOPSIGNAL SIG$s",
            Evaluated::Stopsignal("SIGTERM".into()),
        ),
        (
            "ARG v=/d\nVOLUME $v /e",
            Evaluated::Volume(strings(&["/d", "/e"])),
        ),
        ("CMD []", Evaluated::Cmd(vec![])),
        (
            "CMD a $b",
            Evaluated::Cmd(strings(&["/bin/sh", "-c", "a $b"])),
        ),
        (
            "LABEL a=\"x y\" 'b'=$PATH",
            Evaluated::Label(vec![
                ("a".into(), "x y".into()),
                ("b".into(), DEFAULT_PATH.into()),
            ]),
        ),
        ("ONBUILD COPY $a b", Evaluated::Onbuild("COPY $a b".into())),
    ] {
        assert_eq!(last(body), expected, "{body}");
    }
    for (body, word) in [
        ("EXPOSE 99999", "invalid port"),
        ("STOPSIGNAL SIGTREM", "invalid signal"),
        ("VOLUME $none", "empty string"),
        ("ENV a=\"${b?say why}\"", "b: say why"),
        ("USER \"x", "double-quote"),
    ] {
        let found = error(body);
        assert!(found.contains(word), "{body}: {found}");
    }
    let clears = |body: &str| match last(body) {
        Evaluated::Entrypoint(entrypoint) => entrypoint.clear_cmd,
        other => panic!("{other:?}"),
    };
    assert!(clears("ENTRYPOINT [\"a\"]"));
    assert!(!clears("CMD [\"b\"]\nENTRYPOINT [\"a\"]"));
}

#[test]
fn undefined_variables_are_collected() {
    let text = "FROM x\nARG declared name=1\nCOPY $declared $nmae/ $PATH b/\n";
    let (_, mut scope) = try_evaluate(text, &[], &BaseConfig::default()).unwrap();
    let found = scope.take_undefined();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].name.as_str(), found[0].suggestion.as_deref()),
        ("nmae", Some("name"))
    );
    assert_eq!(&text[found[0].span.start..found[0].span.end], "$nmae/");
}
