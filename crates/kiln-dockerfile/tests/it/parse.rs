//! From text to syntax tree.

use crate::parsed;
use kiln_dockerfile::syntax::{
    CommandLine, Healthcheck, InstructionKind, MountKey, NetworkMode, SecurityMode, Source,
};
use kiln_dockerfile::{Span, parse_trigger};
use std::time::Duration;

/// The kind of the only instruction after `FROM x`.
fn kind(line: &str) -> InstructionKind {
    let mut file = parsed(&format!("FROM x\n{line}\n")).file;
    let mut instructions = file.stages.remove(0).instructions;
    assert_eq!(instructions.len(), 1, "{line}");
    instructions.remove(0).kind
}

fn shell(command: &CommandLine) -> &str {
    match command {
        CommandLine::Shell(word) => &word.text,
        CommandLine::Exec(args) => panic!("exec form {args:?}"),
    }
}

#[test]
fn shell_and_exec_forms() {
    for (line, expected) in [
        ("RUN [\"a\", \"b c\"]", Ok(vec!["a", "b c"])),
        ("RUN [ \"a\" , \"\\u00e4\\n\" ]", Ok(vec!["a", "ä\n"])),
        ("RUN [\"a\", ]", Err("[\"a\", ]")),
        ("RUN ['a']", Err("['a']")),
        ("RUN [ -f x ] && y", Err("[ -f x ] && y")),
        ("RUN [\"a\"] b", Err("[\"a\"] b")),
        ("RUN a \"b c\"   d", Err("a \"b c\"   d")),
        ("RUN a \\\n  b \\\n  # note\n  c", Err("a   b   c")),
        ("run a", Err("a")),
        ("RUN", Err("")),
        ("RUN -- --x", Err("--x")),
    ] {
        let InstructionKind::Run(run) = kind(line) else {
            panic!("{line}")
        };
        match (&run.command, expected) {
            (CommandLine::Exec(args), Ok(expected)) => assert_eq!(args, &expected, "{line}"),
            (CommandLine::Shell(word), Err(expected)) => assert_eq!(word.text, expected, "{line}"),
            (other, _) => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn cmd_and_entrypoint_may_be_empty() {
    for (line, expected) in [
        ("CMD", CommandLine::Shell(Default::default())),
        ("CMD []", CommandLine::Exec(vec![])),
        ("ENTRYPOINT []", CommandLine::Exec(vec![])),
        ("ENTRYPOINT [\"/a\"]", CommandLine::Exec(vec!["/a".into()])),
    ] {
        let (InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command)) = kind(line)
        else {
            panic!("{line}")
        };
        match (&command, &expected) {
            (CommandLine::Shell(found), CommandLine::Shell(_)) => assert_eq!(found.text, ""),
            _ => assert_eq!(command, expected, "{line}"),
        }
    }
}

#[test]
fn run_flags() {
    let InstructionKind::Run(run) = kind(
        "RUN --mount=type=bind,from=s,source=/a,target=/b,rw --network=none --security=insecure \
         --device=vendor.com/gpu=all,required --mount='type=cache,\"target=/x,y\",sharing=locked' make",
    ) else {
        panic!()
    };
    assert_eq!(
        (run.network, run.security),
        (NetworkMode::None, SecurityMode::Insecure)
    );
    assert_eq!(run.devices[0].name, "vendor.com/gpu=all");
    assert!(run.devices[0].required);
    assert_eq!(shell(&run.command), "make");
    let value = |mount: usize, key| run.mounts[mount].value(key).map(|word| word.text.as_str());
    assert_eq!(value(0, MountKey::From), Some("s"));
    assert_eq!(value(0, MountKey::Target), Some("/b"));
    assert!(
        run.mounts[0]
            .fields
            .iter()
            .any(|field| field.key == MountKey::Readwrite)
    );
    assert_eq!(value(1, MountKey::Target), Some("/x,y"));
    assert_eq!(value(1, MountKey::Sharing), Some("locked"));
}

#[test]
fn copy_and_add_flags() {
    let InstructionKind::Copy(copy) = kind(
        "COPY --from=base --chown=$u:g --chmod=u=rwX --link --parents=true --exclude=*.o --exclude=b a b/ c/",
    ) else {
        panic!()
    };
    assert_eq!(copy.from.unwrap().text, "base");
    assert_eq!(copy.chown.unwrap().text, "$u:g");
    assert_eq!(copy.chmod.unwrap().text, "u=rwX");
    assert!(copy.link && copy.parents);
    assert_eq!(copy.excludes.len(), 2);
    assert_eq!((copy.sources.len(), copy.dest.text.as_str()), (2, "c/"));
    let InstructionKind::Copy(copy) = kind("COPY [\"a b\", \"c d\"]") else {
        panic!()
    };
    assert!(matches!(&copy.sources[0], Source::Path(word) if word.text == "a b"));
    assert_eq!(copy.dest.text, "c d");
    let InstructionKind::Add(add) = kind(
        "ADD --keep-git-dir --checksum=sha256:00 --unpack=false --link=FALSE https://a/b.git#v1 /x",
    ) else {
        panic!()
    };
    assert_eq!(
        (add.keep_git_dir, add.unpack, add.link),
        (Some(true), Some(false), false)
    );
    assert_eq!(add.checksum.unwrap().text, "sha256:00");
}

#[test]
fn pairs_and_words() {
    for (line, expected) in [
        (
            "ENV a=1 b=\"x y\" c='z w'",
            vec![("a", "1"), ("b", "\"x y\""), ("c", "'z w'")],
        ),
        ("ENV a=x\\ y b=", vec![("a", "x\\ y"), ("b", "")]),
        ("ENV a  b c \"d\"", vec![("a", "b c \"d\"")]),
        ("ENV a b=c", vec![("a", "b=c")]),
        (
            "LABEL \"a.b\"=\"c\" d=e=f",
            vec![("\"a.b\"", "\"c\""), ("d", "e=f")],
        ),
        ("LABEL a=b\u{a0}c=d", vec![("a", "b"), ("c", "d")]),
        ("ENV a=1 \\\n    b=2", vec![("a", "1"), ("b", "2")]),
        ("LABEL a=\"b\\\n  c\"", vec![("a", "\"b  c\"")]),
    ] {
        let (InstructionKind::Env(pairs) | InstructionKind::Label(pairs)) = kind(line) else {
            panic!("{line}")
        };
        let found: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.key.text.as_str(), pair.value.text.as_str()))
            .collect();
        assert_eq!(found, expected, "{line}");
    }
    let InstructionKind::Arg(args) = kind("ARG a b=1 c=\"x y\"") else {
        panic!()
    };
    let found: Vec<_> = args
        .iter()
        .map(|arg| {
            (
                arg.name.text.as_str(),
                arg.default.as_ref().map(|word| word.text.as_str()),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("a", None), ("b", Some("1")), ("c", Some("\"x y\""))]
    );
    let InstructionKind::Workdir(word) = kind("WORKDIR /a b") else {
        panic!()
    };
    assert_eq!(word.text, "/a b");
    let InstructionKind::Volume(words) = kind("VOLUME [\"/a b\", \"/c\"]") else {
        panic!()
    };
    assert_eq!(words.len(), 2);
    let InstructionKind::Expose(words) = kind("EXPOSE 80  443/tcp") else {
        panic!()
    };
    assert_eq!(words[1].text, "443/tcp");
    let InstructionKind::Shell(words) = kind("SHELL [\"/bin/bash\", \"-c\"]") else {
        panic!()
    };
    assert_eq!(words, ["/bin/bash", "-c"]);
    let InstructionKind::Maintainer(word) = kind("MAINTAINER A B <c@d>") else {
        panic!()
    };
    assert_eq!(word.text, "A B <c@d>");
}

#[test]
fn healthchecks() {
    let line =
        "HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 --start-period=0 CMD curl x";
    let InstructionKind::Healthcheck(Healthcheck::Test { command, timing }) = kind(line) else {
        panic!()
    };
    assert_eq!(shell(&command), "curl x");
    assert_eq!(timing.interval, Some(Duration::from_secs(90)));
    assert_eq!(timing.timeout, Some(Duration::from_millis(500)));
    assert_eq!((timing.retries, timing.start_period), (Some(3), None));
    assert_eq!(
        kind("HEALTHCHECK none"),
        InstructionKind::Healthcheck(Healthcheck::None)
    );
    let InstructionKind::Healthcheck(Healthcheck::Test { command, .. }) =
        kind("HEALTHCHECK CMD [\"a\"]")
    else {
        panic!()
    };
    assert_eq!(command, CommandLine::Exec(vec!["a".into()]));
}

#[test]
fn heredocs() {
    for (text, names, command) in [
        (
            "RUN <<EOF\necho a\nEOF",
            vec![("EOF", "echo a\n", true)],
            "<<EOF",
        ),
        (
            "RUN <<-EOF\n\techo a\n\tEOF",
            vec![("EOF", "\techo a\n", true)],
            "<<-EOF",
        ),
        (
            "RUN <<'EOF'\n$x\nEOF",
            vec![("EOF", "$x\n", false)],
            "<<'EOF'",
        ),
        ("RUN <<\"EOF\"\nEOF", vec![("EOF", "", false)], "<<\"EOF\""),
        ("RUN <<E\"O\"F\nEOF", vec![("EOF", "", false)], "<<E\"O\"F"),
        (
            "RUN cat <<A 3<<B > x\n1\nA\n2\nB",
            vec![("A", "1\n", true), ("B", "2\n", true)],
            "cat <<A 3<<B > x",
        ),
        (
            "RUN <<EOF\n# kept \\\n\nFROM y\nEOF",
            vec![("EOF", "# kept \\\n\nFROM y\n", true)],
            "<<EOF",
        ),
        ("RUN echo $((1<<2))", vec![], "echo $((1<<2))"),
        ("RUN cat <<<EOF", vec![], "cat <<<EOF"),
        (
            "RUN cat << EOF\na\nEOF",
            vec![("EOF", "a\n", true)],
            "cat << EOF",
        ),
        ("RUN <<eo\\'f\neo'f", vec![("eo'f", "", true)], "<<eo\\'f"),
        ("RUN <<'a b'\na b", vec![("a b", "", false)], "<<'a b'"),
        ("RUN <<$x\n$x", vec![("$x", "", true)], "<<$x"),
        ("RUN echo \"<<EOF\"", vec![], "echo \"<<EOF\""),
        ("RUN a<<EOF", vec![], "a<<EOF"),
        (
            "RUN <<EOF\r\na\r\nEOF\r",
            vec![("EOF", "a\r\n", true)],
            "<<EOF",
        ),
    ] {
        let InstructionKind::Run(run) = kind(text) else {
            panic!("{text}")
        };
        let found: Vec<_> = run
            .heredocs
            .iter()
            .map(|doc| (doc.name.as_str(), doc.content.as_str(), doc.expand))
            .collect();
        assert_eq!(found, names, "{text}");
        assert_eq!(shell(&run.command), command, "{text}");
    }
    let InstructionKind::Copy(copy) = kind("COPY <<-a.txt f <<b.txt /d/\n\tx\na.txt\ny\nb.txt")
    else {
        panic!()
    };
    let found: Vec<_> = copy
        .sources
        .iter()
        .map(|source| match source {
            Source::Path(word) => word.text.clone(),
            Source::Heredoc(doc) => format!("{}={}", doc.name, doc.stripped()),
        })
        .collect();
    assert_eq!(found, ["a.txt=x\n", "f", "b.txt=y\n"]);
    // No here-documents in JSON forms, and in no other instruction.
    let file = parsed("FROM x\nCMD cat <<EOF\nRUN [\"cat\", \"<<EOF\"]\n").file;
    assert_eq!(file.stages[0].instructions.len(), 2);
}

#[test]
fn onbuild_keeps_its_text() {
    let InstructionKind::Onbuild(onbuild) = kind("ONBUILD  RUN <<EOF\nhi\nEOF") else {
        panic!()
    };
    assert_eq!(onbuild.trigger, "RUN <<EOF\nhi\nEOF");
    assert_eq!(onbuild.instruction.kind.name(), "RUN");
    let again = parse_trigger(&onbuild.trigger, Span::new(3, 9)).unwrap();
    assert_eq!(
        (again.span, again.keyword.span),
        (Span::new(3, 9), Span::new(3, 9))
    );
    let InstructionKind::Run(run) = again.kind else {
        panic!()
    };
    assert_eq!(run.heredocs[0].content, "hi\n");
    for (text, word) in [
        ("", "empty"),
        ("RUN a\nRUN b", "more than one"),
        ("FROM x", "not allowed"),
        ("ONBUILD RUN a", "another ONBUILD"),
        ("NOPE", "unknown instruction"),
    ] {
        let error = parse_trigger(text, Span::new(0, 1)).unwrap_err().message;
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn stages_names_and_comments() {
    let text = "ARG v=1\n# build compiles it\nFROM --platform=$BUILDPLATFORM a:$v AS Build\nRUN x\nfrom build\n# check=skip=all\nCOPY a b\n";
    let file = parsed(text).file;
    assert_eq!((file.global_args.len(), file.stages.len()), (1, 2));
    let stage = &file.stages[0];
    assert!(stage.has_name("BUILD") && stage.has_name("build"));
    assert_eq!(stage.description(), Some("compiles it"));
    assert_eq!(stage.from.image.text, "a:$v");
    assert_eq!(stage.from.platform.as_ref().unwrap().text, "$BUILDPLATFORM");
    let copy = &file.stages[1].instructions[0];
    assert_eq!(copy.comments[0].text, "check=skip=all");
    assert_eq!(&text[copy.span.start..copy.span.end], "COPY a b");
    assert_eq!(copy.original, "COPY a b");
}

#[test]
fn spans_point_at_what_is_meant() {
    let text =
        "FROM x\nRUN --mount=type=cache,target=/a \\\n  make \\\n  all\nENV a=1 \\\n  key=value\n";
    let file = parsed(text).file;
    let at = |span: Span| &text[span.start..span.end];
    let InstructionKind::Run(run) = &file.stages[0].instructions[0].kind else {
        panic!()
    };
    assert_eq!(at(run.mounts[0].fields[1].span), "target=/a");
    assert_eq!(
        at(run.mounts[0].value(MountKey::Target).unwrap().span),
        "/a"
    );
    let CommandLine::Shell(word) = &run.command else {
        panic!()
    };
    assert_eq!(at(word.span), "make \\\n  all");
    let InstructionKind::Env(pairs) = &file.stages[0].instructions[1].kind else {
        panic!()
    };
    assert_eq!(
        (at(pairs[1].key.span), at(pairs[1].value.span)),
        ("key", "value")
    );
}

#[test]
fn backtick_escapes_and_windows_line_ends() {
    let file =
        parsed("# escape=`\r\nFROM x\r\nRUN a `\r\n  b\r\nENV p=C:\\x\\\r\nCOPY a C:\\\r\n").file;
    assert_eq!(file.escape(), '`');
    let instructions = &file.stages[0].instructions;
    assert_eq!(instructions[0].original, "RUN a   b");
    let InstructionKind::Env(pairs) = &instructions[1].kind else {
        panic!()
    };
    assert_eq!(pairs[0].value.text, "C:\\x\\");
    assert_eq!(instructions.len(), 3);
}
