//! The tests of content, protocol, accounts and crashes again, on every other backing.
//!
//! What a backing can break most easily runs wherever its servers are installed; all of it takes
//! minutes: `cargo test -p kiln-registry --test it -- --ignored suites`.

use std::process::Command;

use super::postgres::Cluster;
use super::{BUCKET, POSTGRES};

/// Tests that always run again, by parts of their names.
const FIRST: &[&str] = &["conforming::every_check", "content::"];

/// All that ask for a backing.
const ALL: &[&str] = &[
    "api::",
    "conforming::",
    "content::",
    "crash::",
    "database::",
    "serving::",
];

/// Tests of several servers, which have to share their state.
const SHARED: &[&str] = &["--ignored", "shared::"];

/// Runs this binary again with another backing.
fn again(arguments: &[&str], backing: &[(&str, &str)], least: u32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).envs(backing.iter().copied());
    let output = command.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{backing:?}\n{out}\n{err}");
    // Else it would have shown nothing.
    let passed = out.lines().find_map(|line| {
        let (_, rest) = line.split_once("test result: ok. ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    });
    assert!(passed.is_some_and(|passed| passed >= least), "{out}");
}

/// A server for one test, or a word that there is none.
fn cluster(test: &str) -> Option<(Cluster, String)> {
    match Cluster::start() {
        Ok(cluster) => {
            let directory = cluster.directory().to_str().unwrap().to_owned();
            Some((cluster, directory))
        }
        Err(why) => {
            crate::not_checked(&format!("backing::suites::{test}"), &why);
            None
        }
    }
}

#[test]
fn content_and_protocol_work_on_a_bucket() {
    again(FIRST, &[(BUCKET, "yes")], 40);
}

#[test]
fn content_and_protocol_work_on_postgresql_and_a_bucket() {
    let test = "content_and_protocol_work_on_postgresql_and_a_bucket";
    if let Some((_cluster, directory)) = cluster(test) {
        let backing = [(POSTGRES, &*directory), (BUCKET, "yes")];
        again(FIRST, &backing, 40);
        again(SHARED, &backing, 8);
    }
}

#[test]
#[ignore = "takes minutes"]
fn everything_works_on_a_bucket() {
    again(ALL, &[(BUCKET, "yes")], 100);
}

#[test]
#[ignore = "takes minutes"]
fn everything_works_on_postgresql_and_files() {
    if let Some((_cluster, directory)) = cluster("everything_works_on_postgresql_and_files") {
        again(ALL, &[(POSTGRES, &directory)], 100);
    }
}

#[test]
#[ignore = "takes minutes"]
fn everything_works_on_postgresql_and_a_bucket() {
    if let Some((_cluster, directory)) = cluster("everything_works_on_postgresql_and_a_bucket") {
        again(ALL, &[(POSTGRES, &directory), (BUCKET, "yes")], 100);
    }
}
