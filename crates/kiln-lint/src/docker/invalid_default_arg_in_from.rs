//! `InvalidDefaultArgInFrom`: the file should build without any `--build-arg`.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::plan::{Globals, PlanOptions};
use std::collections::BTreeMap;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "InvalidDefaultArgInFrom",
    name: "invalid-default-arg-in-from",
    severity: Severity::Warning,
    summary: "Default value for global ARG results in an empty or invalid base image name",
    why: "Without build arguments the file should still build; here the base image would have no valid name.",
    bad: "ARG TAG\nFROM debian:${TAG}\n",
    good: "ARG TAG=12\nFROM debian:${TAG}\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let bare = PlanOptions {
        build_args: BTreeMap::new(),
        ..subject.facts.plan.clone()
    };
    let Ok(globals) = Globals::new(subject.file, &bare) else {
        return;
    };
    for stage in &subject.file.stages {
        let image = &stage.from.image;
        let Ok(expanded) = globals.expand(image, subject.file.escape()) else {
            continue;
        };
        if !is_image_name(&expanded.value) {
            let message = format!(
                "without build arguments {:?} is no valid image name: {:?}",
                image.text, expanded.value
            );
            let help = Some("give the ARG a default, or write ${NAME:-default}".to_string());
            report.add_with_help(image.span, message, help);
        }
    }
}

/// Whether a name has the form `[domain/]path[:tag][@digest]`.
fn is_image_name(name: &str) -> bool {
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    if digest.is_some_and(|digest| !digest.contains(':') || digest.ends_with(':')) {
        return false;
    }
    let last_slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[last_slash..].split_once(':') {
        Some((last, tag)) => (&name[..last_slash + last.len()], Some(tag)),
        None => (name, None),
    };
    let tag_fits = |tag: &str| {
        let tail = tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        tail && !tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-'])
    };
    if !tag.is_none_or(tag_fits) {
        return false;
    }
    let path = match path.split_once('/') {
        Some((domain, rest)) if is_domain(domain) => rest,
        _ => path,
    };
    path.split('/').all(is_component)
}

/// The first part is a domain if it looks like one, or cannot be anything else.
fn is_domain(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part != part.to_ascii_lowercase()
}

/// Lower-case letters and digits, with single separators between.
fn is_component(part: &str) -> bool {
    let edge =
        |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inside = |byte: u8| edge(Some(byte)) || b"._-".contains(&byte);
    edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inside)
}
