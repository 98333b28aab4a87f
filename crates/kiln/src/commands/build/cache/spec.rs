//! `--cache-to` and `--cache-from`: where results of steps are kept besides the store.

use std::path::PathBuf;

use kiln_layer::Compression;
use kiln_oci::Reference;

use crate::environment::Environment;
use crate::ui::report::Report;

/// A place for results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CachePlace {
    /// An artifact in a registry.
    Registry(Reference),
    /// A directory with an OCI layout.
    Directory(PathBuf),
}

impl std::fmt::Display for CachePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "{}", name.familiar()),
            Self::Directory(path) => write!(f, "in {}", path.display()),
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// The layers of the image.
    #[default]
    Min,
    /// Those of all stages.
    Max,
}

/// One `--cache-to`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CacheTo {
    /// Where to.
    pub(super) place: CachePlace,
    /// How much.
    pub(super) mode: Mode,
    /// How layers are compressed there.
    pub(super) compression: Compression,
    /// Whether a cache that cannot be written is a warning only.
    pub(super) ignore_error: bool,
}

/// What both flags have in common.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    reference: Option<&'a str>,
    directory: Option<&'a str>,
    mode: Option<&'a str>,
    compression: Option<&'a str>,
    level: Option<i32>,
    ignore_error: bool,
}

/// Reads `--cache-to SPEC`.
pub(super) fn cache_to(spec: &str, environment: &Environment) -> Result<CacheTo, Report> {
    let flag = format!("--cache-to {spec}");
    let fields = fields(spec, &flag, "dest")?;
    let mode = match fields.mode {
        None | Some("min") => Mode::Min,
        Some("max") => Mode::Max,
        Some(other) => {
            return Err(Report::usage(format!(
                "{flag}: mode is min or max, not `{other}`"
            )));
        }
    };
    Ok(CacheTo {
        place: place(&fields, &flag, environment)?,
        mode,
        compression: Compression::parse(fields.compression.unwrap_or("zstd"), fields.level)?,
        ignore_error: fields.ignore_error,
    })
}

/// Reads `--cache-from SPEC`.
pub(super) fn cache_from(spec: &str, environment: &Environment) -> Result<CachePlace, Report> {
    let flag = format!("--cache-from {spec}");
    place(&fields(spec, &flag, "src")?, &flag, environment)
}

fn fields<'a>(spec: &'a str, flag: &str, directory: &str) -> Result<Fields<'a>, Report> {
    let mut fields = Fields::default();
    if !spec.contains('=') {
        fields.reference = Some(spec);
        return Ok(fields);
    }
    for field in spec.split(',') {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| Report::usage(format!("{flag}: `{field}` should be KEY=VALUE")))?;
        match key {
            "type" => fields.kind = Some(value),
            "ref" => fields.reference = Some(value),
            "mode" => fields.mode = Some(value),
            "compression" => fields.compression = Some(value),
            "compression-level" => {
                fields.level = Some(value.parse().map_err(|_| {
                    Report::usage(format!("{flag}: the level `{value}` is not a number"))
                })?);
            }
            "ignore-error" => fields.ignore_error = value == "true",
            // What BuildKit's formats need and this one does not.
            "oci-mediatypes" | "image-manifest" => {}
            key if key == directory => fields.directory = Some(value),
            _ => return Err(Report::usage(format!("{flag}: unknown key `{key}`"))),
        }
    }
    Ok(fields)
}

fn place(fields: &Fields<'_>, flag: &str, environment: &Environment) -> Result<CachePlace, Report> {
    match (
        fields.kind.unwrap_or("registry"),
        fields.reference,
        fields.directory,
    ) {
        ("registry", Some(name), None) => Ok(CachePlace::Registry(name.parse()?)),
        ("registry", None, _) => Err(Report::usage(format!("{flag}: which one? add ref=NAME"))),
        ("local", None, Some(path)) => Ok(CachePlace::Directory(environment.absolute(path))),
        ("local", _, None) => Err(Report::usage(format!(
            "{flag}: which directory? --cache-to takes dest=DIR, --cache-from src=DIR"
        ))),
        ("registry" | "local", ..) => Err(Report::usage(format!(
            "{flag}: a registry has a ref, a directory has a path; not both"
        ))),
        (kind, ..) => Err(
            Report::usage(format!("{flag}: caches of type `{kind}` do not exist"))
                .hint("registry and local do; a CI system can keep the directory of a local one"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let mut environment = Environment::read(Some("/home".into())).unwrap();
        environment.directory = "/here".into();
        environment
    }

    #[test]
    fn places_and_modes_are_read() {
        let environment = environment();
        let registry = CachePlace::Registry("example.org/cache:main".parse().unwrap());
        let bare = cache_to("example.org/cache:main", &environment).unwrap();
        assert_eq!((bare.place, bare.mode), (registry.clone(), Mode::Min));
        let spec = "type=registry,ref=example.org/cache:main,mode=max,ignore-error=true";
        let full = cache_to(spec, &environment).unwrap();
        assert_eq!((full.place, full.mode), (registry, Mode::Max));
        assert!(full.ignore_error);
        let local = cache_from("type=local,src=c", &environment).unwrap();
        assert_eq!(local, CachePlace::Directory("/here/c".into()));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let environment = environment();
        for spec in [
            "type=local,src=c",
            "type=registry",
            "type=gha",
            "type=inline",
            "ref=a,dest=b",
            "ref=a,mode=some",
            "ref=a,compression=lzma",
            "ref=a,what=ever",
            "type=registry,ref=A",
        ] {
            assert!(cache_to(spec, &environment).is_err(), "{spec}");
        }
        assert!(cache_from("type=local,dest=c", &environment).is_err());
    }
}
