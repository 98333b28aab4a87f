//! The cases, by what they are about.

mod add;
mod config;
mod copy;
mod git;
mod heredoc;
mod ignore;
mod metadata;
mod mounts;
mod refused;
mod run;
mod stages;
mod variables;

use crate::case::Case;

/// Every case.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    let groups = [
        add::CASES,
        config::CASES,
        copy::CASES,
        git::CASES,
        heredoc::CASES,
        ignore::CASES,
        metadata::CASES,
        mounts::CASES,
        refused::CASES,
        run::CASES,
        stages::CASES,
        variables::CASES,
    ];
    groups.into_iter().flatten().copied()
}
