//! KL1021: nano Server has no PowerShell and no installer.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{CommandLine, InstructionKind};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1021",
    name: "not-in-nanoserver",
    severity: Severity::Warning,
    summary: "Nano Server has no PowerShell and no installer",
    why: "Nano Server lacks PowerShell, msiexec, 32-bit programs and most of what Server Core has: the step fails, or the container does not start.",
    bad: "FROM mcr.microsoft.com/windows/nanoserver:ltsc2022\nRUN powershell -Command Get-Date\n",
    good: "FROM mcr.microsoft.com/windows/servercore:ltsc2022\nRUN powershell -Command Get-Date\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let chain = subject.chain(view.position);
        let base = chain
            .last()
            .and_then(|view| view.stage)
            .map(|stage| stage.from.image.text.as_str());
        if !base.is_some_and(|base| base.contains("windows/nanoserver")) {
            continue;
        }
        for instruction in view.instructions {
            let program = match &instruction.kind {
                InstructionKind::Run(run) => first_word(&run.command),
                InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => {
                    first_word(command)
                }
                InstructionKind::Shell(words) => words.first().cloned().unwrap_or_default(),
                _ => continue,
            };
            let name = program.to_ascii_lowercase();
            let name = name
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or_default()
                .trim_end_matches(".exe");
            if matches!(
                name,
                "powershell" | "msiexec" | "dism" | "wmic" | "reg" | "net"
            ) {
                report
                    .add(instruction.span, format!("Nano Server has no {name}"))
                    .help("take windows/servercore, or do it in a stage built on that");
            }
        }
    }
}

fn first_word(command: &CommandLine) -> String {
    match command {
        CommandLine::Shell(text) => text
            .text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_string(),
        CommandLine::Exec(words) => words.first().cloned().unwrap_or_default(),
    }
}
