//! This server conforms: no check fails, none is left out, and every endpoint is checked for what must
//! work and for what must be refused.

use crate::conformance::{ROWS, checks, run};
use crate::running::Running;

#[test]
fn every_check_passes() {
    let server = Running::open("");
    let lines = run(&server.target());
    assert_eq!(lines.len(), 2 * checks().len());
    let failed: Vec<String> = lines
        .iter()
        .filter(|line| line.outcome.is_err())
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
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
