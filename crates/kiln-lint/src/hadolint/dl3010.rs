//! DL3010: use ADD to unpack local archives.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3010",
    name: "add-for-archives",
    severity: Severity::Info,
    summary: "Use ADD to unpack local archives",
    why: "ADD unpacks an archive by itself; COPY and tar keep the archive in a layer of its own for ever.",
    bad: "FROM debian:12\nCOPY site.tar.gz /srv/\nRUN tar -xzf /srv/site.tar.gz\n",
    good: "FROM debian:12\nADD site.tar.gz /srv/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        for (position, instruction) in view.instructions.iter().enumerate() {
            let InstructionKind::Copy(copy) = &instruction.kind else {
                continue;
            };
            if copy.from.is_some() {
                continue;
            }
            let dest = paths::unquoted(&copy.dest.text);
            for source in &copy.sources {
                let Source::Path(source) = source else {
                    continue;
                };
                let name = paths::base_name(paths::unquoted(&source.text));
                if !paths::is_archive(name) {
                    continue;
                }
                let copied = if dest.ends_with('/') {
                    name
                } else {
                    paths::base_name(dest)
                };
                if is_unpacked(subject, view.position, position, copied) {
                    report
                        .add(source.span, format!("{name} is copied and unpacked later"))
                        .help("ADD unpacks it at once");
                }
            }
        }
    }
}

fn is_unpacked(subject: &Subject<'_>, view: usize, after: usize, name: &str) -> bool {
    let later = |run: &&crate::shell::ShellRun<'_>| {
        run.view == view && run.position > after && !run.onbuild
    };
    let mut commands = subject
        .runs()
        .iter()
        .filter(later)
        .flat_map(|run| &run.commands);
    commands.any(|command| {
        let bundled = command.args.first().is_some_and(|first| {
            first.text.contains('x') && first.text.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        let tar = command.is(&["tar"]) && (bundled || command.has_flag(&["x", "extract", "get"]));
        let other = command.is(&["gunzip", "bunzip2", "unxz", "unlzma", "uncompress", "zcat"]);
        let names = command
            .args
            .iter()
            .map(|arg| arg.text.rsplit('=').next().unwrap_or_default());
        (tar || other) && names.map(paths::base_name).any(|one| one == name)
    })
}
