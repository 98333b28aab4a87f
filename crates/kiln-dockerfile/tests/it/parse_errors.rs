//! What the parser refuses, where it points, and the way out that it shows.

use crate::problems;
use kiln_dockerfile::{SourceFile, parse};

#[test]
fn errors_have_places_and_ways_out() {
    for (line, expected) in [
        ("RUM x", "2:1: unknown instruction RUM (did you mean RUN?)"),
        ("xyzzy a", "2:1: unknown instruction xyzzy"),
        (
            "COPY --form=a b c",
            "2:6: unknown flag --form for COPY (did you mean --from?)",
        ),
        ("CMD --help", "2:5: unknown flag --help for CMD"),
        ("COPY --link --link a b", "2:13: duplicate flag --link"),
        (
            "COPY --link=maybe a b",
            "2:6: flag --link is true or false, not \"maybe\"",
        ),
        ("COPY --link= a b", "2:6: missing a value on flag --link"),
        ("COPY --chown a b", "2:6: missing a value on flag --chown"),
        (
            "COPY a",
            "2:1: COPY needs at least one source and a destination",
        ),
        (
            "ADD",
            "2:1: ADD needs at least one source and a destination",
        ),
        (
            "COPY --from=$x a b",
            "2:13: variable expansion is not supported for --from (give the image a stage of its own, `FROM $image AS name`, and copy from that)",
        ),
        ("ENV", "2:1: ENV requires at least one argument"),
        ("ENV a", "2:5: ENV a has no value (write ENV a=value)"),
        (
            "ENV a=1 b",
            "2:9: cannot find = in \"b\"; it must be name=value (put a value that holds blanks in double quotes)",
        ),
        ("ENV =1", "2:5: ENV names cannot be blank"),
        ("ARG", "2:1: ARG requires at least one argument"),
        ("ARG =1", "2:5: ARG names cannot be blank"),
        ("EXPOSE", "2:1: EXPOSE requires at least one argument"),
        ("VOLUME []", "2:1: VOLUME requires at least one argument"),
        ("VOLUME [\"\"]", "2:8: VOLUME cannot be an empty string"),
        ("WORKDIR", "2:1: WORKDIR requires exactly one argument"),
        ("USER", "2:1: USER requires exactly one argument"),
        (
            "STOPSIGNAL",
            "2:1: STOPSIGNAL requires exactly one argument",
        ),
        (
            "SHELL a b",
            "2:7: SHELL requires the arguments to be in JSON form (write SHELL [\"executable\", \"parameter\"])",
        ),
        ("SHELL []", "2:1: SHELL requires at least one argument"),
        (
            "CMD [\"a\", 1]",
            "2:5: a JSON array must hold strings only (put every element in double quotes)",
        ),
        ("RUN []", "2:1: RUN [] names no program"),
        (
            "RUN --network=hosst x",
            "2:15: unsupported network mode \"hosst\" (did you mean host?)",
        ),
        (
            "RUN --security=x y",
            "2:16: unsupported security mode \"x\" (use one of sandbox, insecure)",
        ),
        (
            "RUN --mount=type=bnd,target=/a x",
            "2:13: unsupported mount type \"bnd\" (did you mean bind?)",
        ),
        (
            "RUN --mount=type=bind,tarket=/a x",
            "2:23: unexpected key \"tarket\" in \"tarket=/a\" (did you mean target?)",
        ),
        (
            "RUN --mount=target x",
            "2:13: invalid field \"target\": it must be key=value",
        ),
        (
            "RUN --mount=target=/a,from=$x y",
            "2:28: \"from\" does not support variables (give the image a stage of its own, `FROM $image AS name`, and mount from that)",
        ),
        (
            "RUN --mount=required,type=secret,id=a x",
            "2:13: unexpected key \"required\" for mount type bind (type= must stand before it)",
        ),
        (
            "RUN --mount=type=bind,mode=7,target=/a x",
            "2:13: mode is not allowed for bind mounts",
        ),
        (
            "RUN --mount=type=bind,sharing=locked,target=/a x",
            "2:13: sharing is not allowed for bind mounts",
        ),
        (
            "RUN --mount=type=secret x",
            "2:13: a secret mount needs an id or a target",
        ),
        (
            "RUN --mount=type=secret,id=a,src=b x",
            "2:13: a secret mount has a source or an id, not both",
        ),
        (
            "RUN --mount=type=tmpfs,target=/a,size=1q x",
            "2:34: invalid value \"1q\"",
        ),
        (
            "RUN --mount=type=cache,target=/a,mode=9 x",
            "2:34: invalid value \"9\"",
        ),
        (
            "RUN --mount=a\\\"b x",
            "2:5: --mount: a quote in the middle of a field",
        ),
        (
            "HEALTHCHECK",
            "2:1: HEALTHCHECK requires at least one argument",
        ),
        (
            "HEALTHCHECK NONE x",
            "2:18: HEALTHCHECK NONE takes no arguments",
        ),
        (
            "HEALTHCHECK CMD",
            "2:13: missing command after HEALTHCHECK CMD",
        ),
        (
            "HEALTHCHECK CMDD x",
            "2:13: unknown type \"CMDD\" in HEALTHCHECK (did you mean CMD?)",
        ),
        (
            "HEALTHCHECK --interval=5 CMD x",
            "2:24: --interval: missing unit in duration \"5\"; write it as 30s, 1m30s or 500ms",
        ),
        (
            "HEALTHCHECK --timeout=5us CMD x",
            "2:23: --timeout cannot be less than 1ms",
        ),
        (
            "HEALTHCHECK --retries=-1 CMD x",
            "2:23: --retries must be a number from 0, not \"-1\"",
        ),
        ("ONBUILD", "2:1: ONBUILD requires at least one argument"),
        (
            "ONBUILD ONBUILD RUN x",
            "2:9: ONBUILD cannot hold another ONBUILD",
        ),
        (
            "ONBUILD FROM x",
            "2:9: FROM is not allowed as an ONBUILD trigger",
        ),
        (
            "ONBUILD MAINTAINER x",
            "2:9: MAINTAINER is not allowed as an ONBUILD trigger",
        ),
        (
            "RUN <<EOF\necho",
            "2:1: unterminated here-document: no line is \"EOF\" alone (end it with a line that holds EOF only)",
        ),
        (
            "COPY a <<EOF\nEOF",
            "2:8: COPY cannot take a here-document as its destination",
        ),
        (
            "FROM a b",
            "2:1: FROM requires either one or three arguments (write FROM image, or FROM image AS name)",
        ),
        (
            "FROM a AS 1b",
            "2:11: invalid name for build stage: \"1b\" (begin with a letter; letters, digits, '-', '_' and '.' may follow)",
        ),
        (
            "FROM --platfrom=x a",
            "2:6: unknown flag --platfrom for FROM (did you mean --platform?)",
        ),
    ] {
        assert_eq!(problems(&format!("FROM x\n{line}\n")), [expected], "{line}");
    }
    for (text, expected) in [
        ("", "1:1: file with no instructions"),
        ("# only\n", "2:1: file with no instructions"),
        (
            "ARG a\n",
            "2:1: there is no stage to build (begin with FROM)",
        ),
        (
            "FROM\n",
            "1:1: FROM requires either one or three arguments (write FROM image, or FROM image AS name)",
        ),
        (
            "RUN x\nFROM a\n",
            "1:1: RUN before the first FROM (only ARG, comments and directives may stand before FROM)",
        ),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn one_mistake_does_not_hide_the_next() {
    let found = problems("FROM x\nRUM a\nCOPY b\nENV c\nRUN fine\n");
    assert_eq!(found.len(), 3, "{found:?}");
    let source = SourceFile::new("D", "FROM x\nRUM a\nRUN fine\n");
    assert_eq!(parse(&source).file.stages[0].instructions.len(), 1);
}
