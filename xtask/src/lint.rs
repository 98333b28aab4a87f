//! `cargo xtask lint-docs` and `lint-agreement`: what is made from the linter's rules, and what the real
//! hadolint says of our cases.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::peers;

/// Writes the pages of all rules. xtask does not link the linter: it stays small that way.
pub(crate) fn docs(root: &Path) -> Result<ExitCode, String> {
    let folder = root.join("docs/reference/lint");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "run",
            "--quiet",
            "-p",
            "kiln-lint",
            "--example",
            "pages",
            "--",
        ])
        .arg(&folder)
        .current_dir(root);
    let status = command
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    match status.success() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(format!("the pages were not written: {status}")),
    }
}

/// Asks hadolint anew about every recorded case; `cargo test -p kiln-lint` then compares.
pub(crate) fn agreement(root: &Path, peers_folder: &Path) -> Result<ExitCode, String> {
    let program = peers::hadolint::prepare(peers_folder)?;
    let path = root.join("crates/kiln-lint/tests/agreement/hadolint.txt");
    let record =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut blocks = Vec::new();
    for block in record.trim_end().split("\n---\n") {
        let input = block.rsplit_once("\n=>").map_or(block, |(input, _)| input);
        let said = ask(&program, input)?;
        blocks.push(format!("{input}\n=> {said}"));
    }
    let text = format!("{}\n", blocks.join("\n---\n"));
    let changed = text != record;
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!(
        "{} cases, {}",
        blocks.len(),
        if changed {
            "the record has changed"
        } else {
            "as recorded"
        }
    );
    Ok(ExitCode::SUCCESS)
}

/// What hadolint says of one case, as `line:code`. Lines that begin with `@` are its arguments.
fn ask(program: &Path, input: &str) -> Result<String, String> {
    let mut lines = input.lines().peekable();
    let mut command = Command::new(program);
    // A configuration of the machine must not count.
    command
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME")
        .current_dir("/");
    command.args(["--no-color", "--no-fail", "--format", "gnu"]);
    while let Some(arguments) = lines.next_if(|line| line.starts_with('@')) {
        command.args(arguments[1..].split(' '));
    }
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    let mut child = command
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut stdin = child.stdin.take().ok_or("hadolint has no standard input")?;
    stdin
        .write_all(text.as_bytes())
        .map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let mut said: Vec<(usize, String)> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(entry)
        .collect();
    said.sort();
    said.dedup();
    let said: Vec<String> = said
        .into_iter()
        .map(|(line, code)| format!("{line}:{code}"))
        .collect();
    Ok(said.join(" "))
}

/// `hadolint:-:2: DL3008 warning: …` as line and code.
fn entry(line: &str) -> Option<(usize, String)> {
    let rest = line
        .strip_prefix("hadolint:-:")
        .or_else(|| line.strip_prefix("-:"))?;
    let (number, rest) = rest.split_once(": ")?;
    let code = rest.split_whitespace().next()?.trim_end_matches(':');
    Some((number.split(':').next()?.parse().ok()?, code.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_program_become_entries() {
        for (line, expected) in [
            (
                "hadolint:-:2: DL3008 warning: Pin versions",
                Some((2, "DL3008")),
            ),
            ("-:12: SC2086 info: Quote", Some((12, "SC2086"))),
            ("something else", None),
        ] {
            assert_eq!(
                entry(line),
                expected.map(|(line, code)| (line, code.to_owned())),
                "{line}"
            );
        }
    }
}
