//! What a process cannot see or do.

use kiln_sandbox::{Capabilities, Network, Security};

use crate::world::{World, run};

#[test]
fn rights_are_dockers_by_default() {
    let Some(world) = World::new("rights_are_dockers_by_default") else {
        return;
    };
    let script = "grep -E 'Cap(Eff|Bnd|Prm|Inh|Amb)|NoNewPrivs|^Seccomp:' /proc/self/status";
    let done = run(&world.shell(script)).unwrap();
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
    ] {
        assert!(done.output.contains(line), "{line} in {}", done.output);
    }
    let mut spec = world.shell("grep CapEff /proc/self/status");
    spec.drop_capabilities = Capabilities::ALL;
    spec.add_capabilities = Capabilities::from_name("NET_ADMIN").unwrap();
    assert!(
        run(&spec)
            .unwrap()
            .output
            .contains("CapEff:\t0000000000000000"),
        "taking away wins"
    );
    spec.drop_capabilities = Capabilities::NONE;
    assert!(
        run(&spec)
            .unwrap()
            .output
            .contains("CapEff:\t00000000a80435fb")
    );
}

#[test]
fn another_user_has_no_rights_at_all() {
    let Some(world) = World::new("another_user_has_no_rights_at_all") else {
        return;
    };
    let mut spec = world.shell("id; grep CapEff /proc/self/status");
    (spec.uid, spec.gid, spec.groups) = (33, 44, vec![50, 51]);
    let output = run(&spec).unwrap().output;
    assert!(
        output.contains("uid=33 gid=44 groups=50,51")
            || output.contains("uid=33 gid=44 groups=44,50,51"),
        "{output}"
    );
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
}

#[test]
fn the_filter_refuses_what_leads_out() {
    let Some(world) = World::new("the_filter_refuses_what_leads_out") else {
        return;
    };
    let script = "mount -t tmpfs x /tmp 2>&1; unshare -m true 2>&1; unshare -U true 2>&1; chroot / true && echo chroot works";
    let output = run(&world.shell(script)).unwrap().output;
    assert_eq!(
        output.matches("Operation not permitted").count()
            + output.matches("permission denied").count(),
        3,
        "{output}"
    );
    assert!(output.contains("chroot works"), "{output}");
    let mut spec = world.shell("mount -t tmpfs x /tmp && echo mounted");
    spec.security = Security::Insecure;
    assert_eq!(run(&spec).unwrap().output, "mounted\n");
}

#[test]
fn parts_of_proc_and_sys_are_hidden_or_read_only() {
    let Some(world) = World::new("parts_of_proc_and_sys_are_hidden_or_read_only") else {
        return;
    };
    let script = "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware | wc -l; \
        echo x 2>/dev/null >/proc/sys/kernel/hostname || echo refused; echo x 2>/dev/null >/proc/sysrq-trigger || echo refused; \
        touch /sys/x 2>/dev/null || echo refused; ls -d /proc/[0-9]* | wc -l";
    let output = run(&world.shell(script)).unwrap().output;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(
        lines[..5],
        ["0", "0", "refused", "refused", "refused"],
        "{output}"
    );
    assert!(
        lines[5].trim().parse::<u32>().unwrap() <= 4,
        "only its own processes: {output}"
    );
}

#[test]
fn without_a_network_only_loopback_is_there_and_up() {
    let Some(world) = World::new("without_a_network_only_loopback_is_there_and_up") else {
        return;
    };
    let mut spec = world.shell("ip -o link | wc -l; ip link | grep -c LOOPBACK,UP");
    spec.network = Network::None;
    assert_eq!(run(&spec).unwrap().output, "1\n1\n");
}

#[test]
fn the_host_name_is_its_own() {
    let Some(world) = World::new("the_host_name_is_its_own") else {
        return;
    };
    let before = rustix::system::uname().nodename().to_owned();
    let mut spec = world.shell("hostname");
    spec.hostname = Some("inside".to_owned());
    assert_eq!(run(&spec).unwrap().output, "inside\n");
    assert_eq!(rustix::system::uname().nodename(), before.as_c_str());
}
