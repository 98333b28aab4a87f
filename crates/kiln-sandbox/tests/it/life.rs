//! How processes start, end, and are ended.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio as Streams;
use std::time::{Duration, Instant};

use kiln_sandbox::{ExitStatus, Spec, Stdio, Stream, set_init_program, spawn};

use crate::place::{Place, skip_unless_root};

/// Starts a sandbox from this process, which only root can.
fn start(spec: &Spec, stdout: Stream) -> kiln_sandbox::Sandboxed {
    set_init_program(env!("CARGO_BIN_EXE_sandbox-runner").into());
    spawn(
        spec,
        Stdio {
            stdout,
            ..Stdio::default()
        },
    )
    .unwrap()
}

#[test]
fn the_exit_code_comes_out() {
    let place = Place::new();
    let Some(outcome) = place.run(&place.script("echo out; echo err >&2; exit 7")) else {
        return;
    };
    assert_eq!(outcome.text("exit"), "Code(7)", "{}", outcome.report);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("out\n", "err\n")
    );
}

#[test]
fn the_program_is_the_first_process_and_sees_no_other() {
    let place = Place::new();
    let script = "echo $$; for p in /proc/[0-9]*; do echo $p; done";
    let Some(outcome) = place.run(&place.script(script)) else {
        return;
    };
    // The script has no child while it lists.
    assert_eq!(outcome.stdout, "1\n/proc/1\n");
}

#[test]
fn a_signal_is_reported_as_one() {
    if skip_unless_root() {
        return;
    }
    let place = Place::new();
    let mut process = start(&place.script("sleep 1000"), Stream::Null);
    process.kill();
    assert_eq!(process.wait().unwrap().status, ExitStatus::Signal(9));
    assert_eq!(
        process.wait().unwrap().status,
        ExitStatus::Signal(9),
        "asked again"
    );
}

#[test]
fn a_handled_signal_reaches_the_program() {
    if skip_unless_root() {
        return;
    }
    let place = Place::new();
    let script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = start(&place.script(script), Stream::Pipe);
    let mut line = String::new();
    BufReader::new(process.take_stdout().unwrap())
        .read_line(&mut line)
        .unwrap();
    process.handle().signal(15);
    assert_eq!(process.wait().unwrap().status, ExitStatus::Code(42));
}

#[test]
fn killing_takes_everything_that_was_started_along() {
    if skip_unless_root() {
        return;
    }
    let place = Place::new();
    let script = "(sleep 4711 & sleep 4711 & wait) & echo ready; wait";
    let mut process = start(&place.script(script), Stream::Pipe);
    let mut output = BufReader::new(process.take_stdout().unwrap());
    output.read_line(&mut String::new()).unwrap();
    process.kill();
    process.wait().unwrap();
    // The pipe ends only when nobody holds it any more.
    assert_eq!(output.read_line(&mut String::new()).unwrap(), 0);
    assert!(!anyone_lives_in(&place));
}

#[test]
fn a_killed_parent_leaves_no_process() {
    let place = Place::new();
    let script = "trap '' TERM INT HUP; echo ready; sleep 4712";
    let mut command = place.command(&place.script(script), None);
    let mut runner = command.stdout(Streams::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(runner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    if line.is_empty() {
        println!("skipped: no sandbox here");
        return;
    }
    assert!(anyone_lives_in(&place));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    while anyone_lives_in(&place) {
        assert!(Instant::now() < limit, "the sandbox outlived its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process has its program, or the runner's, from this place's directories.
fn anyone_lives_in(place: &Place) -> bool {
    let upper = fs::canonicalize(place.path("upper")).unwrap();
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let mounts = fs::read_to_string(process.path().join("mountinfo")).unwrap_or_default();
        let program = fs::read_link(process.path().join("exe")).unwrap_or_default();
        // Mounts name directories by descriptor; the program's first layer names the place.
        let _ = &upper;
        program.starts_with(&place.directory) || mounts.contains(place.directory.to_str().unwrap())
    })
}

#[test]
fn what_cannot_be_executed_is_told_apart() {
    let place = Place::new();
    fs::write(place.path("layer/bin/data"), "no program").unwrap();
    fs::write(place.path("layer/bin/foreign"), b"\x7fELF\x02\x01\x01").unwrap();
    fs::write(place.path("layer/bin/lost"), "#!/no/such/shell\n").unwrap();
    for name in ["foreign", "lost"] {
        let path = place.path("layer/bin").join(name);
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let cases = [
        (
            "nothing",
            127,
            "cannot find the program nothing: no such file",
        ),
        ("/bin/nothing", 127, "/bin/nothing: no such file"),
        ("data", 126, "data: permission denied"),
        ("/bin/data", 126, "/bin/data: permission denied"),
        ("/bin", 126, "/bin: permission denied"),
        (
            "foreign",
            126,
            "cannot execute /bin/foreign: exec format error",
        ),
        ("lost", 127, "cannot execute /bin/lost: no such file"),
    ];
    for (program, code, message) in cases {
        let mut spec = Spec::new(place.overlay(), [program]);
        spec.env = vec![("PATH".into(), "/nowhere:/bin".into())];
        // A volatile overlay is mounted once.
        let _ = fs::remove_dir_all(place.path("work"));
        fs::create_dir(place.path("work")).unwrap();
        let Some(outcome) = place.run(&spec) else {
            return;
        };
        assert_eq!(
            outcome.report["exit_code"], code,
            "{program}: {}",
            outcome.report
        );
        assert!(
            outcome.text("error").contains(message),
            "{program}: {}",
            outcome.report
        );
    }
}

#[test]
fn a_missing_working_directory_is_named() {
    let place = Place::new();
    let mut spec = place.script("true");
    spec.cwd = "/not/there".into();
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    let expected = "cannot enter the working directory /not/there: no such file or directory";
    assert_eq!(outcome.text("error"), expected);
}

#[test]
fn arguments_and_variables_need_not_be_unicode() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new();
    let mut spec = place.script("printf %s \"$ODD$1\" | od -An -tx1 2>/dev/null || true");
    spec.args = vec![
        "/bin/sh".into(),
        "-c".into(),
        "printf '%s|%s' \"$ODD\" \"$0\"".into(),
    ];
    spec.args
        .push(std::ffi::OsString::from_vec(vec![0xff, b'a']));
    spec.env.push((
        "ODD".into(),
        std::ffi::OsString::from_vec(vec![0xc3, 0x28, b'\n']),
    ));
    let output = place.command(&spec, None).output().unwrap();
    if place.outcome(&output).is_some() {
        assert_eq!(output.stdout, b"\xc3\x28\n|\xffa");
    }
}
