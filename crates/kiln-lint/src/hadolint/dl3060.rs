//! DL3060: end with yarn cache clean.

use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3060",
    name: "yarn-clean",
    severity: Severity::Info,
    summary: "End with yarn cache clean",
    why: "What yarn fetched stays in the layer otherwise, where nobody needs it.",
    bad: "FROM node:22\nRUN yarn install\n",
    good: "FROM node:22\nRUN yarn install && yarn cache clean\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs() {
        if run
            .mount_targets()
            .any(|target| target.contains(".cache/yarn"))
        {
            continue;
        }
        packages::clean_after(
            report,
            run,
            &packages::Cleaning {
                programs: &["yarn"],
                verbs: &["install"],
                cleans: &["cache"],
                paths: &[],
                mounts: &[],
                fix: "yarn cache clean",
            },
        );
    }
}
