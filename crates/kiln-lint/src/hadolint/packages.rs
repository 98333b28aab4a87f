//! What the rules about package managers share.

use crate::finding::{Edit, Finding, Report};
use crate::shell::ast::Join;
use crate::shell::{Arg, Invocation, ShellRun};
use kiln_dockerfile::Span;

/// The verbs of yum and dnf that install.
pub(super) const RPM_INSTALLS: [&str; 3] = ["install", "groupinstall", "localinstall"];

/// Reports the packages of a command that `fixed` does not accept, once for the command.
pub(super) fn report_unpinned(
    report: &mut Report,
    run: &ShellRun<'_>,
    command: &Invocation,
    names: &[&Arg],
    verb: &str,
    example: &str,
    fixed: impl Fn(&str) -> bool,
) {
    let mut verbs = 0;
    let loose: Vec<&&Arg> = names
        .iter()
        .filter(|arg| {
            // The first such word is the verb itself.
            let is_verb = arg.text == verb && verbs == 0;
            verbs += usize::from(is_verb);
            !is_verb && arg.text != "pip" && !fixed(&arg.text)
        })
        .collect();
    let Some(first) = loose.first() else { return };
    let span = if loose.len() == 1 {
        first.span
    } else {
        command.span
    };
    let list: Vec<&str> = loose.iter().map(|arg| arg.text.as_str()).collect();
    report
        .add(
            run.place(span),
            format!("no version for {}", list.join(", ")),
        )
        .help(format!("write it as in {example}"));
}

/// yum's and dnf's versions stand behind a dash and begin with a digit; those of modules behind a colon.
pub(super) fn pin_rpm(
    report: &mut Report,
    run: &ShellRun<'_>,
    command: &Invocation,
    programs: &[&str],
) {
    if !command.is(programs) || !command.has(&["install"]) {
        return;
    }
    let module = command.has(&["module"]);
    let names = command.operands(&[
        "c",
        "config",
        "enablerepo",
        "disablerepo",
        "releasever",
        "installroot",
        "x",
    ]);
    let names: Vec<&Arg> = names
        .into_iter()
        .filter(|arg| arg.text != "module")
        .collect();
    let fixed = |name: &str| match module {
        true => name.contains(':'),
        false => {
            let mut parts = name.split('-').skip(1);
            name.contains("-$") || parts.any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        }
    };
    let example = if module { "nodejs:20" } else { "httpd-2.4.62" };
    report_unpinned(report, run, command, &names, "install", example, fixed);
}

/// Reports a command that waits for an answer, and offers `-y`.
pub(super) fn ask_nothing(
    report: &mut Report,
    run: &ShellRun<'_>,
    command: &Invocation,
    programs: &[&str],
    verbs: &[&str],
    answers: &[&str],
) {
    let Some(verb) = verbs.iter().find(|verb| command.has(&[verb])) else {
        return;
    };
    if !command.is(programs) || command.has_flag(answers) {
        return;
    }
    let message = format!("{} {verb} waits for an answer", command.name);
    let finding = report.add(run.place(command.span), message);
    offer_flag(finding, run, command, verb, "-y");
}

/// Offers to put a flag behind the verb.
pub(super) fn offer_flag(
    finding: &mut Finding,
    run: &ShellRun<'_>,
    command: &Invocation,
    verb: &str,
    flag: &str,
) {
    finding.help(format!("add {flag}"));
    if let Some(edit) = flag_edit(run, command, verb, flag) {
        finding.fix(format!("add {flag}"), vec![edit]);
    }
}

/// The edit that puts a flag behind the verb.
pub(super) fn flag_edit(
    run: &ShellRun<'_>,
    command: &Invocation,
    verb: &str,
    flag: &str,
) -> Option<Edit> {
    let verb = command.args.iter().find(|arg| arg.text == verb)?;
    run.editable(verb.span)
        .then(|| Edit::insert(run.place(verb.span).end, format!(" {flag}")))
}

/// The edit that puts text at an offset of the script, behind a byte of the script.
pub(super) fn insertion(run: &ShellRun<'_>, at: usize, text: &str) -> Option<Edit> {
    let before = Span::new(at.checked_sub(1)?, at);
    run.editable(before)
        .then(|| Edit::insert(run.place(before).end, text))
}

/// As [`insertion`], where there may be no place.
pub(super) fn append(run: &ShellRun<'_>, at: Option<usize>, text: &str) -> Option<Edit> {
    insertion(run, at?, text)
}

/// The end of the script if it is a single chain of `&&`, to which another command can be joined without
/// changing when it runs. A here-document's lines, a comment, and what an `||` guards are left alone.
pub(super) fn joinable_end(run: &ShellRun<'_>) -> Option<usize> {
    let [chain] = run.script.items.as_slice() else {
        return None;
    };
    let plain = chain.rest.iter().all(|(join, _)| *join == Join::And) && !chain.background;
    let end = chain.pipelines().last()?.commands.last()?.span.end;
    let rest = run.text[end..].trim();
    let fits = plain && rest.is_empty() && run.problems.is_empty() && run.run.heredocs.is_empty();
    fits.then_some(end)
}

/// Whether some `rm` of the script removes one of these paths.
pub(crate) fn removes(run: &ShellRun<'_>, paths: &[&str]) -> bool {
    run.commands.iter().any(|command| {
        let recursive =
            command.has_flag(&["r", "R", "recursive"]) && command.has_flag(&["f", "force"]);
        let path = |arg: &Arg| paths.contains(&arg.text.trim_end_matches('/'));
        command.is(&["rm"]) && recursive && command.args.iter().any(path)
    })
}

/// What must follow an installation.
pub(super) struct Cleaning<'a> {
    /// The programs.
    pub(super) programs: &'a [&'a str],
    /// The verbs that fill the cache.
    pub(super) verbs: &'a [&'a str],
    /// The verbs that empty it.
    pub(super) cleans: &'a [&'a str],
    /// Paths whose removal empties it.
    pub(super) paths: &'a [&'a str],
    /// Paths that keep it out of the layer when something is mounted there.
    pub(super) mounts: &'a [&'a str],
    /// The command to add.
    pub(super) fix: &'a str,
}

/// Reports an installation after which nothing empties the cache.
pub(super) fn clean_after(report: &mut Report, run: &ShellRun<'_>, cleaning: &Cleaning<'_>) {
    let mut open = None;
    for command in run
        .commands
        .iter()
        .filter(|command| command.is(cleaning.programs))
    {
        if command.has(cleaning.verbs) {
            open = open.or(Some(command));
        } else if command.has(cleaning.cleans) {
            open = None;
        }
    }
    let Some(command) = open else { return };
    if removes(run, cleaning.paths) || cleaning.mounts.iter().any(|path| run.mounts(path)) {
        return;
    }
    let message = format!("{} leaves its cache in the layer", command.name);
    let finding = report.add(run.place(command.span), message);
    finding.help(format!("end the RUN with `{}`", cleaning.fix));
    if let Some(edit) = append(run, joinable_end(run), &format!(" && {}", cleaning.fix)) {
        finding.fix(format!("add `{}`", cleaning.fix), vec![edit]);
    }
}
