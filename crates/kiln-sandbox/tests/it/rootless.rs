//! As an ordinary user: with subordinate ids, and with a single one.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::place::{Outcome, Place, is_root};

/// An id that owns nothing and has no subordinate ids.
const NOBODY: (u32, u32) = (60_001, 60_001);

fn run_single(place: &Place, script: &str) -> Option<Outcome> {
    let user = is_root().then_some(NOBODY);
    let output = place
        .command(&place.script(script), user)
        .arg("single")
        .output()
        .unwrap();
    place.outcome(&output)
}

#[test]
fn a_user_without_subordinate_ids_is_root_inside() {
    let place = Place::new();
    let script = "id -u; echo x > /made; rm /bin/id; cat /proc/self/setgroups; echo x > /dev/null";
    let Some(outcome) = run_single(&place, script) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "0\ndeny\n",
        "{}{}",
        outcome.stderr, outcome.report
    );
    assert!(
        outcome.text("notes").contains("GroupsDenied"),
        "{}",
        outcome.report
    );
    let owner = fs::metadata(place.path("upper/made")).unwrap().uid();
    let expected = if is_root() {
        NOBODY.0
    } else {
        rustix::process::geteuid().as_raw()
    };
    assert_eq!(owner, expected);
}

#[test]
fn a_user_without_subordinate_ids_hears_why() {
    if !is_root() {
        println!("skipped: needs a user who certainly has no subordinate ids");
        return;
    }
    let place = Place::new();
    let output = place
        .command(&place.script("true"), Some(NOBODY))
        .output()
        .unwrap();
    let Some(outcome) = place.outcome(&output) else {
        return;
    };
    let why = outcome.report["mapping"]["single"].as_str().unwrap();
    assert!(
        why.contains("/etc/subuid has no range for 60001") || why.contains("not installed"),
        "{why}"
    );
}

#[test]
fn an_id_that_is_not_there_is_an_error_with_advice() {
    let place = Place::new();
    let mut spec = place.script("true");
    spec.uid = 1000;
    let user = is_root().then_some(NOBODY);
    let output = place.command(&spec, user).arg("single").output().unwrap();
    let Some(outcome) = place.outcome(&output) else {
        return;
    };
    assert!(
        outcome
            .text("error")
            .starts_with("cannot take on the user's rights"),
        "{}",
        outcome.report
    );
    assert!(
        outcome.text("hint").contains("1000:0"),
        "{}",
        outcome.report
    );
}

#[test]
fn subordinate_ids_own_files() {
    let Some((user, first)) = user_with_ranges() else {
        println!("skipped: no user here has ranges in /etc/subuid and newuidmap to use them");
        return;
    };
    let place = Place::new();
    let script = "touch /theirs; chown 7:8 /theirs; id -u";
    let mut spec = place.script(script);
    spec.groups = vec![5, 6];
    let output = place
        .command(&spec, is_root().then_some((user, user)))
        .output()
        .unwrap();
    let Some(outcome) = place.outcome(&output) else {
        return;
    };
    assert_eq!(
        outcome.stdout, "0\n",
        "{}{}",
        outcome.stderr, outcome.report
    );
    let owner = fs::metadata(place.path("upper/theirs")).unwrap().uid();
    assert_eq!(owner, first + 6, "{}", outcome.report);
}

/// A user with a range, and the range's first id: the one who runs the tests, or, for root, any.
fn user_with_ranges() -> Option<(u32, u32)> {
    std::path::Path::new("/usr/bin/newuidmap")
        .exists()
        .then_some(())?;
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let ranges = fs::read_to_string("/etc/subuid").ok()?;
    let groups = fs::read_to_string("/etc/subgid").ok()?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields[..] else {
            return None;
        };
        let uid: u32 = uid.parse().ok()?;
        let mine =
            uid == rustix::process::geteuid().as_raw() || (is_root() && uid.to_string() == gid);
        let range = ranges
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}:")))?;
        let has_groups = groups
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")));
        (mine && uid != 0 && has_groups).then_some(())?;
        Some((uid, range.split(':').next()?.parse().ok()?))
    })
}
