//! The conformance test: every endpoint of the distribution specification, 1.1 and its main branch,
//! with its statuses and headers, for content named by SHA-256 and by SHA-512.
//!
//! It needs nothing but a URL, so `cargo xtask conformance URL` runs it against any registry.
//! The rows are numbered as the specification numbers its endpoints ("Endpoints").

pub mod client;
mod deleting;
mod extensions;
mod lab;
mod manifests;
mod mounting;
mod pulling;
mod pushing;
mod referrers;
mod tags;

use std::fmt;

use kiln_oci::Algorithm;

use client::Target;
use lab::{Lab, Outcome};

/// One thing that must hold.
pub struct Check {
    /// Which endpoint, by the specification's number.
    pub row: &'static str,
    /// Whether it is about something that must be refused.
    pub refusal: bool,
    /// What must hold.
    pub name: &'static str,
    run: fn(&Lab<'_>) -> Outcome,
}

/// Something that must work.
const fn works(row: &'static str, name: &'static str, run: fn(&Lab<'_>) -> Outcome) -> Check {
    Check {
        row,
        refusal: false,
        name,
        run,
    }
}

/// Something that must be refused, in the right way.
const fn refused(row: &'static str, name: &'static str, run: fn(&Lab<'_>) -> Outcome) -> Check {
    Check {
        row,
        refusal: true,
        name,
        run,
    }
}

/// The rows of the specification's table, and the extensions.
pub const ROWS: &[&str] = &[
    "1", "2", "3", "4a", "4b", "4c", "5", "6", "7a", "7b", "8", "9", "10", "11", "12", "13", "14",
    "ext",
];

/// Every check, in the order of the rows.
pub fn checks() -> Vec<&'static Check> {
    let lists = [
        pulling::CHECKS,
        pushing::CHECKS,
        mounting::CHECKS,
        manifests::CHECKS,
        tags::CHECKS,
        referrers::CHECKS,
        deleting::CHECKS,
        extensions::CHECKS,
    ];
    let mut checks: Vec<&Check> = lists.into_iter().flatten().collect();
    checks.sort_by_key(|check| ROWS.iter().position(|row| *row == check.row));
    checks
}

/// How a check went for one algorithm.
pub struct Line {
    pub check: &'static Check,
    pub algorithm: Algorithm,
    pub outcome: Outcome,
}

/// Makes every check for both algorithms.
pub fn run(target: &Target) -> Vec<Line> {
    let mut lines = vec![];
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let lab = Lab::new(target, algorithm);
        for check in checks() {
            lines.push(Line {
                check,
                algorithm,
                outcome: (check.run)(&lab),
            });
        }
    }
    lines
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.outcome.is_ok() { "ok  " } else { "FAIL" };
        let algorithm = self.algorithm.name();
        write!(
            f,
            "{verdict} {algorithm} {:3} {}",
            self.check.row, self.check.name
        )?;
        match &self.outcome {
            Ok(()) => Ok(()),
            Err(why) => write!(f, "\n     {why}"),
        }
    }
}
