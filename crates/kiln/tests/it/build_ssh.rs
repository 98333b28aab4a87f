//! `kiln build --ssh`: agents and keys for RUN --mount=type=ssh.

use crate::world::{World, not_checked};

/// An Ed25519 key that was made for this test and opens nothing.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDD12KsV77rMQFxawj0JmrFlju2S9nXsQt8ev2YNN1aswAAAJAWp00zFqdN
MwAAAAtzc2gtZWQyNTUxOQAAACDD12KsV77rMQFxawj0JmrFlju2S9nXsQt8ev2YNN1asw
AAAECrs5e1J5KT/8xsevWpsSVw4Slg7aYWNgOU97OdTPlmDsPXYqxXvusxAXFrCPQmasWW
O7ZL2dexC3x6/Zg03VqzAAAACWtpbG5AdGVzdAECAwQ=
-----END OPENSSH PRIVATE KEY-----
";

/// A program that sends its standard input to the agent and writes what comes back.
const ASK: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static void copy(int from, int to) {
    char buffer[4096];
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, got) != got) exit(1);
}
int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, getenv("SSH_AUTH_SOCK"), sizeof address.sun_path - 1);
    int agent = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(agent, (struct sockaddr *)&address, sizeof address)) return 1;
    copy(0, agent);
    shutdown(agent, SHUT_WR);
    copy(agent, 1);
    return 0;
}"#;

/// Compiles [`ASK`] into the context; whether there is a compiler that can.
fn compile(world: &World) -> bool {
    let source = world.write("ask.c", ASK);
    let cc = std::process::Command::new("cc")
        .arg("-static")
        .arg("-o")
        .arg(world.dir().join("ask"))
        .arg(source)
        .output();
    cc.is_ok_and(|done| done.status.success())
}

#[test]
fn a_key_file_is_an_agent_in_the_step() {
    let Some(world) = World::with_base("a_key_file_is_an_agent_in_the_step") else {
        return;
    };
    if !compile(&world) {
        return not_checked(
            "a_key_file_is_an_agent_in_the_step",
            "cc makes no static programs here",
        );
    }
    world.write("deploy.pem", KEY);
    // Message 11 asks for the keys, message 19 to forget them all; 5 is a refusal.
    let dockerfile = "FROM base\nRUN --mount=type=ssh,required=true --mount=type=bind,source=ask,target=/ask \
        test $(stat -c %a $SSH_AUTH_SOCK) = 600 && printf '\\0\\0\\0\\1\\13\\0\\0\\0\\1\\23' | /ask >/answer && \
        test \"$(tail -c 5 /answer | busybox od -An -tx1)\" = ' 00 00 00 01 05'\n\
        RUN --mount=type=ssh,id=other test -z \"$SSH_AUTH_SOCK\"\n";
    world
        .build(dockerfile, &["--ssh", "default=deploy.pem", "-t", "ssh"])
        .ok();
    let answer = world.kiln(["run", "--rm", "ssh", "cat", "/answer"]).ok();
    assert!(
        answer.contains("ssh-ed25519") && answer.contains("kiln@test"),
        "{answer:?}"
    );
    // Neither the key nor the socket's place stays in the image.
    assert!(
        !world
            .files("ssh")
            .iter()
            .any(|file| file.contains("buildkit")),
        "{:?}",
        world.files("ssh")
    );
    let error = world
        .build("FROM base\nRUN --mount=type=ssh,required=true true\n", &[])
        .fails(1);
    assert!(
        error.contains("requires the ssh agent `default`") && error.contains("--ssh default"),
        "{error}"
    );
}

#[test]
fn keys_that_cannot_be_used_are_named_with_a_way_out() {
    let world = World::new();
    world.write("Dockerfile", "FROM scratch\n");
    world.write("empty", "");
    world.write("key.pub", "ssh-ed25519 AAAA me\n");
    world.write(
        "locked",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nZm9v\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    world.write("good", KEY);
    let socket = world.dir().join("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (spec, expected) in [
        ("default", &["SSH_AUTH_SOCK", "--ssh default=FILE"][..]),
        ("x=nosuch", &["`nosuch`", "No such file"]),
        ("x=empty", &["`empty`", "no private key"]),
        ("x=key.pub", &["`key.pub`", "the private one"]),
        ("x=locked", &["`locked`", "passphrase", "ssh-add locked"]),
        ("x=good,locked", &["`locked`", "passphrase"]),
        ("x=good,agent", &["stands alone"]),
    ] {
        let outcome = world.kiln(["build", "--ssh", spec, "."]);
        assert!(matches!(outcome.code, Some(1 | 2)), "{spec}: {outcome:?}");
        for part in expected {
            assert!(
                outcome.stderr.contains(part),
                "{part:?} in the answer to {spec}: {}",
                outcome.stderr
            );
        }
    }
    world
        .kiln(["build", "--ssh", "a=good", "--ssh", "b=agent", "."])
        .ok();
}
