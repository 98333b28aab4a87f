//! RUN: its mounts, network, security and devices.

use super::flags::{Flags, Known, Takes};
use crate::csv;
use crate::diagnostic::Diagnostic;
use crate::mount;
use crate::span::Span;
use crate::suggest;
use crate::syntax::{
    CommandLine, Device, Heredoc, MountField, MountFlag, MountKey, NetworkMode, Run, SecurityMode,
    Word,
};

pub(super) const FLAGS: &[Known] = &[
    ("mount", Takes::Texts),
    ("network", Takes::Text),
    ("security", Takes::Text),
    ("device", Takes::Texts),
];

/// RUN from its flags, command and here-documents.
pub(super) fn run(
    flags: &Flags,
    command: CommandLine,
    heredocs: Vec<Heredoc>,
    at: Span,
) -> Result<Run, Diagnostic> {
    if command == CommandLine::Exec(Vec::new()) {
        return Err(Diagnostic::error(at, "RUN [] names no program"));
    }
    let network = one_of(
        flags.texts("network").next(),
        "network",
        &[
            ("default", NetworkMode::Default),
            ("none", NetworkMode::None),
            ("host", NetworkMode::Host),
        ],
    )?;
    let security = one_of(
        flags.texts("security").next(),
        "security",
        &[
            ("sandbox", SecurityMode::Sandbox),
            ("insecure", SecurityMode::Insecure),
        ],
    )?;
    let mounts = flags
        .texts("mount")
        .map(|word| mount_flag(&word))
        .collect::<Result<_, _>>()?;
    let devices = flags
        .texts("device")
        .map(|word| device(&word))
        .collect::<Result<_, _>>()?;
    Ok(Run {
        mounts,
        network,
        security,
        devices,
        command,
        heredocs,
    })
}

/// A flag with a fixed set of values.
fn one_of<T: Copy + Default>(
    word: Option<Word>,
    flag: &str,
    options: &[(&str, T)],
) -> Result<T, Diagnostic> {
    let Some(word) = word else {
        return Ok(T::default());
    };
    if let Some((_, value)) = options.iter().find(|(name, _)| *name == word.text) {
        return Ok(*value);
    }
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let error = Diagnostic::error(
        word.span,
        format!("unsupported {flag} mode {:?}", word.text),
    );
    Err(match suggest::nearest(&word.text, names.iter().copied()) {
        Some(near) => error.with_suggestion(Some(near)),
        None => error.with_help(format!("use one of {}", names.join(", "))),
    })
}

const KEYS: &[(&str, MountKey)] = &[
    ("type", MountKey::Type),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("from", MountKey::From),
    ("readonly", MountKey::Readonly),
    ("ro", MountKey::Readonly),
    ("readwrite", MountKey::Readwrite),
    ("rw", MountKey::Readwrite),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
    ("required", MountKey::Required),
    ("size", MountKey::Size),
    ("env", MountKey::Env),
];

/// The fields of a word with their places, if it is plain enough to have some.
fn csv_fields(word: &Word, flag: &str) -> Result<Vec<Word>, Diagnostic> {
    let fields = csv::fields(&word.text)
        .map_err(|reason| Diagnostic::error(word.span, format!("--{flag}: {reason}")))?;
    let exact = word.span.end - word.span.start == word.text.len();
    let place = |range: std::ops::Range<usize>| match exact {
        true => Span::new(word.span.start + range.start, word.span.start + range.end),
        false => word.span,
    };
    Ok(fields
        .into_iter()
        .map(|(text, range)| Word::new(text, place(range)))
        .collect())
}

fn mount_flag(word: &Word) -> Result<MountFlag, Diagnostic> {
    let fields = csv_fields(word, "mount")?
        .iter()
        .map(mount_field)
        .collect::<Result<_, _>>()?;
    let flag = MountFlag {
        fields,
        span: word.span,
    };
    // What needs no variable can be checked right away, even in stages that are never built.
    if !word.has_variable() {
        mount::check(&flag)?;
    }
    Ok(flag)
}

fn mount_field(field: &Word) -> Result<MountField, Diagnostic> {
    let (name, value) = match field.text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (field.text.as_str(), None),
    };
    let folded = name.to_ascii_lowercase();
    let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == folded) else {
        let message = match value {
            Some(_) => format!("unexpected key {name:?} in {:?}", field.text),
            None => format!("invalid field {name:?}: it must be key=value"),
        };
        let near = suggest::nearest(&folded, KEYS.iter().map(|(known, _)| *known));
        return Err(Diagnostic::error(field.span, message).with_suggestion(near));
    };
    let flag = matches!(
        key,
        MountKey::Readonly | MountKey::Readwrite | MountKey::Required
    );
    if value.is_none() && !flag {
        let message = format!("invalid field {name:?}: it must be key=value");
        return Err(Diagnostic::error(field.span, message));
    }
    let value = value.map(|value| {
        let exact = field.span.end - field.span.start == field.text.len();
        let start = if exact {
            field.span.end - value.len()
        } else {
            field.span.start
        };
        Word::new(value, Span::new(start, field.span.end))
    });
    if let (MountKey::From, Some(value)) = (key, &value)
        && value
            .text
            .find('$')
            .is_some_and(|at| at + 1 < value.text.len())
    {
        let message = "\"from\" does not support variables";
        return Err(Diagnostic::error(value.span, message).with_help(
            "give the image a stage of its own, `FROM $image AS name`, and mount from that",
        ));
    }
    Ok(MountField {
        key: *key,
        value,
        span: field.span,
    })
}

fn device(word: &Word) -> Result<Device, Diagnostic> {
    let mut device = Device {
        name: String::new(),
        required: false,
    };
    for field in csv_fields(word, "device")? {
        match field.text.split_once('=') {
            None if field.text.eq_ignore_ascii_case("required") => device.required = true,
            Some(("name", name)) => device.name = name.to_string(),
            Some(("required", value)) => {
                device.required = mount::boolean(value).ok_or_else(|| {
                    Diagnostic::error(field.span, format!("invalid value for required: {value:?}"))
                })?;
            }
            // A device name may hold `=` itself: vendor/class=name.
            _ if device.name.is_empty() => device.name = field.text,
            _ => {
                let message = format!("unexpected field {:?} in --device", field.text);
                return Err(Diagnostic::error(field.span, message));
            }
        }
    }
    if device.name.is_empty() {
        return Err(Diagnostic::error(word.span, "--device names no device"));
    }
    Ok(device)
}
