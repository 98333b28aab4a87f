//! The same work by an ordinary user: with subordinate ids, and with nothing but the user's own.
//!
//! Root makes the user, so these tests need root; they take it away again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::world::{World, not_checked};

/// A user of this machine and a place of theirs. Both go when this is dropped.
struct Person {
    name: String,
    place: PathBuf,
    /// The files of users are the machine's, so one test at a time.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Person {
    /// Nothing if this machine lets us make none.
    fn make(test: &str, world: &World) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("kiln{}x{}", std::process::id() % 100_000, test.len());
        let is_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|id| id.stdout == b"0\n");
        let made = is_root
            && Command::new("useradd")
                .args(["--create-home", &name])
                .status()
                .is_ok_and(|s| s.success());
        if !made {
            not_checked(test, "it takes root and useradd to make an ordinary user");
            return None;
        }
        let place = PathBuf::from("/home").join(&name);
        // In a process of its own: a file that this one has open for writing could not be executed as
        // long as a child that another test forks has a copy of the descriptor.
        let copied = Command::new("install")
            .args(["-m", "755", env!("CARGO_BIN_EXE_kiln")])
            .arg(place.join("kiln"))
            .status();
        assert!(copied.unwrap().success());
        let archive = world.dir().parent().unwrap().join("rootfs.tar");
        fs::copy(archive, place.join("rootfs.tar")).unwrap();
        Some(Self {
            name,
            place,
            _turn: turn,
        })
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.place.join(name), content).unwrap();
    }

    fn kiln(&self, path: &str, args: &[&str]) -> Output {
        let ids = |flag: &str| {
            let id = Command::new("id")
                .args([flag, &self.name])
                .output()
                .unwrap();
            String::from_utf8(id.stdout).unwrap().trim().to_owned()
        };
        Command::new("setpriv")
            .args([
                format!("--reuid={}", ids("-u")),
                format!("--regid={}", ids("-g")),
            ])
            .arg("--clear-groups")
            .arg(self.place.join("kiln"))
            .args(args)
            .current_dir(&self.place)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.place)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.kiln("/usr/bin:/bin", &["prune"]);
        let _ = Command::new("userdel")
            .args(["--remove", &self.name])
            .stderr(Stdio::null())
            .status();
        let _ = fs::remove_dir_all(&self.place);
    }
}

const DOCKERFILE: &str = "FROM base AS one\nRUN mkdir /d && echo x >/d/f && chown 33:44 /d/f && chmod 4711 /d/f\n\
    FROM base\nCOPY --from=one /d /e\nCOPY --chown=web file /g\nUSER web\nRUN id -u >/tmp/who; cat /g\n";

/// The file of subordinate ids is what decides; without it the user has one id.
#[test]
fn subordinate_ids_give_the_digest_that_root_gets() {
    let test = "subordinate_ids_give_the_digest_that_root_gets";
    let Some(world) = World::with_base(test) else {
        return;
    };
    let Some(person) = Person::make(test, &world) else {
        return;
    };
    if !Path::new("/usr/bin/newuidmap").exists() {
        not_checked(test, "newuidmap is not installed");
        return;
    }
    let dockerfile = DOCKERFILE.replace("FROM base\n", "FROM base\nRUN chmod 1777 /tmp\n");
    world.write("file", "content");
    let as_root = world.build(&dockerfile, &["-q", "--reproducible"]).ok();
    person.write("Dockerfile", &dockerfile);
    person.write("file", "content");
    let path = "/usr/bin:/bin";
    assert!(
        person
            .kiln(path, &["import", "rootfs.tar", "-t", "base"])
            .status
            .success()
    );
    let built = person.kiln(path, &["build", "-q", "--reproducible", "."]);
    assert_eq!(
        (
            String::from_utf8_lossy(&built.stdout).as_ref(),
            built.status.code()
        ),
        (as_root.as_str(), Some(0)),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let ran = person.kiln(
        path,
        &[
            "run",
            "--rm",
            "base",
            "sh",
            "-c",
            "id -u; touch /x && chown 5:6 /x && stat -c %u:%g /x",
        ],
    );
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "0\n5:6\n",
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn maintainer_scripts_give_the_digest_that_root_gets() {
    let test = "maintainer_scripts_give_the_digest_that_root_gets";
    let (Some(world), Some(assembly)) = (
        World::with_base(test),
        crate::assemble::system(test, "mkdir /d; echo x > /d/f; chown 33:44 /d/f"),
    ) else {
        return;
    };
    let Some(person) = Person::make(test, &world) else {
        return;
    };
    if !Path::new("/usr/bin/newuidmap").exists() {
        not_checked(test, "newuidmap is not installed");
        return;
    }
    assembly.write(crate::assemble::SYSTEM);
    assembly.world.kiln(["assemble", "lock"]).ok();
    let as_root = assembly.world.kiln(["assemble", "-q"]).ok();
    for name in ["image.toml", "image.lock", "archive.gpg"] {
        fs::copy(assembly.world.dir().join(name), person.place.join(name)).unwrap();
    }
    let made = person.kiln("/usr/bin:/bin", &["assemble", "-q"]);
    assert_eq!(
        String::from_utf8_lossy(&made.stdout),
        as_root,
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

#[test]
fn a_single_id_builds_what_it_can_and_says_what_it_cannot() {
    let test = "a_single_id_builds_what_it_can_and_says_what_it_cannot";
    let Some(world) = World::with_base(test) else {
        return;
    };
    let Some(person) = Person::make(test, &world) else {
        return;
    };
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let others: String = text
            .lines()
            .filter(|l| !l.starts_with(&format!("{}:", person.name)))
            .map(|l| format!("{l}\n"))
            .collect();
        fs::write(file, others).unwrap();
    }
    let path = "/usr/bin:/bin";
    assert!(
        person
            .kiln(path, &["import", "rootfs.tar", "-t", "base"])
            .status
            .success()
    );
    person.write("file", "content");
    person.write(
        "Dockerfile",
        "FROM base\nCOPY file /f\nRUN cat /f >/g && id -u >>/g\n",
    );
    let built = person.kiln(path, &["build", "-q", "."]);
    let told = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{told}");
    assert!(told.contains("only one user id"), "{told}");
    person.write(
        "Dockerfile",
        "FROM base\nCOPY --chown=33:44 file /f\nRUN true\n",
    );
    let refused = person.kiln(path, &["build", "-q", "."]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("`f` belongs to user 33"),
        "the file and its owner are named: {told}"
    );
}
