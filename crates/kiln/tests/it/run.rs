//! `kiln run`.

use crate::world::World;

#[test]
fn a_program_runs_and_its_end_is_passed_on() {
    let Some(world) = World::with_base("a_program_runs_and_its_end_is_passed_on") else {
        return;
    };
    assert_eq!(world.kiln(["run", "base", "echo", "hello"]).ok(), "hello\n");
    assert_eq!(
        world
            .kiln(["run", "--rm", "base", "sh", "-c", "exit 7"])
            .code,
        Some(7)
    );
    assert_eq!(
        world
            .kiln(["run", "base", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"])
            .code,
        Some(137)
    );
    let missing = world.kiln(["run", "base", "nosuch"]);
    assert!(missing.stderr.contains("nosuch"), "{}", missing.stderr);
    assert_eq!(missing.code, Some(127));
    assert_eq!(world.kiln(["run", "base", "/etc/passwd"]).code, Some(126));
    let nothing = world.kiln(["run", "base"]).fails(1);
    assert!(nothing.contains("what to run"), "{nothing}");
    let input = world.kiln_with_input(["run", "base", "cat"], b"through");
    assert_eq!(input.ok(), "through");
}

#[test]
fn flags_set_what_the_program_sees() {
    let Some(world) = World::with_base("flags_set_what_the_program_sees") else {
        return;
    };
    world.write("data/file", "volume");
    let out = world
        .kiln(["run", "-e", "A=1", "-u", "web", "-w", "/made/here", "-v", "data:/mnt/data:ro", "--hostname", "box",
            "--add-host", "db:10.9.8.7", "base", "sh", "-c",
            "echo $A $(id -u):$(id -g) $(pwd) $(cat /mnt/data/file) $(cat /proc/sys/kernel/hostname); \
             grep db /etc/hosts; echo x 2>/dev/null >/mnt/data/new || echo refused"])
        .ok();
    assert_eq!(
        out,
        "1 33:44 /made/here volume box\n10.9.8.7\tdb\nrefused\n"
    );
    let out = world
        .kiln([
            "run",
            "--network=none",
            "base",
            "sh",
            "-c",
            "ip link | grep -c '^[0-9]'",
        ])
        .ok();
    assert_eq!(out, "1\n");
    let out = world.kiln([
        "run",
        "--read-only",
        "base",
        "sh",
        "-c",
        "touch /x || echo no",
    ]);
    assert_eq!(out.stdout, "no\n");
    assert!(
        world
            .kiln(["run", "-v", "nowhere:/x", "base", "true"])
            .fails(1)
            .contains("nowhere")
    );
}

#[test]
fn changes_are_gone_afterwards_and_nothing_is_left() {
    let Some(world) = World::with_base("changes_are_gone_afterwards_and_nothing_is_left") else {
        return;
    };
    world
        .kiln([
            "run",
            "base",
            "sh",
            "-c",
            "echo x >/new; mkdir /locked; chmod 0 /locked",
        ])
        .ok();
    assert_eq!(
        world
            .kiln(["run", "base", "sh", "-c", "test ! -e /new && echo clean"])
            .ok(),
        "clean\n"
    );
    for directory in ["work", "leases"] {
        assert_eq!(
            std::fs::read_dir(world.home().join(directory))
                .unwrap()
                .count(),
            0,
            "{directory}"
        );
    }
}

#[test]
fn signals_reach_the_program() {
    let Some(world) = World::with_base("signals_reach_the_program") else {
        return;
    };
    let script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = world
        .command(["run", "base", "sh", "-c", script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let status = child.wait().unwrap();
    line.clear();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!((line.as_str(), status.code()), ("caught\n", Some(5)));
}

#[test]
fn what_follows_the_image_is_the_programs() {
    let Some(world) = World::with_base("what_follows_the_image_is_the_programs") else {
        return;
    };
    let dockerfile = "FROM base\nENTRYPOINT [\"/bin/sh\", \"-c\", \"echo \\\"$0 $*\\\"\"]\n";
    world.build(dockerfile, &["-t", "app"]).ok();
    let said = world.kiln(["run", "--rm", "app", "-e", "A=1", "--rm"]).ok();
    assert_eq!(said, "-e A=1 --rm\n");
    world.kiln(["run", "--no-such-flag", "app"]).fails(2);
}
