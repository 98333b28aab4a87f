//! What stands in FROM, taken apart.

use crate::subject::Subject;
use kiln_dockerfile::Stage;

/// A base as written.
pub(crate) struct Base<'a> {
    /// Without tag and digest.
    pub(crate) name: &'a str,
    /// The registry, if one is written.
    pub(crate) registry: Option<&'a str>,
    /// The tag.
    pub(crate) tag: Option<&'a str>,
    /// The digest.
    pub(crate) digest: Option<&'a str>,
    /// Whether the name, or what might be its tag, is a variable.
    pub(crate) variable: bool,
    /// Whether it is an earlier stage.
    pub(crate) stage: bool,
}

/// All stages with their bases.
pub(crate) fn bases<'a>(subject: &Subject<'a>) -> Vec<(&'a Stage, Base<'a>)> {
    let stages = &subject.file.stages;
    let base = |(at, stage): (usize, &'a Stage)| {
        let text = stage.from.image.text.as_str();
        let mut base = split(text);
        base.stage = stages[..at]
            .iter()
            .any(|earlier| earlier.name.as_ref().is_some_and(|name| name.text == text));
        (stage, base)
    };
    stages.iter().enumerate().map(base).collect()
}

/// `[registry/]path[:tag][@digest]`; a `:` inside `${…}` is none.
pub(crate) fn split(text: &str) -> Base<'_> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let mut depth = 0_usize;
    let mut colon = None;
    for (at, letter) in rest.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => colon = Some(at),
            '/' if depth == 0 => colon = None,
            _ => {}
        }
    }
    let (name, tag) = match colon {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let registry = name
        .split_once('/')
        .map(|(first, _)| first)
        .filter(|first| first.contains(['.', ':', '$']) || *first == "localhost");
    Base {
        name,
        registry,
        tag,
        digest,
        variable: name
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains('$')),
        stage: false,
    }
}

/// Whether what a stage holds ends in an image: it is the last one, or another one is built on it.
pub(crate) fn is_kept(subject: &Subject<'_>, position: usize) -> bool {
    let last = position + 1 == subject.views.len();
    let name = subject.views[position]
        .stage
        .and_then(|stage| stage.name.as_ref());
    let base_of = |name: &str| {
        let later = &subject.views[position + 1..];
        later.iter().any(|view| {
            view.stage
                .is_some_and(|stage| stage.from.image.text.eq_ignore_ascii_case(name))
        })
    };
    last || name.is_some_and(|name| base_of(&name.text))
}
