//! `cargo xtask tidy`: what the project promises about its own shape, checked.
//!
//! One file per check. Each takes the files as plain data and gives back findings, so each has a
//! test that shows a violation being found.

mod calls;
mod commands;
mod edges;
mod headers;
mod licences;
mod names;
mod places;
mod portable;
mod readmes;
mod reasons;
mod sizes;
mod source;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use tree::{Finding, Tree};

/// The checks that need only the files.
const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    calls::check,
    commands::check,
    edges::check,
    headers::check,
    names::check,
    places::check,
    portable::check,
    readmes::check,
    reasons::check,
    sizes::check,
];

/// Runs every check below `root` and prints the findings; fails if one is more than a note.
pub(crate) fn run(root: &Path) -> Result<ExitCode, String> {
    let tree = Tree::read(root)?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    findings.extend(licences::check(root)?);
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| !finding.note).count();
    let files = tree.files().count();
    if errors == 0 {
        println!(
            "tidy: {files} files, {} checks, nothing to mend",
            CHECKS.len() + 1
        );
        Ok(ExitCode::SUCCESS)
    } else {
        println!("tidy: {errors} to mend in {files} files");
        Ok(ExitCode::FAILURE)
    }
}
