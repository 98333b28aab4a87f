//! The history entries of an image, in BuildKit's words: tools show them and compare them.

use crate::evaluate::{AddSource, CopySource, Destination, Evaluated};
use std::fmt::Write;

/// `created_by` of a step, and whether it makes a layer.
pub(crate) fn entry(step: &Evaluated) -> Option<(String, bool)> {
    let pairs = |name: &str, pairs: &[(String, String)]| {
        pairs
            .iter()
            .fold(name.to_string(), |mut text, (key, value)| {
                let _ = write!(text, " {key}={value}");
                text
            })
    };
    let text = match step {
        Evaluated::Run(run) => {
            let mut words = Vec::new();
            if !run.build_args.is_empty() {
                words.push(format!("|{}", run.build_args.len()));
                words.extend(
                    run.build_args
                        .iter()
                        .map(|(name, value)| format!("{name}={value}")),
                );
            }
            words.extend(run.args.iter().cloned());
            return Some((format!("RUN {} # buildkit", words.join(" ")), true));
        }
        Evaluated::Copy(copy) => {
            let sources = copy.sources.iter().map(|source| match source {
                CopySource::Path(path) => path.written.clone(),
                CopySource::Heredoc(file) => format!("<<{}", file.name),
            });
            return Some((files("COPY", copy.parents, &copy.to, sources), true));
        }
        Evaluated::Add(add) => {
            let sources = add.sources.iter().map(|source| match source {
                AddSource::Local(path) => path.written.clone(),
                AddSource::Http { url, .. } => url.clone(),
                AddSource::Git(git) => git.written.clone(),
                AddSource::Heredoc(file) => format!("<<{}", file.name),
            });
            return Some((files("ADD", false, &add.to, sources), true));
        }
        Evaluated::Workdir(path) => return Some((format!("WORKDIR {path}"), path != "/")),
        Evaluated::Onbuild(_) => return None,
        Evaluated::Env(env) => pairs("ENV", env),
        Evaluated::Label(labels) => pairs("LABEL", labels),
        Evaluated::Arg(args) => args
            .iter()
            .fold("ARG".to_string(), |mut text, (name, value)| {
                let _ = match value {
                    Some(value) => write!(text, " {name}={value}"),
                    None => write!(text, " {name}"),
                };
                text
            }),
        Evaluated::Expose(ports) => format!("EXPOSE [{}]", ports.join(" ")),
        Evaluated::User(user) => format!("USER {user}"),
        Evaluated::Volume(volumes) => format!("VOLUME [{}]", volumes.join(" ")),
        Evaluated::Cmd(args) => format!("CMD {}", quoted(args)),
        Evaluated::Entrypoint(entrypoint) => format!("ENTRYPOINT {}", quoted(&entrypoint.args)),
        Evaluated::Shell(shell) => format!("SHELL [{}]", shell.join(" ")),
        Evaluated::Healthcheck(check) => format!("HEALTHCHECK {}", check.go_text()),
        Evaluated::Stopsignal(signal) => format!("STOPSIGNAL {signal}"),
        Evaluated::Maintainer(author) => format!("MAINTAINER {author}"),
    };
    Some((text, false))
}

fn files(
    name: &str,
    parents: bool,
    to: &Destination,
    sources: impl Iterator<Item = String>,
) -> String {
    let mut words = vec![name.to_string()];
    words.extend(parents.then(|| "--parents".to_string()));
    words.extend(to.chown.iter().map(|owner| format!("--chown={owner}")));
    words.extend(to.chmod.iter().map(|mode| format!("--chmod={mode}")));
    words.extend(sources);
    words.push(to.written.clone());
    words.push("# buildkit".to_string());
    words.join(" ")
}

/// A list as Go's `%q` prints it.
fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| go_quote(word)).collect();
    format!("[{}]", words.join(" "))
}

fn go_quote(word: &str) -> String {
    let mut out = String::from("\"");
    for character in word.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 || control == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
