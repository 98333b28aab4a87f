//! DL3046: useradd with a high number needs --no-log-init.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3046",
    name: "useradd-no-log",
    severity: Severity::Warning,
    summary: "useradd with a high number needs --no-log-init",
    why: "useradd writes into the login logs at the place of the number: files of many gigabytes, with holes that layers do not keep.",
    bad: "FROM debian:12\nRUN useradd -u 123456 app\n",
    good: "FROM debian:12\nRUN useradd --no-log-init -u 123456 app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !command.is(&["useradd"]) || command.has_flag(&["l", "no-log-init"]) {
            continue;
        }
        let after_cluster = command.args.windows(2).find_map(|pair| {
            let flag = &pair[0].text;
            (flag.starts_with('-') && !flag.starts_with("--") && flag.ends_with('u'))
                .then_some(pair[1].text.as_str())
        });
        let number = after_cluster.or_else(|| command.flag_value(&["uid"]));
        if number.is_some_and(|number| {
            number.len() > 5 && number.bytes().all(|byte| byte.is_ascii_digit())
        }) {
            let finding = report.add(
                run.place(command.span),
                "useradd makes huge log files for so high a number",
            );
            finding.help("add --no-log-init");
            let at = command.name_span.end;
            if let Some(edit) = packages::insertion(run, at, " --no-log-init") {
                finding.fix("add --no-log-init", vec![edit]);
            }
        }
    }
}
