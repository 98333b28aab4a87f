//! Stages, what they are built on, and what they need.

use crate::parsed;
use kiln_dockerfile::plan::SourceDateEpoch;
use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::{Origin, Plan, PlanOptions, plan};
use std::collections::BTreeSet;

fn options() -> PlanOptions {
    PlanOptions {
        build_platform: PlatformParts::linux("amd64", ""),
        target_platform: PlatformParts::linux("arm64", ""),
        ..PlanOptions::default()
    }
}

fn planned(text: &str, options: &PlanOptions) -> Plan {
    plan(&parsed(text).file, options).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"))
}

fn errors(text: &str, options: &PlanOptions) -> Vec<String> {
    let errors = plan(&parsed(text).file, options).expect_err(text);
    errors
        .into_iter()
        .map(|error| match error.help {
            Some(help) => format!("{} ({help})", error.message),
            None => error.message,
        })
        .collect()
}

/// Each stage of the plan: index, base, and the stages it depends on.
fn shape(plan: &Plan) -> Vec<(usize, Origin, Vec<usize>)> {
    let stage = |stage: &kiln_dockerfile::PlannedStage| {
        (
            stage.index,
            stage.base.clone(),
            stage.deps.iter().copied().collect(),
        )
    };
    plan.stages.iter().map(stage).collect()
}

const CHAIN: &str = "FROM alpine AS a\nRUN x\nFROM scratch AS unused\nFROM a AS b\nFROM debian\nCOPY --from=b x y\nCOPY --from=0 x y\n";

#[test]
fn only_reachable_stages_are_built() {
    let image = |name: &str| Origin::Image(name.into());
    let plan = planned(CHAIN, &options());
    assert_eq!(
        shape(&plan),
        [
            (0, image("alpine"), vec![]),
            (2, Origin::Stage(0), vec![0]),
            (3, image("debian"), vec![0, 2]),
        ]
    );
    assert_eq!(plan.target, 3);
    for (target, expected) in [
        ("a", vec![0]),
        ("B", vec![0, 2]),
        ("unused", vec![1]),
        ("0", vec![0]),
    ] {
        let plan = planned(
            CHAIN,
            &PlanOptions {
                target: Some(target.into()),
                ..options()
            },
        );
        let found: Vec<usize> = plan.stages.iter().map(|stage| stage.index).collect();
        assert_eq!(found, expected, "{target}");
    }
}

#[test]
fn names_mean_stages_contexts_or_images() {
    let text = "FROM scratch AS Base\nFROM BASE AS two\nFROM two\nCOPY --from=bAsE x y\nCOPY --from=busybox:1 x y\nCOPY --from=ctx x y\nRUN --mount=from=two,target=/m --mount=from=golang,target=/n z\n";
    let named_contexts = BTreeSet::from(["ctx".to_string()]);
    let plan = planned(
        text,
        &PlanOptions {
            named_contexts,
            ..options()
        },
    );
    let last = plan.stage(2).unwrap();
    assert_eq!(last.deps, BTreeSet::from([0, 1]));
    let sources = [
        Origin::Image("busybox:1".into()),
        Origin::Image("golang".into()),
        Origin::Context("ctx".into()),
    ];
    assert_eq!(last.sources, BTreeSet::from(sources));
    assert_eq!(plan.stage(0).unwrap().base, Origin::Scratch);
}

#[test]
fn contexts_override_stages_and_images() {
    for (context, from) in [
        ("alpine", "alpine"),
        ("alpine", "alpine:latest"),
        ("alpine", "docker.io/library/alpine:latest"),
        ("docker.io/library/alpine", "alpine"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
    ] {
        let named_contexts = BTreeSet::from([context.to_string()]);
        let plan = planned(
            &format!("FROM {from}\n"),
            &PlanOptions {
                named_contexts,
                ..options()
            },
        );
        assert_eq!(
            plan.stages[0].base,
            Origin::Context(context.into()),
            "{context} for {from}"
        );
    }
    let named_contexts = BTreeSet::from(["dep".to_string(), "scratch".to_string()]);
    let text = "FROM scratch AS dep\nRUN never\nFROM scratch\nCOPY --from=dep a b\n";
    let plan = planned(
        text,
        &PlanOptions {
            named_contexts,
            ..options()
        },
    );
    assert_eq!(plan.stages[0].base, Origin::Context("dep".into()));
    assert!(plan.stages[0].steps.is_empty());
    assert_eq!(plan.stages[1].base, Origin::Scratch);
    assert_eq!(plan.stages[1].deps, BTreeSet::from([0]));
}

#[test]
fn a_repeated_name_means_the_last_stage_before() {
    let plan = planned(
        "FROM x AS a\nFROM a AS a\nFROM a\nCOPY --from=a f g\n",
        &options(),
    );
    assert_eq!(plan.stage(1).unwrap().base, Origin::Stage(0));
    assert_eq!(plan.stage(2).unwrap().base, Origin::Stage(1));
}

#[test]
fn global_arguments_fill_from_lines() {
    for (text, args, expected, platform) in [
        ("ARG v=3\nFROM a:$v", vec![], "a:3", None),
        ("ARG v=3\nFROM a:$v", vec![("v", "4")], "a:4", None),
        ("ARG v\nFROM a:${v:-5}", vec![], "a:5", None),
        ("ARG a=x\nARG b=${a}y a=z\nFROM $b$a", vec![], "xyz", None),
        (
            "FROM --platform=$BUILDPLATFORM a",
            vec![],
            "a",
            Some("linux/amd64"),
        ),
        (
            "FROM --platform=$TARGETPLATFORM a",
            vec![],
            "a",
            Some("linux/arm64"),
        ),
        (
            "FROM --platform=$TARGETPLATFORM a",
            vec![("TARGETPLATFORM", "x/y")],
            "a",
            Some("x/y"),
        ),
        ("FROM a-$TARGETARCH-$BUILDOS", vec![], "a-arm64-linux", None),
        ("FROM a:$TARGETSTAGE AS Fin", vec![], "a:fin", None),
        ("FROM a:$TARGETSTAGE", vec![], "a:default", None),
        ("FROM 'a'\"b\"", vec![], "ab", None),
    ] {
        let build_args = args
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        let plan = planned(
            text,
            &PlanOptions {
                build_args,
                ..options()
            },
        );
        assert_eq!(
            plan.stages[0].base,
            Origin::Image(expected.into()),
            "{text}"
        );
        assert_eq!(plan.stages[0].platform.as_deref(), platform, "{text}");
    }
}

#[test]
fn impossible_plans() {
    for (text, target, expected) in [
        (
            "FROM a\nCOPY --from=1 a b\nFROM c",
            Some("0"),
            "stage \"1\" is defined only after this one (a stage can use only the stages above it)",
        ),
        (
            "FROM a\nCOPY --from=7 a b",
            None,
            "invalid stage index 7 (stages are numbered from 0 to 0)",
        ),
        (
            "FROM a AS x\nCOPY --from=x a b",
            None,
            "stage \"x\" copies from itself (a stage can use only the stages above it)",
        ),
        (
            "FROM a AS x\nRUN --mount=from=y,target=/a b\nFROM b AS y",
            Some("x"),
            "stage \"y\" is defined only after this one (a stage can use only the stages above it)",
        ),
        (
            "FROM a AS build",
            Some("biuld"),
            "target stage \"biuld\" could not be found (did you mean build?)",
        ),
        (
            "FROM a",
            Some("x"),
            "target stage \"x\" could not be found (no stage has a name)",
        ),
        (
            "FROM a AS b\nFROM a AS c",
            Some("zzzz"),
            "target stage \"zzzz\" could not be found (the stages are b, c)",
        ),
        (
            "ARG VERSION=1\nFROM $VERSON",
            None,
            "base name ($VERSON) should not be blank (did you mean VERSION?)",
        ),
        (
            "FROM $BASE",
            None,
            "base name ($BASE) should not be blank (BASE has no value here: declare it with ARG before the first FROM, or pass --build-arg BASE=…)",
        ),
        ("FROM ${a", None, "syntax error: missing '}'"),
        (
            "FROM --platform=foo a",
            None,
            "\"foo\" is no platform (write it as os/architecture[/variant], as in linux/arm64)",
        ),
        ("ARG a=${b:?needed}\nFROM a", None, "b: needed"),
    ] {
        let options = PlanOptions {
            target: target.map(str::to_string),
            ..options()
        };
        assert_eq!(errors(text, &options), [expected], "{text}");
    }
    // What is wrong in a stage that is not built does not matter.
    planned("FROM a AS x\nCOPY --from=x a b\nFROM c", &options());
}

#[test]
fn triggers_run_first_and_may_bring_dependencies() {
    let text = "FROM a AS dep\nFROM b AS parent\nONBUILD COPY --from=dep x y\nONBUILD ENV k=v\nFROM parent\nRUN own\n";
    let plan = planned(text, &options());
    let last = plan.stage(2).unwrap();
    let names: Vec<_> = last
        .steps
        .iter()
        .map(|step| (step.instruction.kind.name(), step.from_trigger))
        .collect();
    assert_eq!(names, [("COPY", true), ("ENV", true), ("RUN", false)]);
    assert_eq!(last.deps, BTreeSet::from([0, 1]));
    let mut options = options();
    options
        .triggers
        .insert(1, vec!["COPY --from=dep p q".into()]);
    let plan = planned("FROM a AS dep\nFROM image\nRUN own\n", &options);
    assert_eq!(plan.stage(1).unwrap().deps, BTreeSet::from([0]));
    assert!(plan.stage(1).unwrap().steps[0].from_trigger);
    options.triggers.insert(1, vec!["NOPE".into()]);
    let found = errors("FROM a AS dep\nFROM image\n", &options);
    assert_eq!(
        found,
        ["the base image's ONBUILD trigger \"NOPE\": unknown instruction NOPE"]
    );
}

#[test]
fn unused_build_arguments_are_named() {
    let build_args = [
        "used",
        "global",
        "lost",
        "HTTP_PROXY",
        "TARGETARCH",
        "SOURCE_DATE_EPOCH",
        "ob",
    ]
    .map(|name| (name.to_string(), "1".to_string()))
    .into();
    let text = "ARG global\nFROM a\nARG used\nONBUILD ARG ob\n";
    let plan = planned(
        text,
        &PlanOptions {
            build_args,
            ..options()
        },
    );
    assert_eq!(plan.unused_build_args, ["lost"]);
}

#[test]
fn the_time_of_the_build() {
    for (text, argument, expected) in [
        ("FROM a", Some("12"), Some(SourceDateEpoch::Seconds(12))),
        ("FROM a", Some("context"), Some(SourceDateEpoch::Context)),
        (
            "FROM a",
            Some("src"),
            Some(SourceDateEpoch::Named("src".into())),
        ),
        ("FROM a", Some(""), None),
        ("FROM a", None, None),
        (
            "ARG SOURCE_DATE_EPOCH=7\nFROM a",
            None,
            Some(SourceDateEpoch::Seconds(7)),
        ),
        (
            "ARG SOURCE_DATE_EPOCH=7\nFROM a",
            Some("8"),
            Some(SourceDateEpoch::Seconds(8)),
        ),
        ("ARG SOURCE_DATE_EPOCH\nFROM a", None, None),
    ] {
        let named = argument.map(|value| ("SOURCE_DATE_EPOCH".to_string(), value.to_string()));
        let build_args = named.into_iter().collect();
        let plan = planned(
            text,
            &PlanOptions {
                build_args,
                ..options()
            },
        );
        assert_eq!(plan.source_date_epoch(), expected, "{text} {argument:?}");
    }
}
