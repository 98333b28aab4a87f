//! What a build reads before it begins: the Dockerfile, and where files come from.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kiln_build::{Cancel, ContextSource};
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::{PlanOptions, SourceFile};
use kiln_lint::Facts;
use kiln_store::Lease;

use super::BuildArgs;
use super::options::pair;
use super::remote::{self, Web};
use crate::commands::Context;
use crate::commands::assemble::SCHEME;
use crate::environment::Environment;
use crate::ui::report::Report;

/// What was read before the build.
pub(super) struct Inputs {
    /// The Dockerfile's text.
    pub(super) dockerfile: SourceFile,
    /// The main context.
    pub(super) context: ContextSource,
    /// `<Dockerfile>.dockerignore`, if it is there.
    pub(super) ignore: Option<Vec<u8>>,
    /// `--build-context`s.
    pub(super) named: BTreeMap<String, ContextSource>,
    /// Owns what was fetched, or the scratch file of an archive.
    #[expect(dead_code, reason = "it only has to live as long as the build")]
    pub(super) lease: Option<Lease>,
}

impl Inputs {
    /// What the checks want to know: the build arguments, and the context's ignore file.
    pub(super) fn check_facts(&self, args: &BuildArgs) -> Facts {
        let own = self.ignore.clone();
        let ignore = own.or_else(|| match &self.context {
            ContextSource::Directory(root) => std::fs::read(root.join(".dockerignore")).ok(),
            _ => None,
        });
        let ignore = ignore.and_then(|bytes| IgnoreFile::parse(&bytes).ok());
        let given = args
            .build_arg
            .iter()
            .filter_map(|spec| spec.split_once('='));
        let plan = PlanOptions {
            build_args: given
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            named_contexts: self.named.keys().cloned().collect(),
            ..PlanOptions::default()
        };
        Facts {
            plan,
            ignore,
            ..Facts::default()
        }
    }
}

/// Reads the Dockerfile and settles where files come from.
pub(super) fn read(
    context: &Context,
    args: &BuildArgs,
    client: &kiln_fetch::Client,
    cancel: &Cancel,
) -> Result<Inputs, Report> {
    let environment = &context.environment;
    let named = named_contexts(args, environment)?;
    if args.context == "-" {
        return from_stdin(context, args, named);
    }
    let web = Web {
        context,
        args,
        client,
        cancel,
    };
    let root = environment.absolute(&args.context);
    if !root.is_dir() {
        if let Some(remote) = remote::parse(&args.context)? {
            return web.inputs(remote, named);
        }
        let what = if root.exists() {
            "is not a directory"
        } else {
            "does not exist"
        };
        return Err(Report::new(format!(
            "the context `{}` {what}",
            args.context
        )));
    }
    let (name, bytes, ignore) = match web.dockerfile_by_url()? {
        Some((name, bytes)) => (name, bytes, None),
        None => dockerfile(args, environment, &root)?,
    };
    Ok(Inputs {
        dockerfile: SourceFile::new(name, bytes),
        context: ContextSource::Directory(root),
        ignore,
        named,
        lease: None,
    })
}

/// A Dockerfile's name, its text, and the ignore file beside it.
type Named = (String, Vec<u8>, Option<Vec<u8>>);

/// Finds and reads the Dockerfile.
fn dockerfile(args: &BuildArgs, environment: &Environment, root: &Path) -> Result<Named, Report> {
    let path = match &args.file {
        Some(file) if file.as_os_str() == "-" => {
            return Ok(("<standard input>".to_owned(), stdin()?, None));
        }
        Some(file) => environment.absolute(file),
        None => {
            let candidates = ["Dockerfile", "dockerfile", "Containerfile"];
            let found = candidates
                .iter()
                .map(|name| root.join(name))
                .find(|path| path.is_file());
            found.ok_or_else(|| {
                Report::new(format!("there is no Dockerfile in `{}`", args.context))
                    .hint("name another file with --file")
            })?
        }
    };
    let bytes = std::fs::read(&path)
        .map_err(|error| Report::new(format!("cannot read `{}`: {error}", path.display())))?;
    let mut beside = path.clone().into_os_string();
    beside.push(".dockerignore");
    let shown = path.strip_prefix(&environment.directory).unwrap_or(&path);
    Ok((
        shown.display().to_string(),
        bytes,
        std::fs::read(PathBuf::from(beside)).ok(),
    ))
}

/// Standard input holds a Dockerfile without any context, or a tar archive that is the context; an archive is
/// told by its magic.
fn from_stdin(
    context: &Context,
    args: &BuildArgs,
    named: BTreeMap<String, ContextSource>,
) -> Result<Inputs, Report> {
    if args
        .file
        .as_ref()
        .is_some_and(|file| file.as_os_str() == "-")
    {
        return Err(Report::usage(
            "the context and the Dockerfile cannot both be on standard input",
        ));
    }
    let mut head = vec![];
    let mut input = std::io::stdin().lock();
    input.by_ref().take(512).read_to_end(&mut head)?;
    let archive = kiln_layer::sniff(&head) != kiln_layer::Encoding::Plain
        || head.get(257..262) == Some(b"ustar");
    let whole = std::io::Cursor::new(head).chain(input);
    if archive {
        return archive_from_stdin(context, args, named, whole);
    }
    let (name, bytes) = match &args.file {
        None => ("<standard input>".to_owned(), read_all(whole)?),
        Some(file) => {
            let path = context.environment.absolute(file);
            (file.display().to_string(), std::fs::read(path)?)
        }
    };
    Ok(Inputs {
        dockerfile: SourceFile::new(name, bytes),
        context: ContextSource::Empty,
        ignore: None,
        named,
        lease: None,
    })
}

/// Keeps the archive in a scratch file of the store, which goes when the build ends.
fn archive_from_stdin(
    context: &Context,
    args: &BuildArgs,
    named: BTreeMap<String, ContextSource>,
    mut input: impl std::io::Read,
) -> Result<Inputs, Report> {
    let lease = context.store()?.lease()?;
    let path = lease.scratch_path()?;
    std::io::copy(&mut input, &mut std::fs::File::create_new(&path)?)?;
    let name = args
        .file
        .as_ref()
        .map_or_else(|| "Dockerfile".into(), |file| file.to_string_lossy());
    let bytes = member(&path, &name)?.ok_or_else(|| {
        Report::new(format!(
            "there is no `{name}` in the archive on standard input"
        ))
        .hint("name another file of it with --file")
    })?;
    Ok(Inputs {
        dockerfile: SourceFile::new(name.into_owned(), bytes),
        context: ContextSource::Archive(path),
        ignore: None,
        named,
        lease: Some(lease),
    })
}

/// A file of an archive, if it is there.
pub(super) fn member(archive: &Path, name: &str) -> Result<Option<Vec<u8>>, Report> {
    let (_, plain) = kiln_layer::decompress(std::fs::File::open(archive)?)?;
    let mut reader = kiln_layer::TarReader::new(plain, kiln_layer::Dialect::Archive);
    let wanted = name.trim_start_matches("./");
    while let Some(entry) = reader.next_entry()? {
        if entry.path == wanted.as_bytes() {
            return read_all(reader).map(Some);
        }
    }
    Ok(None)
}

fn read_all(mut input: impl std::io::Read) -> Result<Vec<u8>, Report> {
    let mut bytes = vec![];
    input.read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn stdin() -> Result<Vec<u8>, Report> {
    let mut bytes = vec![];
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn named_contexts(
    args: &BuildArgs,
    environment: &Environment,
) -> Result<BTreeMap<String, ContextSource>, Report> {
    let mut named = BTreeMap::new();
    for spec in &args.build_context {
        let (name, source) = pair(spec, "--build-context")?;
        let source = match source.split_once("://") {
            Some(("docker-image", image)) => ContextSource::Image(image.to_owned()),
            Some(("oci-layout" | "docker-archive" | "oci-archive", _)) => {
                ContextSource::Image(source.to_owned())
            }
            scheme => named_context(name, source, scheme.map(|(scheme, _)| scheme), environment)?,
        };
        named.insert(name.to_owned(), source);
    }
    Ok(named)
}

/// A named context that is no image: a directory, or something from the web.
fn named_context(
    name: &str,
    source: &str,
    scheme: Option<&str>,
    environment: &Environment,
) -> Result<ContextSource, Report> {
    let root = environment.absolute(source);
    if scheme.is_none() && root.is_file() && root.extension().is_some_and(|it| it == "toml") {
        return Ok(ContextSource::Image(format!(
            "{SCHEME}://{}",
            root.display()
        )));
    }
    if scheme.is_none() && root.is_dir() {
        return Ok(ContextSource::Directory(root));
    }
    if let Some(remote) = remote::parse(source)? {
        return Ok(ContextSource::Remote(remote));
    }
    Err(match scheme {
        Some(scheme) => Report::usage(format!("--build-context {name}: `{scheme}://` is not supported"))
            .hint(
                "use a directory, a URL, a git repository, docker-image://, oci-layout://, oci-archive:// or \
                 docker-archive://",
            ),
        None => Report::new(format!("--build-context {name}: `{source}` is not a directory")),
    })
}

/// The HTTP client for contexts and ADD.
pub(super) fn client(environment: &Environment) -> Result<kiln_fetch::Client, Report> {
    let options = kiln_fetch::ClientOptions {
        proxies: environment.proxies.clone(),
        ca_certificates: environment.ca_certificates.iter().cloned().collect(),
        user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..kiln_fetch::ClientOptions::default()
    };
    Ok(kiln_fetch::Client::new(options)?)
}
