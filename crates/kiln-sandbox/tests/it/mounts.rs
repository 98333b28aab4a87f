//! The root filesystem, what is mounted over it, and what is left behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use kiln_sandbox::{Mount, Overlay, Root, Spec};
use serde_json::json;

use crate::place::{Place, is_root};

#[test]
fn changes_go_to_the_upper_directory() {
    let place = Place::new();
    fs::write(place.path("layer/etc/old"), "old").unwrap();
    let script = "echo new > /etc/new; rm /etc/old; mkdir -p /a/b; echo x >> /bin/added";
    let Some(outcome) = place.run(&place.script(script)) else {
        return;
    };
    assert_eq!(
        outcome.text("exit"),
        "Code(0)",
        "{}{}",
        outcome.stderr,
        outcome.report
    );
    assert_eq!(
        fs::read_to_string(place.path("upper/etc/new")).unwrap(),
        "new\n"
    );
    let gone = fs::symlink_metadata(place.path("upper/etc/old")).unwrap();
    let device = std::os::unix::fs::FileTypeExt::is_char_device(&gone.file_type());
    assert!(device, "a whiteout is a character device");
    assert!(place.path("upper/a/b").is_dir());
    assert_eq!(
        fs::read_to_string(place.path("layer/etc/old")).unwrap(),
        "old"
    );
}

#[test]
fn mount_points_that_were_made_are_reported() {
    let place = Place::new();
    fs::remove_dir(place.path("layer/sys")).unwrap();
    symlink("real", place.path("layer/linked")).unwrap();
    fs::create_dir(place.path("layer/real")).unwrap();
    symlink(
        "../run/missing/resolv.conf",
        place.path("layer/etc/resolv.conf"),
    )
    .unwrap();
    let mut spec = place.script("cat /etc/resolv.conf /linked/file; ls -d /cache/deep /dev/made");
    spec.resolv_conf = Some(b"nameserver 192.0.2.1\n".to_vec());
    let tmpfs = |target: &str| Mount::Tmpfs {
        target: target.into(),
        size: None,
        mode: 0o755,
    };
    spec.mounts = vec![
        tmpfs("/cache/deep"),
        tmpfs("/dev/made"),
        tmpfs("/cache/deep/below"),
        secret("/linked/file", b"secret\n"),
    ];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "nameserver 192.0.2.1\nsecret\n/cache/deep\n/dev/made\n",
        "{}{}",
        outcome.stderr, outcome.report
    );
    let expected = json!([
        "/sys",
        "/run",
        "/run/missing",
        "/run/missing/resolv.conf",
        "/cache",
        "/cache/deep",
        "/real/file"
    ]);
    assert_eq!(outcome.report["created"], expected);
    for made in expected.as_array().unwrap() {
        let path = place
            .path("upper")
            .join(made.as_str().unwrap().trim_start_matches('/'));
        assert!(
            fs::symlink_metadata(&path).is_ok(),
            "{made} is not in the upper directory"
        );
    }
}

fn secret(target: &str, content: &[u8]) -> Mount {
    Mount::File {
        target: target.into(),
        content: content.to_vec(),
        mode: 0o400,
        uid: 0,
        gid: 0,
        read_only: true,
    }
}

#[test]
fn a_link_does_not_lead_a_mount_out_of_the_root() {
    let place = Place::new();
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("of-the-host"), "").unwrap();
    symlink(&outside, place.path("layer/out")).unwrap();
    symlink("../../../../../../../../tmp", place.path("layer/up")).unwrap();
    let mut spec = place.script("cat /out/a; ls /out /b");
    spec.mounts = vec![secret("/out/a", b"kept in\n"), secret("/up/../../b", b"")];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    // The paths are the same inside, but they are the sandbox's own.
    assert_eq!(
        outcome.stdout, "kept in\n/b\n\n/out:\na\n",
        "{}",
        outcome.report
    );
    let left: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["of-the-host"], "made something on the host");
}

#[test]
fn a_loop_of_links_is_an_error() {
    let place = Place::new();
    symlink("b", place.path("layer/a")).unwrap();
    symlink("a", place.path("layer/b")).unwrap();
    let mut spec = place.script("true");
    spec.mounts = vec![secret("/a/secret", b"")];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert!(
        outcome
            .text("error")
            .starts_with("cannot make the mount point /a/secret"),
        "{}",
        outcome.report
    );
}

#[test]
fn a_secret_never_reaches_the_disk() {
    let place = Place::new();
    let content = b"kiln-sandbox-0f1e2d3c4b5a";
    let mut spec = place.script("stat -c %a /run/secret; cat /run/secret; (echo x > /run/secret) 2>/dev/null || echo refused");
    // The test's own order is the only file that has it.
    let Mount::File { target, .. } = secret("/run/secret", b"") else {
        unreachable!()
    };
    spec.mounts = vec![secret(target.to_str().unwrap(), content)];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "400\nkiln-sandbox-0f1e2d3c4b5arefused\n",
        "{}",
        outcome.report
    );
    assert_eq!(
        fs::metadata(place.path("upper/run/secret")).unwrap().len(),
        0
    );
    fs::remove_file(place.path("spec.json")).unwrap();
    let found = Command::new("grep")
        .arg("-rl")
        .arg("0f1e2d3c4b5a")
        .arg(&place.directory)
        .output();
    assert_eq!(String::from_utf8_lossy(&found.unwrap().stdout), "");
}

#[test]
fn binds_are_read_only_when_asked() {
    let place = Place::new();
    let cache = place.path("cache");
    fs::create_dir(&cache).unwrap();
    fs::write(cache.join("given"), "given\n").unwrap();
    let mut spec = place
        .script("cat /ro/given; touch /rw/made; touch /ro/refused 2>/dev/null || echo refused");
    let bind = |target: &str, read_only| Mount::Bind {
        source: cache.clone(),
        target: target.into(),
        read_only,
        recursive: false,
    };
    spec.mounts = vec![bind("/ro", true), bind("/rw", false)];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(outcome.stdout, "given\nrefused\n", "{}", outcome.report);
    assert!(cache.join("made").exists());
}

#[test]
fn a_missing_source_is_named() {
    let place = Place::new();
    let mut spec = place.script("true");
    spec.mounts = vec![Mount::Bind {
        source: "/no/such/source".into(),
        target: "/x".into(),
        read_only: true,
        recursive: false,
    }];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    let expected = "cannot open what is to be mounted /no/such/source: no such file or directory";
    assert_eq!(outcome.text("error"), expected);
}

#[test]
fn a_file_is_not_mounted_over_a_directory() {
    let place = Place::new();
    let mut spec = place.script("true");
    spec.mounts = vec![secret("/etc", b"")];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(
        outcome.text("error"),
        "cannot mount over /etc: is a directory"
    );
    assert_eq!(
        outcome.text("hint"),
        "a file is mounted, but there is a directory"
    );
}

#[test]
fn three_hundred_layers_are_stacked() {
    let place = Place::new();
    // Longer than the 255 bytes that one option may have.
    let long = place.path(&"long/".repeat(60));
    let mut lowers: Vec<PathBuf> = (0..300)
        .map(|number| {
            let layer = long.join(number.to_string());
            fs::create_dir_all(&layer).unwrap();
            fs::write(layer.join(format!("file{number}")), "").unwrap();
            layer
        })
        .collect();
    lowers.push(place.path("layer"));
    let Root::Overlay(mut overlay) = place.overlay() else {
        unreachable!()
    };
    overlay.lowers = lowers;
    let mut spec = place.script("ls / | grep -c file");
    spec.root = Root::Overlay(overlay.clone());
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(outcome.stdout, "300\n", "{}", outcome.report);
    let more = overlay.lowers.clone();
    overlay.lowers.extend(more);
    spec.root = Root::Overlay(overlay);
    let outcome = place.run(&spec).unwrap();
    assert!(outcome.text("hint").contains("602"), "{}", outcome.report);
}

#[test]
fn a_root_may_be_read_only() {
    let place = Place::new();
    let script = "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo but not here";
    let mut spec = place.script(script);
    spec.read_only_root = true;
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "refused\nbut not here\n",
        "{}",
        outcome.report
    );
    for lowers in [
        vec![place.path("layer")],
        vec![place.path("layer"), place.path("upper")],
    ] {
        spec = place.script(script);
        spec.root = Root::Overlay(Overlay {
            lowers,
            upper: None,
        });
        let outcome = place.run(&spec).unwrap();
        assert_eq!(
            outcome.stdout, "refused\nbut not here\n",
            "{}",
            outcome.report
        );
    }
}

#[test]
fn a_directory_is_a_root_too() {
    let place = Place::new();
    let mut spec = Spec::new(
        Root::Directory(place.path("layer")),
        ["sh", "-c", "echo x > /made"],
    );
    spec.env = vec![("PATH".into(), "/bin".into())];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(outcome.text("exit"), "Code(0)", "{}", outcome.report);
    assert_eq!(fs::read_to_string(place.path("layer/made")).unwrap(), "x\n");
}

#[test]
fn devices_work() {
    let place = Place::new();
    let script = "echo x > /dev/null; ls /dev; (mknod /dev/own c 1 3 && echo x > /dev/own && echo made) 2>/dev/null";
    let Some(outcome) = place.run(&place.script(script)) else {
        return;
    };
    for name in [
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "tty", "urandom", "zero",
    ] {
        assert!(
            outcome.stdout.lines().any(|line| line == name),
            "{name}: {}",
            outcome.stdout
        );
    }
    assert_eq!(
        outcome.stdout.contains("made"),
        is_root(),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stderr, "");
}

#[test]
fn nothing_is_mounted_outside() {
    let place = Place::new();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    if place.run(&place.script("true")).is_some() {
        let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = |text: &str| text.matches(place.directory.to_str().unwrap()).count();
        assert_eq!((ours(&before), ours(&after)), (0, 0));
    }
}
