//! Beginning and end of a process.

use std::time::{Duration, Instant};

use kiln_sandbox::{ExitStatus, Stdio, spawn};

use crate::world::{World, run};

#[test]
fn codes_and_signals_are_told_exactly() {
    let Some(world) = World::new("codes_and_signals_are_told_exactly") else {
        return;
    };
    for code in [0, 1, 42, 255] {
        let done = run(&world.shell(&format!("exit {code}"))).unwrap();
        assert_eq!(done.exit.status, ExitStatus::Code(code));
    }
    let mut process = spawn(
        &world.shell("trap 'exit 7' USR1; while :; do sleep 0.01; done"),
        Stdio::default(),
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    process.signal(10);
    assert_eq!(process.wait().unwrap().status, ExitStatus::Code(7));
    let mut process = spawn(&world.shell("sleep 1000"), Stdio::default()).unwrap();
    process.kill();
    assert_eq!(process.wait().unwrap().status, ExitStatus::Signal(9));
    assert_eq!(
        process.wait().unwrap().status,
        ExitStatus::Signal(9),
        "asked again"
    );
}

#[test]
fn nothing_outlives_the_first_process_or_its_owner() {
    let Some(world) = World::new("nothing_outlives_the_first_process_or_its_owner") else {
        return;
    };
    let marker = format!("{}", 200_000 + std::process::id());
    let start = Instant::now();
    let done = run(&world.shell(&format!("sleep {marker} & sleep {marker} & exit 3"))).unwrap();
    assert_eq!(done.exit.status, ExitStatus::Code(3));
    assert!(start.elapsed() < Duration::from_secs(20));
    drop(
        spawn(
            &world.shell(&format!("sleep {marker}; true")),
            Stdio::default(),
        )
        .unwrap(),
    );
    let left = std::process::Command::new("pgrep")
        .args(["-f", &format!("sleep {marker}")])
        .output();
    if let Ok(left) = left {
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    }
}

#[test]
fn it_is_process_one_and_has_nothing_of_its_parent() {
    let Some(world) = World::new("it_is_process_one_and_has_nothing_of_its_parent") else {
        return;
    };
    let done =
        run(&world
            .shell("echo $$; ls /proc/self/fd | wc -l; echo ${HOME-unset} ${CARGO-unset}; pwd"))
        .unwrap();
    assert_eq!(done.output, "1\n4\nunset unset\n/\n");
}
