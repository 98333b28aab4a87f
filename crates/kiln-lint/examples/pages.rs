//! Writes the pages of all rules into a folder: `cargo run -p kiln-lint --example pages -- FOLDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(std::path::PathBuf::from) else {
        return ExitCode::from(2);
    };
    let pages =
        kiln_lint::rules().map(|rule| (format!("{}.md", rule.code), kiln_lint::pages::page(rule)));
    let pages = pages.chain([("README.md".to_owned(), kiln_lint::pages::index())]);
    for (name, text) in pages {
        if std::fs::write(folder.join(name), text).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
