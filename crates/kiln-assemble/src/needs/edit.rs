//! Adding an application to an image file, without touching what else a person wrote there.

use std::fmt::Write as _;

use crate::spec::{InvalidSpec, Spec};

/// Why an image file cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It could not be read before.
    #[error(transparent)]
    Invalid(#[from] InvalidSpec),
    /// It is written in a way that cannot be added to.
    #[error("the image file is written in a way that cannot be added to; add by hand:\n{text}")]
    Shape {
        /// What should be added.
        text: String,
    },
}

/// The text of an image file with further packages and a file. What is there already is not added again.
/// `file` is a path in the image and the source that it comes from; it becomes the entry point if there is
/// none.
///
/// # Errors
/// When the text is no image file, or the result would be none.
pub fn with_application(
    text: &str,
    packages: &[String],
    file: Option<(&str, &str)>,
) -> Result<String, EditError> {
    let before: Spec = text.parse()?;
    let is_there = |name: &str| before.packages.iter().any(|known| known.name == name);
    let new: Vec<&String> = packages.iter().filter(|name| !is_there(name)).collect();
    let mut edited = text.to_owned();
    let by_hand = || EditError::Shape {
        text: by_hand(&new, file),
    };
    if !new.is_empty() {
        let list: Vec<String> = new.iter().map(|name| quoted(name)).collect();
        let list = list.join(", ");
        match place(&edited) {
            Some((at, is_empty)) => {
                let comma = if is_empty { "" } else { ", " };
                edited.insert_str(at, &format!("{list}{comma}"));
            }
            None if before.packages.is_empty() => {
                edited.insert_str(0, &format!("packages = [{list}]\n"));
            }
            None => return Err(by_hand()),
        }
    }
    if let Some((path, source)) = file
        && !before.files.iter().any(|known| known.path == path)
    {
        if !edited.ends_with('\n') {
            edited.push('\n');
        }
        let (path, source) = (quoted(path), quoted(source));
        let _ = write!(
            edited,
            "\n[[file]]\npath = {path}\nsource = {source}\nmode = \"0755\"\n"
        );
        if before.config.entrypoint.is_none() && before.config.cmd.is_none() {
            match edited.lines().position(|line| line.trim() == "[config]") {
                Some(at) => {
                    let lines: Vec<&str> = edited.lines().collect();
                    let (above, below) = lines.split_at(at + 1);
                    edited = format!(
                        "{}\nentrypoint = [{path}]\n{}\n",
                        above.join("\n"),
                        below.join("\n")
                    );
                }
                None => {
                    let _ = write!(edited, "\n[config]\nentrypoint = [{path}]\n");
                }
            }
        }
    }
    // Whatever the text looks like, what comes out must say what was meant.
    let after: Spec = edited.parse().map_err(|_| by_hand())?;
    let has = |name: &String| after.packages.iter().any(|known| known.name == *name);
    let has_file = file.is_none_or(|(path, _)| after.files.iter().any(|known| known.path == path));
    match packages.iter().all(has) && has_file && after.repositories == before.repositories {
        true => Ok(edited),
        false => Err(by_hand()),
    }
}

/// Where the list of packages begins, and whether it is empty.
fn place(text: &str) -> Option<(usize, bool)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            return None;
        }
        let rest = line.strip_prefix("packages").map(str::trim_start);
        let list = rest
            .and_then(|rest| rest.strip_prefix('='))
            .map(str::trim_start);
        if let Some(inside) = list.and_then(|list| list.strip_prefix('[')) {
            let start = at + line.len() - inside.len();
            return Some((start, text[start..].trim_start().starts_with(']')));
        }
        at += line.len();
    }
    None
}

fn by_hand(packages: &[&String], file: Option<(&str, &str)>) -> String {
    let names: Vec<String> = packages.iter().map(|name| quoted(name)).collect();
    let mut text = format!("packages = [{}]", names.join(", "));
    if let Some((path, source)) = file {
        let (path, source) = (quoted(path), quoted(source));
        let _ = write!(text, "\n[[file]]\npath = {path}\nsource = {source}");
    }
    text
}

/// A basic string of TOML. Control characters are refused when the text is read again.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: &str =
        "[[repository]]\nurl = \"http://x/debian\"\nsuites = [\"stable\"]\nkeyring = \"k\"\n";

    fn edit(text: &str, packages: &[&str]) -> Result<String, EditError> {
        let packages: Vec<String> = packages.iter().map(ToString::to_string).collect();
        with_application(
            &format!("{text}\n{REPOSITORY}"),
            &packages,
            Some(("/app/tool", "target/tool")),
        )
    }

    #[test]
    fn packages_and_files_are_added_and_the_rest_stays() {
        let text = "# mine\npackages = [\"base-files\", # why\n  \"libc6\"]\nmax-layers = 4\n";
        let edited = edit(text, &["libc6", "libssl3"]).unwrap();
        assert!(
            edited.starts_with(
                "# mine\npackages = [\"libssl3\", \"base-files\", # why\n  \"libc6\"]\nmax-layers = 4\n"
            ),
            "{edited}"
        );
        assert!(
            edited.ends_with("\n[config]\nentrypoint = [\"/app/tool\"]\n"),
            "{edited}"
        );
        let packages = ["libssl3".to_owned()];
        let file = Some(("/app/tool", "target/tool"));
        assert_eq!(with_application(&edited, &packages, file).unwrap(), edited);
    }

    #[test]
    fn lists_may_be_empty_or_missing_and_tables_there() {
        for text in [
            "packages = []\n",
            "",
            "packages=[ ]\n",
            "\n[config]\nuser = \"0\"\n",
        ] {
            let edited = edit(text, &["libc6"]).unwrap();
            let spec: Spec = edited.parse().unwrap();
            assert_eq!(spec.packages.len(), 1, "{edited}");
            assert_eq!(spec.files[0].source.as_deref(), Some("target/tool"));
            let entrypoint = ["/app/tool".to_owned()];
            assert_eq!(
                spec.config.entrypoint.as_deref(),
                Some(&entrypoint[..]),
                "{edited}"
            );
        }
    }

    #[test]
    fn what_cannot_be_added_to_is_told() {
        let error = edit("\"packages\" = [\"base-files\"]\n", &["libc6"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("by hand:\npackages = [\"libc6\"]"),
            "{error}"
        );
        assert!(matches!(
            edit("packages = 1", &[]),
            Err(EditError::Invalid(_))
        ));
    }
}
