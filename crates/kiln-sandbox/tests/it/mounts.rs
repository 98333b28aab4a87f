//! Root file systems and what is mounted over them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use kiln_sandbox::{Mount, Overlay, Root, Spec};

use crate::world::{World, run};

#[test]
fn changes_go_to_the_upper_directory_and_mounts_leave_no_trace_but_what_is_told() {
    let Some(world) =
        World::new("changes_go_to_the_upper_directory_and_mounts_leave_no_trace_but_what_is_told")
    else {
        return;
    };
    let mut spec = world.shell("echo x >/new; cat /run/secrets/key; stat -c '%a %u:%g' /run/secrets/key; touch /scratch/y /bound/z");
    let bound = world.root.join("bound");
    fs::create_dir(&bound).unwrap();
    spec.hosts = Some(b"127.0.0.1 localhost\n".to_vec());
    spec.mounts = vec![
        Mount::File {
            target: "/run/secrets/key".into(),
            content: b"secret\n".to_vec(),
            mode: 0o400,
            uid: 5,
            gid: 6,
            read_only: true,
        },
        Mount::Tmpfs {
            target: "/scratch".into(),
            size: Some(4096),
            mode: 0o1777,
        },
        Mount::Bind {
            source: bound.clone(),
            target: "/bound".into(),
            read_only: false,
            recursive: false,
        },
    ];
    let done = run(&spec).unwrap();
    assert_eq!(done.output, "secret\n400 5:6\n");
    assert_eq!(
        fs::read_to_string(world.upper().join("new")).unwrap(),
        "x\n"
    );
    assert!(bound.join("z").exists());
    let told: Vec<PathBuf> = done.exit.created_mount_points;
    for point in [
        "/proc",
        "/dev",
        "/sys",
        "/etc/hosts",
        "/run",
        "/run/secrets",
        "/run/secrets/key",
        "/scratch",
        "/bound",
    ] {
        assert!(told.contains(&point.into()), "{point} in {told:?}");
    }
    for point in told.iter().rev() {
        let path = world.upper().join(point.strip_prefix("/").unwrap());
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
    }
    fs::remove_dir_all(world.upper().join("etc")).unwrap_or(());
    let left: Vec<_> = fs::read_dir(world.upper())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["new"]);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(world.root.to_str().unwrap()),
        "nothing is mounted outside"
    );
}

#[test]
fn a_link_in_the_image_does_not_lead_a_mount_out() {
    let Some(world) = World::new("a_link_in_the_image_does_not_lead_a_mount_out") else {
        return;
    };
    let outside = world.root.join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, world.lower().join("link")).unwrap();
    symlink("../../../../../../../..", world.lower().join("up")).unwrap();
    let mut spec = world.shell("touch /up/tmp/mark");
    spec.mounts = vec![Mount::Tmpfs {
        target: "/up/tmp".into(),
        size: None,
        mode: 0o755,
    }];
    run(&spec).unwrap();
    assert!(!PathBuf::from("/tmp/mark").exists());
    spec.mounts = vec![Mount::Tmpfs {
        target: "/link/x".into(),
        size: None,
        mode: 0o755,
    }];
    // The link is followed inside the root, where what is missing of its target is made.
    run(&spec).unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn three_hundred_layers_are_stacked_and_too_many_are_counted() {
    let Some(world) = World::new("three_hundred_layers_are_stacked_and_too_many_are_counted")
    else {
        return;
    };
    let mut lowers = vec![];
    for number in 0..600 {
        let layer = world.root.join(format!("l{number}"));
        fs::create_dir(&layer).unwrap();
        fs::write(layer.join(format!("f{number}")), "").unwrap();
        lowers.push(layer);
    }
    let stack = |count: usize| {
        let mut all = lowers[..count].to_vec();
        all.push(world.lower());
        let mut spec = Spec::new(
            Root::Overlay(Overlay {
                lowers: all,
                upper: None,
            }),
            ["/bin/sh", "-c", "ls / | grep -c ^f"],
        );
        for directory in ["proc", "dev", "sys"] {
            let _ = fs::create_dir(world.lower().join(directory));
        }
        spec.env = vec![("PATH".into(), "/bin".into())];
        run(&spec)
    };
    assert_eq!(stack(300).unwrap().output, "300\n");
    let error = stack(600).map(drop).unwrap_err();
    assert!(
        error.hint().unwrap().contains("601"),
        "{error}: {:?}",
        error.hint()
    );
}

#[test]
fn a_read_only_root_takes_no_changes() {
    let Some(world) = World::new("a_read_only_root_takes_no_changes") else {
        return;
    };
    let mut spec =
        world.shell("touch /x 2>/dev/null || echo refused; touch /dev/shm/y && echo memory");
    spec.read_only_root = true;
    assert_eq!(run(&spec).unwrap().output, "refused\nmemory\n");
}

#[test]
fn devices_and_terminals_are_there() {
    let Some(world) = World::new("devices_and_terminals_are_there") else {
        return;
    };
    let script = "ls /dev | tr '\\n' ' ' 2>/dev/null || ls /dev; echo x >/dev/null && test -c /dev/urandom && test -d /dev/pts && echo good";
    let output = run(&world.shell(script)).unwrap().output;
    assert!(output.ends_with("good\n"), "{output}");
}
