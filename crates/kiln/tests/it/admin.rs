//! `kiln admin`, against `kiln serve`. Who may do what is tested in kiln-registry.

use std::io::BufRead as _;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::serve::Served;
use crate::world::{Outcome, World};

/// A registry with accounts, and its first administrator's password.
struct Registry<'a> {
    world: &'a World,
    served: Served,
    password: String,
}

impl<'a> Registry<'a> {
    fn start(world: &'a World) -> Self {
        let mut served = Served::start(world, &[]);
        let password = loop {
            let mut line = String::new();
            assert!(served.stderr.read_line(&mut line).unwrap() > 0, "it ended");
            if let Some((_, password)) = line.split_once("password:") {
                break password.trim().to_owned();
            }
        };
        Self {
            world,
            served,
            password,
        }
    }

    /// Runs `kiln admin` as somebody, with the password that is theirs.
    fn by(&self, user: &str, password: &str, args: &[&str]) -> Outcome {
        self.with(&["--user", user], &[("KILN_PASSWORD", password)], args)
    }

    fn admin(&self, args: &[&str]) -> Outcome {
        self.by("admin", &self.password, args)
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        let all: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        let out = self.admin(&all).ok();
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn with(&self, first: &[&str], variables: &[(&str, &str)], args: &[&str]) -> Outcome {
        let mut command = self
            .world
            .command(["admin"].iter().chain(first).chain(args));
        command.env("KILN_SERVER", &self.served.address);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[test]
fn accounts_from_the_command_line() {
    let world = World::new();
    let registry = Registry::start(&world);
    registry
        .admin(&["project", "create", "team", "--description", "ours"])
        .ok();
    let made = registry.admin(&["user", "create", "alice"]);
    assert!(made.stderr.contains("shown only once"), "{}", made.stderr);
    let alice = made.ok().trim().to_owned();
    registry
        .admin(&["project", "set-member", "team", "alice", "developer"])
        .ok();
    let members = registry.admin(&["project", "members", "team"]).ok();
    assert!(members.contains("alice  developer"), "{members}");

    // She sees what is hers, and no more.
    let list = registry.by("alice", &alice, &["project", "list"]).ok();
    assert!(list.contains("team"), "{list}");
    let refused = registry.by("alice", &alice, &["user", "list"]).fails(1);
    assert!(refused.contains("system administrator"), "{refused}");
    let may = registry.json(&["project", "access", "team", "alice"]);
    assert_eq!(may[0]["role"], "developer");

    let create = [
        "robot",
        "create",
        "ci",
        "-p",
        "team",
        "--scope",
        "team/**:pull,push",
        "--expires",
        "30d",
    ];
    let made = registry.admin(&create);
    assert!(made.stderr.contains("team.ci"), "{}", made.stderr);
    let token = made.ok();
    assert!(token.starts_with("kiln_robot_"), "{token}");
    let robots = registry.admin(&["robot", "list", "-p", "team"]).ok();
    assert!(
        robots.contains("team/**:pull,push") && robots.contains("in "),
        "{robots}"
    );
    let shown = registry.json(&[
        "robot",
        "change",
        "team.ci",
        "-p",
        "team",
        "--disabled",
        "true",
    ]);
    assert_eq!(shown[0]["disabled"], true);
    registry
        .admin(&["robot", "delete", "team.ci", "-p", "team"])
        .ok();

    let rule = ["project", "add-rule", "team", "glob", "v*"];
    registry.admin(&[&rule[..], &["--preview"]].concat()).ok();
    assert!(registry.json(&["project", "rules", "team"]).is_empty());
    registry.admin(&rule).ok();
    assert_eq!(
        registry.json(&["project", "rules", "team"])[0]["pattern"],
        "v*"
    );

    let audit = registry.admin(&["audit", "--action", "create-user"]).ok();
    assert!(
        audit.contains("alice") && audit.lines().count() == 3,
        "{audit}"
    );
    let denied = registry.json(&["audit", "--denied", "--since", "1h"]);
    assert_eq!(denied[0]["actor"], "alice");

    let changed = world_input(
        &registry,
        &["user", "change", "alice", "--password-stdin"],
        "a new password\n",
    );
    changed.ok();
    registry
        .by("alice", "a new password", &["project", "list"])
        .ok();
    registry.by("alice", &alice, &["project", "list"]).fails(1);
    registry.admin(&["user", "delete", "alice"]).ok();
    registry.admin(&["project", "delete", "team"]).ok();
    registry.served.end(Signal::TERM);
}

fn world_input(registry: &Registry<'_>, args: &[&str], input: &str) -> Outcome {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = registry
        .world
        .command(["admin", "--user", "admin"].iter().chain(args));
    command
        .env("KILN_SERVER", &registry.served.address)
        .env("KILN_PASSWORD", &registry.password)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn tokens_and_what_logins_keep_are_credentials() {
    let world = World::new();
    let registry = Registry::start(&world);
    let made = registry.admin(&[
        "token",
        "create",
        "--description",
        "laptop",
        "--ceiling",
        "read",
    ]);
    let token = made.ok().trim().to_owned();
    registry
        .with(&[], &[("KILN_TOKEN", &token)], &["user", "list"])
        .ok();
    registry
        .with(&["--token", &token], &[], &["user", "list"])
        .ok();
    let refused = registry
        .with(&["--token", &token], &[], &["project", "create", "x"])
        .fails(1);
    assert!(refused.contains("administrator"), "{refused}");

    let list = registry.json(&["token", "list"]);
    let id = list[0]["id"].as_str().unwrap();
    let host = &registry.served.address;
    let keep = |entry: Value| {
        let file = world.home().parent().unwrap().join(".docker/config.json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, json!({ "auths": { host: entry } }).to_string()).unwrap();
    };
    keep(json!({ "identitytoken": token }));
    registry.with(&[], &[], &["user", "list"]).ok();
    let auth = kiln_fetch::base64::encode(format!("admin:{}", registry.password).as_bytes());
    keep(json!({ "auth": auth }));
    registry.with(&[], &[], &["token", "end", id]).ok();
    registry
        .with(&["--token", &token], &[], &["user", "list"])
        .fails(1);
    registry.served.end(Signal::TERM);
}

#[test]
fn collection_and_scrub_are_waited_for() {
    let world = World::new();
    let registry = Registry::start(&world);
    for args in [&["gc", "--preview"][..], &["gc"]] {
        assert_eq!(registry.json(args)[0]["blobs"], 0);
    }
    assert_eq!(registry.json(&["scrub"])[0]["wrong"], 0);
    let said = registry.admin(&["scrub", "--not-within", "30d"]);
    assert!(
        said.stderr.contains("0 things are wrong"),
        "{}",
        said.stderr
    );
    registry.served.end(Signal::TERM);
}

#[test]
fn what_goes_wrong_is_said() {
    let world = World::new();
    let without = world.kiln(["admin", "user", "list"]).fails(2);
    assert!(without.contains("KILN_SERVER"), "{without}");
    let plain = [
        "admin",
        "--server",
        "http://registry.example",
        "user",
        "list",
    ];
    assert!(world.kiln(plain).fails(2).contains("--plain-http"));
    let odd = ["admin", "--server", "registry.example/x", "user", "list"];
    world.kiln(odd).fails(2);
    world
        .kiln(["admin", "--server", "h", "--user", "a", "user", "list"])
        .fails(2);

    let registry = Registry::start(&world);
    let nobody = registry.with(&[], &[], &["user", "list"]).fails(1);
    assert!(nobody.contains("kiln login"), "{nobody}");
    let wrong = registry
        .by("admin", "not the password", &["user", "list"])
        .fails(1);
    assert!(wrong.contains("name or the password is wrong"), "{wrong}");
    let unknown = registry
        .admin(&["project", "show", "no/such ?thing"])
        .fails(1);
    assert!(unknown.contains("there is no project"), "{unknown}");
    let dots = registry.admin(&["user", "show", ".."]).fails(1);
    assert!(dots.contains("there is no user"), "{dots}");
    registry
        .admin(&["robot", "create", "ci", "--scope", "team:fly"])
        .fails(2);
    registry.admin(&["user", "change", "admin"]).fails(2);
    let last = registry.admin(&["user", "delete", "admin"]).fails(1);
    assert!(last.contains("last system administrator"), "{last}");
    let (stdout, _) = registry.served.end(Signal::TERM);
    assert!(
        !stdout.contains("not the password"),
        "no password is in the log"
    );
}
