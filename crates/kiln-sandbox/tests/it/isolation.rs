//! What the process may not see or do.

use std::fs;

use kiln_sandbox::{Capabilities, Network, Resource, Rlimit, Security};

use crate::place::{Place, compile, is_root};

#[test]
fn parts_of_proc_and_sys_are_hidden_or_read_only() {
    let place = Place::new();
    let script = "cat /proc/keys /proc/timer_list /proc/interrupts | wc -c; ls /sys/firmware /proc/scsi 2>/dev/null | wc -l
        for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/profiling; do
            (echo x > $f) 2>/dev/null && echo wrote $f; done; echo done";
    fs::create_dir_all(place.path("layer/bin")).unwrap();
    let Some(outcome) =
        place.run(&place.script(&script.replace("wc -c", "cat").replace("| wc -l", "")))
    else {
        return;
    };
    let shown: Vec<&str> = outcome
        .stdout
        .lines()
        .filter(|line| !line.ends_with(':') && !line.is_empty())
        .collect();
    assert_eq!(shown, ["done"], "{}", outcome.stderr);
}

#[test]
fn root_has_dockers_capabilities_and_others_have_none() {
    let place = Place::new();
    let mut spec = place.script("grep Cap /proc/self/status");
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    let expected = "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n\
        CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n";
    assert_eq!(outcome.stdout, expected, "{}", outcome.report);
    let place = Place::new();
    spec = place.script("grep -E 'Cap(Eff|Bnd)|NoNew' /proc/self/status");
    spec.drop_capabilities = Capabilities::ALL;
    spec.add_capabilities = Capabilities::from_name("CHOWN").unwrap();
    spec.drop_capabilities = spec.drop_capabilities.without(spec.add_capabilities);
    spec.no_new_privileges = true;
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    let expected = "CapEff:\t0000000000000001\nCapBnd:\t0000000000000001\nNoNewPrivs:\t1\n";
    assert_eq!(outcome.stdout, expected, "{}", outcome.report);
}

#[test]
fn a_user_is_a_user_with_groups() {
    if !is_root() {
        println!("skipped: other ids need root or subordinate ids");
        return;
    }
    let place = Place::new();
    let mut spec =
        place.script("id -u; id -g; id -G; grep CapEff /proc/self/status; echo hi > /dev/stdout");
    (spec.uid, spec.gid, spec.groups) = (1234, 2345, vec![2345, 3456]);
    let outcome = place.run(&spec).unwrap();
    let expected = "1234\n2345\n2345 3456\nCapEff:\t0000000000000000\nhi\n";
    assert_eq!(
        outcome.stdout, expected,
        "{}{}",
        outcome.stderr, outcome.report
    );
}

const CALLS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#define TRY(name, ...) errno = 0; printf("%s %s\n", name, syscall(__VA_ARGS__) >= 0 ? "ok" : errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : "other")
int main(void) {
    TRY("keyctl", SYS_keyctl, 0, -3, 0);
    TRY("unshare", SYS_unshare, CLONE_NEWUSER);
    TRY("mount", SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
    TRY("io_uring", SYS_io_uring_setup, 1, 0);
    TRY("userfaultfd", SYS_userfaultfd, 0);
    TRY("bpf", SYS_bpf, 0, 0, 0);
    TRY("clone3", SYS_clone3, 0, 0);
    TRY("clone", SYS_clone, CLONE_NEWUSER | 17, 0, 0, 0, 0);
    TRY("personality", SYS_personality, 0x0040000);
    TRY("vsock", SYS_socket, 40, 1, 0);
    TRY("getpid", SYS_getpid);
    TRY("socket", SYS_socket, 1, 1, 0);
    TRY("future", 5000L);
    return 0;
}
"#;

#[test]
fn system_calls_are_filtered() {
    let place = Place::new();
    if !compile(&place, "calls", CALLS) {
        return;
    }
    let Some(outcome) = place.run(&place.script("calls; grep Seccomp: /proc/self/status")) else {
        return;
    };
    let refused = [
        "keyctl",
        "unshare",
        "mount",
        "io_uring",
        "userfaultfd",
        "bpf",
        "clone",
        "personality",
        "vsock",
    ];
    for call in refused {
        let line = format!("{call} EPERM\n");
        assert!(outcome.stdout.contains(&line), "{call}: {}", outcome.stdout);
    }
    for line in [
        "clone3 ENOSYS\n",
        "getpid ok\n",
        "socket ok\n",
        "future ENOSYS\n",
        "Seccomp:\t2\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line}: {}", outcome.stdout);
    }
}

#[test]
fn insecure_lifts_the_filter_and_the_masks() {
    let place = Place::new();
    let mut spec = place.script("grep -E 'Seccomp:|CapEff' /proc/self/status");
    spec.security = Security::Insecure;
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert!(outcome.stdout.contains("Seccomp:\t0"), "{}", outcome.stdout);
    let set = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"))
        .unwrap();
    let set = Capabilities::from_bits(u64::from_str_radix(set, 16).unwrap());
    assert!(set.contains(Capabilities::from_name("SYS_ADMIN").unwrap()));
}

#[test]
fn without_a_network_there_is_only_loopback() {
    let place = Place::new();
    let mut spec = place.script("ls /sys/class/net; cat /proc/net/dev | grep -c :; grep 0100007F /proc/net/fib_trie >/dev/null; cat /proc/net/if_inet6");
    spec.network = Network::None;
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        ["lo", "1"],
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    // An interface that is up has its address.
    assert!(
        lines
            .get(2)
            .is_none_or(|line| line.starts_with("00000000000000000000000000000001"))
    );
}

#[test]
fn the_terminal_of_the_caller_is_out_of_reach() {
    let place = Place::new();
    // Field 7 of stat is the controlling terminal, field 6 the session.
    let script = "read line < /proc/1/stat; set -- $line; echo session $6 terminal $7";
    let Some(outcome) = place.run(&place.script(script)) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "session 1 terminal 0\n",
        "{}",
        outcome.report
    );
}

#[test]
fn a_working_directory_cannot_lead_out_through_an_open_file() {
    let place = Place::new();
    let mut spec = place.script("ls");
    spec.cwd = "/proc/self/fd/9".into();
    // The directory is left open on purpose, as a careless caller may leave one.
    let mut shell = std::process::Command::new("sh");
    let command = place.command(&spec, None);
    shell
        .args(["-c", "exec 9</; exec \"$@\"", "sh"])
        .arg(command.get_program());
    shell.args(command.get_args());
    let output = shell.output().unwrap();
    let Some(outcome) = place.outcome(&output) else {
        return;
    };
    assert!(
        outcome
            .text("error")
            .starts_with("cannot enter the working directory"),
        "{}",
        outcome.report
    );
}

#[test]
fn no_file_of_the_caller_is_open_inside() {
    let place = Place::new();
    let command = place.command(&place.script("ls /proc/self/fd"), None);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "exec 9</ 8</etc/passwd; exec \"$@\"", "sh"])
        .arg(command.get_program());
    shell.args(command.get_args());
    let output = shell.output().unwrap();
    let Some(outcome) = place.outcome(&output) else {
        return;
    };
    let open: Vec<&str> = outcome.stdout.split_whitespace().collect();
    // 3 is the directory that ls itself reads.
    assert_eq!(open, ["0", "1", "2", "3"], "{}", outcome.stderr);
}

#[test]
fn limits_are_set_as_far_as_they_may_be() {
    let place = Place::new();
    let mut spec = place.script("ulimit -n; ulimit -c");
    let limit = |resource, soft, hard| Rlimit {
        resource,
        soft,
        hard,
    };
    spec.rlimits = vec![
        limit(Resource::Nofile, 64, 128),
        limit(Resource::Core, 0, 0),
    ];
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(outcome.stdout, "64\n0\n", "{}", outcome.report);
}

#[test]
fn the_host_name_is_the_sandboxs_own() {
    let place = Place::new();
    let mut spec = place.script("cat /proc/sys/kernel/hostname");
    spec.hostname = Some("kiln-test".into());
    let Some(outcome) = place.run(&spec) else {
        return;
    };
    assert_eq!(outcome.stdout, "kiln-test\n");
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        "kiln-test\n"
    );
}
