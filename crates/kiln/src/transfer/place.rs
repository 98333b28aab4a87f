//! How a person says where an image is: `SCHEME://WHERE`, or a bare name for an image of a registry.

use std::path::{Path, PathBuf};

use kiln_oci::Reference;

use crate::environment::Environment;
use crate::ui::report::Report;

/// Where an image is, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A registry: a bare name, `registry://NAME`, `docker://NAME`.
    Registry(Reference),
    /// The local store: `store://NAME`.
    Store(Reference),
    /// A directory with an OCI layout: `oci-layout://PATH[:TAG]`, `oci:PATH[:TAG]`.
    Layout(Spot),
    /// A tar archive of an OCI layout: `oci-archive://FILE[:TAG]`.
    OciArchive(Spot),
    /// What `docker save` writes: `docker-archive://FILE[:NAME]`.
    DockerArchive(Spot),
    /// The docker daemon: `docker-daemon://NAME`.
    Daemon(Reference),
}

/// An image in a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The file or directory.
    pub(crate) path: PathBuf,
    /// The tag, full name or `@digest` behind it.
    pub(crate) wanted: Option<String>,
}

/// The schemes, each also as other tools write it.
const SCHEMES: &[(&str, &str)] = &[
    ("registry://", "registry"),
    ("docker://", "registry"),
    ("store://", "store"),
    ("oci-layout://", "layout"),
    ("oci-archive://", "oci-archive"),
    ("docker-archive://", "docker-archive"),
    ("docker-daemon://", "daemon"),
    ("oci-archive:", "oci-archive"),
    ("docker-archive:", "docker-archive"),
    ("docker-daemon:", "daemon"),
    ("oci:", "layout"),
];

impl Place {
    /// Reads `text`.
    ///
    /// # Errors
    /// If the scheme is unknown or the name is no reference.
    pub(crate) fn parse(text: &str, environment: &Environment) -> Result<Self, Report> {
        let scheme = SCHEMES
            .iter()
            .find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
        let name = |rest: &str| -> Result<Reference, Report> { Ok(rest.parse()?) };
        let spot = |rest: &str| Spot::parse(rest, environment);
        match scheme {
            Some(("registry", rest)) => Ok(Self::Registry(name(rest)?)),
            Some(("store", rest)) => Ok(Self::Store(name(rest)?)),
            Some(("layout", rest)) => Ok(Self::Layout(spot(rest))),
            Some(("oci-archive", rest)) => Ok(Self::OciArchive(spot(rest))),
            Some(("docker-archive", rest)) => Ok(Self::DockerArchive(spot(rest))),
            Some((_, rest)) => Ok(Self::Daemon(name(rest)?)),
            None if text.contains("://") => Err(unknown(text)),
            None => Ok(Self::Registry(name(text)?)),
        }
    }
}

fn unknown(text: &str) -> Report {
    let scheme = text.split("://").next().unwrap_or_default();
    Report::usage(format!("`{scheme}://` is not a place that kiln knows")).hint(
        "write a name of a registry, or store://NAME, oci-layout://PATH[:TAG], oci-archive://FILE[:TAG], \
         docker-archive://FILE[:NAME], docker-daemon://NAME",
    )
}

impl Spot {
    /// `PATH`, `PATH:TAG` or `PATH@DIGEST`. A path that exists as a whole is not taken apart.
    pub(crate) fn parse(text: &str, environment: &Environment) -> Self {
        let whole = environment.absolute(text);
        if whole.exists() {
            return Self {
                path: whole,
                wanted: None,
            };
        }
        // The name may hold colons of its own, and so may a path that is there.
        let places = || text.match_indices([':', '@']).map(|(at, _)| at);
        let is_path = |at: &usize| environment.absolute(&text[..*at]).exists();
        let at = places().find(is_path).or_else(|| places().next());
        match at {
            Some(at) => Self {
                path: environment.absolute(&text[..at]),
                wanted: Some(text[at..].trim_start_matches(':').to_owned()),
            },
            None => Self {
                path: whole,
                wanted: None,
            },
        }
    }

    /// What the image is called, for messages.
    pub(crate) fn reference(&self) -> Result<Reference, Report> {
        Ok(stem(&self.path).parse()?)
    }

    /// The names that a new image gets here: what stands behind the path, as a full name if it is one.
    pub(crate) fn names(&self) -> Result<Vec<Reference>, Report> {
        match self.wanted.as_deref() {
            None => Ok(vec![]),
            Some(digest) if digest.starts_with('@') => Err(Report::usage(format!(
                "`{digest}` cannot be chosen: the content decides it"
            ))),
            Some(tag) if !tag.contains(['/', ':']) => {
                let stem = stem(&self.path);
                Ok(vec![format!("{stem}:{tag}").parse()?])
            }
            Some(name) => Ok(vec![name.parse()?]),
        }
    }
}

/// A repository's name made of a path's last part, for the full name beside a bare tag.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let lower = stem.to_lowercase();
    match format!("{lower}:x").parse::<Reference>() {
        Ok(_) => lower,
        Err(_) => "image".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(directory: &Path) -> Environment {
        let mut environment = Environment::read(Some(directory.join("home"))).unwrap();
        environment.directory = directory.to_owned();
        environment
    }

    fn parse(text: &str) -> Place {
        Place::parse(text, &here(Path::new("/nowhere"))).unwrap()
    }

    fn spot(path: &str, wanted: Option<&str>) -> Spot {
        Spot {
            path: path.into(),
            wanted: wanted.map(str::to_owned),
        }
    }

    #[test]
    fn bare_names_are_of_registries() {
        let name: Reference = "alpine".parse().unwrap();
        for text in ["alpine", "docker://alpine", "registry://alpine"] {
            assert_eq!(parse(text), Place::Registry(name.clone()));
        }
        assert_eq!(parse("store://alpine"), Place::Store(name.clone()));
        assert_eq!(parse("docker-daemon:alpine"), Place::Daemon(name));
    }

    #[test]
    fn files_have_names_behind_them() {
        for (text, expected) in [
            ("oci:out", spot("/nowhere/out", None)),
            ("oci-layout://out:1.0", spot("/nowhere/out", Some("1.0"))),
            ("oci:/a/out@sha256:00", spot("/a/out", Some("@sha256:00"))),
        ] {
            assert_eq!(parse(text), Place::Layout(expected), "{text}");
        }
        let archive = parse("docker-archive:out.tar:localhost:5000/app:1");
        let expected = spot("/nowhere/out.tar", Some("localhost:5000/app:1"));
        assert_eq!(archive, Place::DockerArchive(expected));
    }

    #[test]
    fn what_is_there_is_not_taken_apart() {
        let directory = kiln_testkit::TempDir::new();
        std::fs::create_dir(directory.path().join("a:b")).unwrap();
        let environment = here(directory.path());
        let whole = Spot::parse("a:b", &environment);
        assert_eq!(whole.wanted, None);
        let tagged = Spot::parse("a:b:c", &environment);
        assert_eq!(tagged.path, directory.path().join("a:b"));
        assert_eq!(tagged.wanted.as_deref(), Some("c"));
    }

    #[test]
    fn a_bare_tag_gets_a_full_name_and_a_digest_none() {
        let names = spot("/x/App.d", Some("1")).names().unwrap();
        assert_eq!(names[0].to_string(), "docker.io/library/app:1");
        assert!(spot("/x/app", Some("@sha256:00")).names().is_err());
        assert!(spot("/x/app", None).names().unwrap().is_empty());
    }

    #[test]
    fn unknown_schemes_are_told_what_there_is() {
        let error = Place::parse("ftp://x", &here(Path::new("/"))).unwrap_err();
        assert!(format!("{error:?}").contains("docker-archive"));
    }
}
