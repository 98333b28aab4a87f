//! RUN: what a process sees, and what of its work becomes a layer.

use std::fs;

use crate::world::World;

#[test]
fn a_process_sees_its_environment_user_and_directory() {
    let Some(world) = World::with_base("a_process_sees_its_environment_user_and_directory") else {
        return;
    };
    let dockerfile = "FROM base\nARG A=arg\nENV E=env\nWORKDIR /w\nUSER web\n\
        RUN echo \"$A $E $HOME $(pwd) $(id -u):$(id -g) $(id -G)\" >/tmp/out\nUSER root\n\
        RUN [\"/bin/sh\", \"-c\", \"echo exec >>/tmp/out\"]\n\
        RUN <<EOF\necho here >>/tmp/out\necho doc >>/tmp/out\nEOF\n\
        RUN <<EOF\n#!/bin/sh\necho \"script $0\" >>/tmp/out\nEOF\n";
    let dockerfile = dockerfile.replace("USER web\n", "RUN chmod 1777 /tmp\nUSER web\n");
    world
        .build(&dockerfile, &["-t", "x", "-o", "type=local,dest=out"])
        .ok();
    assert_eq!(
        fs::read_to_string(world.dir().join("out/tmp/out")).unwrap(),
        "arg env /srv /w 33:44 44 50\nexec\nhere\ndoc\nscript /dev/pipes/EOF\n"
    );
}

#[test]
fn only_changes_become_a_layer() {
    let Some(world) = World::with_base("only_changes_become_a_layer") else {
        return;
    };
    let dockerfile = "FROM base\nRUN mkdir -p /d/e && echo 1 >/d/one && echo 2 >/d/e/two && ln /d/one /d/hard\n\
        RUN rm /d/one && rm -r /d/e && mkdir /d/e && echo 3 >/d/e/three\nRUN touch /d\nRUN chmod 600 /d/hard\n\
        RUN --mount=type=tmpfs,target=/scratch --mount=type=cache,target=/deep/cache echo x >/scratch/x\n";
    world.build(dockerfile, &["-t", "x"]).ok();
    let files: Vec<String> = world
        .files("x")
        .into_iter()
        .filter(|line| line.contains(" d") && !line.contains("bin"))
        .collect();
    assert_eq!(
        files,
        [
            "d 0755 0:0 0 d",
            "d 0755 0:0 0 d/e",
            "- 0644 0:0 2 d/e/three",
            "- 0600 0:0 2 d/hard"
        ]
    );
    let config = world.kiln(["inspect", "x", "--raw-config"]).ok();
    let empty = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(
        config.matches(empty).count(),
        2,
        "touching a directory and mounting leave nothing: {config}"
    );
}

#[test]
fn mounts_bring_files_secrets_and_caches() {
    let Some(world) = World::with_base("mounts_bring_files_secrets_and_caches") else {
        return;
    };
    world.write("ctx/file", "context");
    world.write("key", "s3cret");
    let dockerfile = "FROM base AS other\nRUN echo stage >/from-stage\nFROM base\n\
        RUN --mount=type=bind,source=ctx,target=/c cat /c/file >/out; echo no >/c/new || true; ls /c | wc -l >>/out\n\
        RUN --mount=type=bind,source=ctx,target=/c,rw echo y >/c/new && ls /c | wc -l >>/out\n\
        RUN --mount=from=other,source=/from-stage,target=/s cat /s >>/out\n\
        RUN --mount=from=other,target=/whole cat /whole/from-stage >>/out\n\
        RUN --mount=type=secret,id=key cat /run/secrets/key >>/out; stat -c %a /run/secrets/key >>/out\n\
        RUN --mount=type=secret,id=key,env=KEY echo \" $KEY\" >>/out\n\
        RUN --mount=type=cache,id=c,target=/cache echo 1 >>/cache/n; wc -l </cache/n >>/out\n\
        RUN --mount=type=cache,id=c,target=/cache echo 2 >>/cache/n; wc -l </cache/n >>/out\n\
        RUN ls /run /cache /c /s /whole 2>/dev/null | wc -l >>/out\n";
    world
        .build(
            dockerfile,
            &[
                "-t",
                "x",
                "--secret",
                "id=key,src=key",
                "-o",
                "type=local,dest=out",
            ],
        )
        .ok();
    assert_eq!(
        fs::read_to_string(world.dir().join("out/out")).unwrap(),
        "context1\n2\nstage\nstage\ns3cret400\n s3cret\n1\n2\n0\n"
    );
    let stored = String::from_utf8_lossy(&all_bytes(&world.home().join("snapshots"))).into_owned();
    assert!(!stored.contains("s3cret\nnever"), "sanity");
    let config = world.kiln(["inspect", "x"]).ok();
    assert!(
        !config.contains("s3cret"),
        "a secret never gets into the config"
    );
}

/// All bytes of the small files below a directory.
fn all_bytes(root: &std::path::Path) -> Vec<u8> {
    let mut bytes = vec![];
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes.extend(all_bytes(&entry.path())),
            Ok(kind) if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() < 4096) => {
                bytes.extend(fs::read(entry.path()).unwrap_or_default());
            }
            _ => {}
        }
    }
    bytes
}

#[test]
fn a_missing_required_secret_is_asked_for() {
    let Some(world) = World::with_base("a_missing_required_secret_is_asked_for") else {
        return;
    };
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=token,required true\n";
    let error = world.build(dockerfile, &[]).fails(1);
    assert!(error.contains("--secret id=token,src=FILE"), "{error}");
}

#[test]
fn without_a_network_there_is_only_loopback() {
    let Some(world) = World::with_base("without_a_network_there_is_only_loopback") else {
        return;
    };
    let dockerfile = "FROM base\nRUN --network=none ip link | grep -c '^[0-9]' >/out; ip link | grep -c 'LOOPBACK,UP' >>/out\n";
    world.build(dockerfile, &["-o", "type=local,dest=out"]).ok();
    assert_eq!(
        fs::read_to_string(world.dir().join("out/out")).unwrap(),
        "1\n1\n"
    );
}

#[test]
fn the_sandbox_holds() {
    let Some(world) = World::with_base("the_sandbox_holds") else {
        return;
    };
    let dockerfile = "FROM base\nRUN mount -t tmpfs x /tmp && exit 9; ! cat /proc/kcore && ! echo 1 >/proc/sys/kernel/hostname; \
        grep CapEff /proc/self/status >/out; test \"$(ps | wc -l)\" -lt 8\n";
    world.build(dockerfile, &["-o", "type=local,dest=out"]).ok();
    let out = fs::read_to_string(world.dir().join("out/out")).unwrap();
    assert_eq!(out.trim(), "CapEff:\t00000000a80425fb");
    let error = world
        .build("FROM base\nRUN --security=insecure true\n", &[])
        .fails(1);
    assert!(error.contains("--allow security.insecure"), "{error}");
}

#[test]
fn a_failed_command_shows_its_log_and_its_line() {
    let Some(world) = World::with_base("a_failed_command_shows_its_log_and_its_line") else {
        return;
    };
    let dockerfile = "FROM base\nENV A=1\nRUN echo before && echo problem >&2 && exit 3\n";
    let error = world.build(dockerfile, &[]).fails(1);
    for part in [
        "before",
        "problem",
        "Dockerfile:3",
        "exit code 3",
        "--shell-on-fail",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = world.build("FROM base\nRUN [\"/nosuch\"]\n", &[]).fails(1);
    assert!(
        error.contains("/nosuch") && error.contains("no such file"),
        "{error}"
    );
}

#[test]
fn the_shell_on_fail_sees_what_the_step_left() {
    let Some(world) = World::with_base("the_shell_on_fail_sees_what_the_step_left") else {
        return;
    };
    world.write(
        "Dockerfile",
        "FROM base\nRUN echo evidence >/left && false\n",
    );
    let outcome = world.kiln_with_input(["build", "--shell-on-fail", "."], b"cat /left; pwd\n");
    assert_eq!(outcome.stdout, "evidence\n/\n");
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn files_from_a_stage_keep_their_owners_and_special_bits() {
    let Some(world) = World::with_base("files_from_a_stage_keep_their_owners_and_special_bits")
    else {
        return;
    };
    let dockerfile = "FROM base AS one\nRUN mkdir /d && touch /d/setuid && chown 33:44 /d/setuid && chmod 4755 /d/setuid \
        && mkfifo /d/pipe && ln -s nowhere /d/dangling && dd if=/dev/zero of=/d/sparse bs=1 count=1 seek=100000000\n\
        FROM base AS two\nCOPY --from=one /d /e\nFROM two\nRUN stat -c '%a %u:%g %F %s' /e/setuid /e/pipe /e/sparse >/out; dd if=/e/sparse bs=1 skip=99999999 2>/dev/null | wc -c >>/out\n";
    world
        .build(dockerfile, &["-t", "x", "-o", "type=local,dest=out"])
        .ok();
    assert_eq!(
        fs::read_to_string(world.dir().join("out/out")).unwrap(),
        "4755 33:44 regular empty file 0\n644 0:0 fifo 0\n644 0:0 regular file 100000001\n2\n"
    );
}

#[test]
fn stages_without_a_common_root_run_side_by_side() {
    let Some(world) = World::with_base("stages_without_a_common_root_run_side_by_side") else {
        return;
    };
    // Each stage waits for the other through a shared cache: one after the other they would never end.
    let meet = |mine: &str, other: &str| {
        format!(
            "RUN --mount=type=cache,id=meet,target=/m touch /m/{mine}; n=0; while [ ! -e /m/{other} ]; do sleep 0.1; n=$((n+1)); [ $n -lt 100 ] || exit 1; done; echo {mine} >/{mine}\n"
        )
    };
    let dockerfile = format!(
        "FROM base AS a\n{}FROM base AS b\n{}FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
        meet("a", "b"),
        meet("b", "a")
    );
    world.build(&dockerfile, &["-t", "x", "--jobs", "2"]).ok();
    assert_eq!(world.files("x"), ["- 0644 0:0 2 a", "- 0644 0:0 2 b"]);
}

#[test]
fn locked_caches_are_taken_in_an_order_that_cannot_block() {
    let Some(world) = World::with_base("locked_caches_are_taken_in_an_order_that_cannot_block")
    else {
        return;
    };
    let run = |first: &str, second: &str| {
        let mount = |id: &str| format!("--mount=type=cache,sharing=locked,id={id},target=/{id}");
        format!(
            "RUN {} {} {} sleep 0.3; echo $RANDOM >/out\n",
            mount(first),
            mount(second),
            mount(first).replace("target=/", "target=/again")
        )
    };
    let dockerfile = format!(
        "FROM base AS a\n{}FROM base AS b\n{}FROM scratch\nCOPY --from=a /out /a\nCOPY --from=b /out /b\n",
        run("one", "two"),
        run("two", "one")
    );
    world.build(&dockerfile, &["-t", "x"]).ok();
}

#[test]
fn foreign_platforms_are_refused_with_a_way_out() {
    let Some(world) = World::with_base("foreign_platforms_are_refused_with_a_way_out") else {
        return;
    };
    if std::path::Path::new("/proc/sys/fs/binfmt_misc/qemu-s390x").exists() {
        crate::world::not_checked(
            "foreign_platforms_are_refused_with_a_way_out",
            "an emulator is there",
        );
        return;
    }
    world.write("x", "x");
    world
        .build(
            "FROM scratch\nCOPY x /bin/sh\n",
            &["-t", "foreign", "--platform=linux/s390x"],
        )
        .ok();
    let error = world
        .build("FROM foreign\nRUN true\n", &["--platform=linux/s390x"])
        .fails(1);
    assert!(
        error.contains("linux/s390x") && error.contains("qemu-user-static"),
        "{error}"
    );
}
