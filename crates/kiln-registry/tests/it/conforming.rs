//! This server conforms, open and with accounts: no check fails, none is left out, and every endpoint
//! is checked for what must work and for what must be refused.

use crate::conformance::client::{Request, Target};
use crate::conformance::{ROWS, checks, run};
use crate::running::Running;

fn passes(target: &Target) {
    let lines = run(target);
    assert_eq!(lines.len(), 2 * checks().len());
    let failed: Vec<String> = lines
        .iter()
        .filter(|line| line.outcome.is_err())
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn every_check_passes() {
    passes(&Running::open("").target());
}

#[test]
fn every_check_passes_with_accounts() {
    let server = Running::with_accounts("");
    let password = server.password.clone().unwrap();
    let login = ("admin".to_owned(), password);
    let target = Target::new(&server.url(), Some(login), None).unwrap();
    let target = target.eager();
    let project = Request::new("POST", "/api/v1/projects")
        .header("Content-Type", "application/json")
        .body(&br#"{"name": "conformance"}"#[..]);
    target.send(&project).unwrap().expect(201).unwrap();
    passes(&target);
}

#[test]
fn every_row_is_covered() {
    for row in ROWS {
        for refusal in [false, true] {
            let found = checks()
                .iter()
                .any(|check| check.row == *row && check.refusal == refusal);
            assert!(found, "row {row}, refusals: {refusal}");
        }
    }
}
