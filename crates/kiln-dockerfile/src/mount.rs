//! What the fields of a `RUN --mount` say once their values are expanded, and which go together.

use crate::diagnostic::Diagnostic;
use crate::expand::{self, NoVariables};
use crate::suggest;
use crate::syntax::{MountField, MountFlag, MountKey, Word};

/// `type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Type {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

const TYPES: [(&str, Type); 5] = [
    ("bind", Type::Bind),
    ("cache", Type::Cache),
    ("tmpfs", Type::Tmpfs),
    ("secret", Type::Secret),
    ("ssh", Type::Ssh),
];

impl Type {
    fn name(self) -> &'static str {
        TYPES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("bind", |(name, _)| name)
    }
}

/// How several builds use one cache at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Each gets one of its own.
    Private,
    /// One after another.
    Locked,
}

const SHARINGS: [(&str, Sharing); 3] = [
    ("shared", Sharing::Shared),
    ("private", Sharing::Private),
    ("locked", Sharing::Locked),
];

/// The fields as values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) kind: Type,
    pub(crate) target: String,
    pub(crate) source: String,
    pub(crate) from: Option<Word>,
    pub(crate) id: String,
    pub(crate) readonly: bool,
    pub(crate) sharing: Option<Sharing>,
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) required: bool,
    pub(crate) size: Option<u64>,
    pub(crate) env: Option<String>,
}

/// Checks a mount that holds no variables.
pub(crate) fn check(flag: &MountFlag) -> Result<(), Diagnostic> {
    let mut literal = |word: &Word| {
        expand::expand(&word.text, '\\', &NoVariables)
            .map(|expanded| expanded.value)
            .map_err(|error| Diagnostic::error(word.span, error.to_string()))
    };
    settings(flag, &mut literal).map(|_| ())
}

/// Go's booleans.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads the fields in order. `from` is never expanded.
pub(crate) fn settings(
    flag: &MountFlag,
    expand: &mut dyn FnMut(&Word) -> Result<String, Diagnostic>,
) -> Result<Settings, Diagnostic> {
    let mut settings = Settings::default();
    let mut readonly = None;
    for field in &flag.fields {
        let value = match (&field.value, field.key) {
            (Some(word), MountKey::From) => Some(word.text.clone()),
            (Some(word), _) => Some(expand(word)?),
            (None, _) => None,
        };
        let text = value.as_deref().unwrap_or("true");
        let invalid = || Diagnostic::error(field.span, format!("invalid value {text:?}"));
        match field.key {
            MountKey::Type => settings.kind = pick(field, text, "mount type", &TYPES)?,
            MountKey::From => {
                settings.from = field.value.clone().filter(|word| !word.text.is_empty());
            }
            MountKey::Source => settings.source = text.to_string(),
            MountKey::Target => settings.target = text.to_string(),
            MountKey::Id => settings.id = text.to_string(),
            MountKey::Env => settings.env = Some(text.to_string()),
            MountKey::Sharing => {
                settings.sharing = Some(pick(field, text, "sharing value", &SHARINGS)?);
            }
            MountKey::Readonly => readonly = Some(boolean(text).ok_or_else(invalid)?),
            MountKey::Readwrite => readonly = Some(!boolean(text).ok_or_else(invalid)?),
            MountKey::Required => {
                allow(field, &settings, &[Type::Secret, Type::Ssh])?;
                settings.required = boolean(text).ok_or_else(invalid)?;
            }
            MountKey::Size => {
                allow(field, &settings, &[Type::Tmpfs])?;
                settings.size = Some(bytes(text).ok_or_else(invalid)?);
            }
            MountKey::Mode => {
                settings.mode = Some(u32::from_str_radix(text, 8).map_err(|_| invalid())?);
            }
            MountKey::Uid => settings.uid = Some(text.parse().map_err(|_| invalid())?),
            MountKey::Gid => settings.gid = Some(text.parse().map_err(|_| invalid())?),
        }
    }
    settings.readonly = readonly.unwrap_or(!matches!(settings.kind, Type::Cache | Type::Tmpfs));
    validate(flag, &settings)?;
    Ok(settings)
}

/// One of a fixed set of values, letter case not counted.
fn pick<T: Copy>(
    field: &MountField,
    text: &str,
    what: &str,
    options: &[(&str, T)],
) -> Result<T, Diagnostic> {
    let folded = text.to_ascii_lowercase();
    if let Some((_, value)) = options.iter().find(|(name, _)| *name == folded) {
        return Ok(*value);
    }
    let near = suggest::nearest(&folded, options.iter().map(|(name, _)| *name));
    let error = Diagnostic::error(field.span, format!("unsupported {what} {text:?}"));
    Err(match near {
        Some(near) => error.with_suggestion(Some(near)),
        None => {
            let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
            error.with_help(format!("use one of {}", names.join(", ")))
        }
    })
}

/// A key that only some types have; the type must stand before it.
fn allow(field: &MountField, settings: &Settings, types: &[Type]) -> Result<(), Diagnostic> {
    if types.contains(&settings.kind) {
        return Ok(());
    }
    let name = if field.key == MountKey::Size {
        "size"
    } else {
        "required"
    };
    let message = format!(
        "unexpected key {name:?} for mount type {}",
        settings.kind.name()
    );
    Err(Diagnostic::error(field.span, message).with_help("type= must stand before it"))
}

fn validate(flag: &MountFlag, settings: &Settings) -> Result<(), Diagnostic> {
    let kind = settings.kind;
    let refuse = |reason: String| Err(Diagnostic::error(flag.span, reason));
    let owned = matches!(kind, Type::Secret | Type::Ssh | Type::Cache);
    for (name, given) in [
        ("mode", settings.mode.is_some()),
        ("uid", settings.uid.is_some()),
        ("gid", settings.gid.is_some()),
    ] {
        if given && !owned {
            return refuse(format!("{name} is not allowed for {} mounts", kind.name()));
        }
    }
    if settings.sharing.is_some() && kind != Type::Cache {
        return refuse(format!("sharing is not allowed for {} mounts", kind.name()));
    }
    if settings.env.is_some() && kind != Type::Secret {
        return refuse(format!("env is not allowed for {} mounts", kind.name()));
    }
    match kind {
        Type::Secret if settings.from.is_some() => refuse("a secret mount has no from".to_string()),
        Type::Secret if !settings.source.is_empty() && !settings.id.is_empty() => {
            refuse("a secret mount has a source or an id, not both".to_string())
        }
        Type::Secret
            if settings.source.is_empty()
                && settings.target.is_empty()
                && settings.id.is_empty() =>
        {
            refuse("a secret mount needs an id or a target".to_string())
        }
        Type::Ssh if !settings.source.is_empty() => {
            refuse("an ssh mount has no source".to_string())
        }
        Type::Cache | Type::Tmpfs if settings.target.is_empty() => {
            refuse(format!("a {} mount needs a target", kind.name()))
        }
        _ => Ok(()),
    }
}

/// A size as Docker writes it: a number with an optional unit, always in powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let folded = text.trim().to_ascii_lowercase();
    let digits = folded
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(folded.len());
    let (number, unit) = folded.split_at(digits);
    let power = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let scale = 1024_u64.pow(power);
    match number.parse::<u64>() {
        Ok(number) => number.checked_mul(scale),
        // A fraction of a byte is cut off; what is too large for the type saturates and is refused.
        Err(_) => number
            .parse::<f64>()
            .ok()
            .map(|number| (number * scale as f64) as u64)
            .filter(|bytes| *bytes < u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("100", Some(100)),
            ("64k", Some(65_536)),
            ("1M", Some(1 << 20)),
            ("1.5g", Some(3 << 29)),
            ("2GiB", Some(2 << 30)),
            ("3mb", Some(3 << 20)),
            ("x", None),
            ("1q", None),
            ("", None),
            ("99999999999999999999p", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
