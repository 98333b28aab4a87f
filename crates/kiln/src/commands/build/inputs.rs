//! From flags to what a build needs: contexts, the Dockerfile, options.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use kiln_build::{BuildOptions, CacheUse, ContextSource, Entitlement, Reproducible};
use kiln_dockerfile::check::CheckFacts;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::{Dockerfile, PlanOptions, SourceFile};
use kiln_oci::Platform;
use kiln_sandbox::{Network, Resource, Rlimit};

use super::BuildArgs;
use crate::commands::Context;
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
}

impl Inputs {
    /// What the checks want to know: the build arguments, and the context's ignore file.
    pub(super) fn check_facts(&self, args: &BuildArgs) -> CheckFacts {
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
        CheckFacts {
            plan,
            ignore,
            ..CheckFacts::default()
        }
    }
}

/// Reads the Dockerfile and settles where files come from.
pub(super) fn read(context: &Context, args: &BuildArgs) -> Result<Inputs, Report> {
    let environment = &context.environment;
    let named = named_contexts(&args.build_context, environment)?;
    if args.context == "-" {
        return from_stdin(args, environment, named);
    }
    if args.context.contains("://")
        || kiln_dockerfile::git::GitSource::parse(&args.context).is_some()
    {
        return Err(Report::new(format!("cannot use `{}` as the context", args.context)).hint(
            "kiln takes directories and archives on standard input; fetch it first, or pipe it: \
             `git archive HEAD | kiln build -`",
        ));
    }
    let root = environment.absolute(&args.context);
    if !root.is_dir() {
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
    let (name, bytes, ignore) = dockerfile(args, environment, &root)?;
    Ok(Inputs {
        dockerfile: SourceFile::new(name, bytes),
        context: ContextSource::Directory(root),
        ignore,
        named,
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

/// A Dockerfile without any context on standard input. A tar archive there is told from it by its magic.
fn from_stdin(
    args: &BuildArgs,
    environment: &Environment,
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
    let bytes = stdin()?;
    let archive = kiln_layer::sniff(&bytes) != kiln_layer::Encoding::Plain
        || bytes.get(257..262) == Some(b"ustar");
    if archive {
        return Err(Report::new(
            "standard input is an archive, which kiln cannot use as a context yet",
        )
        .hint("unpack it into a directory and name that"));
    }
    let (name, bytes) = match &args.file {
        None => ("<standard input>".to_owned(), bytes),
        Some(file) => {
            let path = environment.absolute(file);
            (file.display().to_string(), std::fs::read(path)?)
        }
    };
    Ok(Inputs {
        dockerfile: SourceFile::new(name, bytes),
        context: ContextSource::Empty,
        ignore: None,
        named,
    })
}

fn stdin() -> Result<Vec<u8>, Report> {
    let mut bytes = vec![];
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn named_contexts(
    specs: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, ContextSource>, Report> {
    let mut named = BTreeMap::new();
    for spec in specs {
        let (name, source) = pair(spec, "--build-context")?;
        let source = match source.split_once("://") {
            Some(("docker-image", image)) => ContextSource::Image(image.to_owned()),
            Some(("oci-layout" | "docker-archive" | "oci-archive", _)) => {
                ContextSource::Image(source.to_owned())
            }
            Some((scheme, _)) => {
                return Err(Report::usage(format!("--build-context {name}: `{scheme}://` is not supported"))
                    .hint("use a directory, docker-image://, oci-layout://, oci-archive:// or docker-archive://"));
            }
            None => {
                let root = environment.absolute(source);
                if !root.is_dir() {
                    return Err(Report::new(format!(
                        "--build-context {name}: `{source}` is not a directory"
                    )));
                }
                ContextSource::Directory(root)
            }
        };
        named.insert(name.to_owned(), source);
    }
    Ok(named)
}

/// The options of the build.
pub(super) fn options(
    context: &Context,
    args: &BuildArgs,
    dockerfile: &Dockerfile,
) -> Result<BuildOptions, Report> {
    let environment = &context.environment;
    let defaults = BuildOptions::default();
    let build_args = build_args(&args.build_arg, environment, dockerfile);
    Ok(BuildOptions {
        target: args.target.clone(),
        platforms: platforms(&args.platform)?,
        labels: pairs(&args.label, "--label")?,
        annotations: pairs(&args.annotation, "--annotation")?,
        cache: match (
            args.no_cache || args.check_reproducible,
            &args.no_cache_filter[..],
        ) {
            (true, _) => CacheUse::None,
            (false, []) => CacheUse::All,
            (false, stages) => {
                CacheUse::Except(stages.iter().map(|name| name.to_lowercase()).collect())
            }
        },
        network: network(&args.network)?,
        squash: args.squash,
        jobs: args.jobs.unwrap_or(defaults.jobs),
        secrets: secrets(&args.secret, environment)?,
        ssh: agents(&args.ssh, environment)?,
        reproducible: reproducible(args, environment, &build_args)?,
        extra_hosts: extra_hosts(&args.add_host)?,
        shm_size: args.shm_size.map(|size| size.0),
        rlimits: args
            .ulimit
            .iter()
            .map(|spec| rlimit(spec))
            .collect::<Result<_, _>>()?,
        entitlements: entitlements(&args.allow)?,
        keep_failed: args.shell_on_fail,
        build_args,
    })
}

/// `--build-arg NAME=VALUE`; a bare NAME takes its value from the environment, and is left out if there is
/// none. Proxies of the environment are handed on as Docker's client does.
fn build_args(
    specs: &[String],
    environment: &Environment,
    _: &Dockerfile,
) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for spec in specs {
        match spec.split_once('=') {
            Some((name, value)) => {
                args.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = environment.variable(spec) {
                    args.insert(spec.clone(), value);
                }
            }
        }
    }
    args
}

fn platforms(texts: &[String]) -> Result<Vec<Platform>, Report> {
    if texts.is_empty() {
        return Ok(vec![Platform::host()]);
    }
    let mut platforms: Vec<Platform> = vec![];
    for text in texts {
        let platform = text.parse()?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

fn network(mode: &str) -> Result<Network, Report> {
    match mode {
        "default" | "host" => Ok(Network::Host),
        "none" => Ok(Network::None),
        other => Err(Report::usage(format!(
            "--network {other}: expected default, host or none"
        ))),
    }
}

fn reproducible(
    args: &BuildArgs,
    environment: &Environment,
    build_args: &BTreeMap<String, String>,
) -> Result<Reproducible, Report> {
    let given = build_args
        .get("SOURCE_DATE_EPOCH")
        .or(environment.source_date_epoch.as_ref());
    match given {
        Some(text) => match text.parse() {
            Ok(epoch) if epoch >= 0 => Ok(Reproducible::Epoch(epoch)),
            _ => Err(Report::new(format!(
                "SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds since 1970"
            ))),
        },
        None if args.reproducible || args.check_reproducible => Ok(Reproducible::FromBase),
        None => Ok(Reproducible::No),
    }
}

/// `id=ID[,src=FILE][,env=VARIABLE][,type=file|env]`. Without a source, the variable of that name, else the
/// file.
fn secrets(
    specs: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, Vec<u8>>, Report> {
    let mut secrets = BTreeMap::new();
    for spec in specs {
        let (mut id, mut file, mut variable) = (None, None, None);
        for field in spec.split(',') {
            match pair(field, "--secret")? {
                ("id", value) => id = Some(value),
                ("src" | "source", value) => file = Some(value),
                ("env", value) => variable = Some(value),
                ("type", "file" | "env") => {}
                (key, _) => return Err(Report::usage(format!("--secret: unknown key `{key}`"))),
            }
        }
        let id = id
            .or(variable)
            .or_else(|| file.and_then(|file| file.rsplit('/').next()));
        let id = id.ok_or_else(|| Report::usage("--secret needs id=ID"))?;
        let content = match (file, variable) {
            (Some(file), _) => std::fs::read(environment.absolute(file)).map_err(|error| {
                Report::new(format!(
                    "cannot read the secret `{id}` from `{file}`: {error}"
                ))
            })?,
            (None, variable) => {
                let name = variable.unwrap_or(id);
                let value = environment.variable(name).ok_or_else(|| {
                    Report::new(format!(
                        "the secret `{id}` has no value: the variable {name} is not set"
                    ))
                    .hint(format!("give a file: --secret id={id},src=FILE"))
                })?;
                value.into_bytes()
            }
        };
        secrets.insert(id.to_owned(), content);
    }
    Ok(secrets)
}

/// `default` is the agent of the environment; `ID=SOCKET` another one.
fn agents(
    specs: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, PathBuf>, Report> {
    let mut agents = BTreeMap::new();
    for spec in specs {
        let (id, socket) = match spec.split_once('=') {
            Some((id, socket)) => (id, environment.absolute(socket)),
            None => {
                let socket = environment.ssh_agent.clone().ok_or_else(|| {
                    Report::new(format!(
                        "--ssh {spec}: no agent runs (SSH_AUTH_SOCK is not set)"
                    ))
                    .hint("start one with `eval $(ssh-agent)` and `ssh-add`")
                })?;
                (spec.as_str(), socket)
            }
        };
        use std::os::unix::fs::FileTypeExt as _;
        let is_socket = std::fs::metadata(&socket).is_ok_and(|data| data.file_type().is_socket());
        if !is_socket {
            return Err(Report::new(format!(
                "--ssh {id}: `{}` is not an agent's socket",
                socket.display()
            ))
            .hint("kiln does not read key files itself: add the key to an agent with `ssh-add`"));
        }
        agents.insert(id.to_owned(), socket);
    }
    Ok(agents)
}

/// Docker writes NAME:ADDRESS; an `=` between them is fine too.
pub(crate) fn extra_hosts(specs: &[String]) -> Result<Vec<(String, String)>, Report> {
    let entry = |spec: &String| {
        let (name, address) = spec
            .split_once('=')
            .or_else(|| spec.split_once(':'))
            .ok_or_else(|| Report::usage(format!("--add-host {spec}: expected NAME:ADDRESS")))?;
        let address = match address {
            "host-gateway" => "127.0.0.1",
            address => address.trim_matches(['[', ']']),
        };
        if address.parse::<std::net::IpAddr>().is_err() {
            return Err(Report::usage(format!(
                "--add-host {spec}: `{address}` is no IP address"
            )));
        }
        Ok((address.to_owned(), name.to_owned()))
    };
    specs.iter().map(entry).collect()
}

/// `nofile=1024[:4096]`; -1 is no limit.
pub(crate) fn rlimit(spec: &str) -> Result<Rlimit, Report> {
    let (name, values) = pair(spec, "--ulimit")?;
    let resource = Resource::from_name(name)
        .ok_or_else(|| Report::usage(format!("--ulimit: there is no limit called `{name}`")))?;
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text
            .parse()
            .map_err(|_| Report::usage(format!("--ulimit {spec}: `{text}` is not a number"))),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    Ok(Rlimit {
        resource,
        soft: number(soft)?,
        hard: number(hard)?,
    })
}

fn entitlements(names: &[String]) -> Result<BTreeSet<Entitlement>, Report> {
    let entitlement = |name: &String| match name.as_str() {
        "network.host" => Ok(Entitlement::NetworkHost),
        "security.insecure" => Ok(Entitlement::SecurityInsecure),
        other => Err(Report::usage(format!(
            "--allow {other}: expected network.host or security.insecure"
        ))),
    };
    names.iter().map(entitlement).collect()
}

/// `NAME=VALUE`.
fn pair<'a>(spec: &'a str, flag: &str) -> Result<(&'a str, &'a str), Report> {
    spec.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| Report::usage(format!("{flag} {spec}: expected NAME=VALUE")))
}

fn pairs(specs: &[String], flag: &str) -> Result<BTreeMap<String, String>, Report> {
    specs
        .iter()
        .map(|spec| pair(spec, flag).map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect()
}

/// The HTTP client for ADD.
pub(super) fn client(environment: &Environment) -> Result<kiln_fetch::Client, Report> {
    let options = kiln_fetch::ClientOptions {
        proxies: environment.proxies.clone(),
        ca_certificates: environment.ca_certificates.iter().cloned().collect(),
        user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..kiln_fetch::ClientOptions::default()
    };
    Ok(kiln_fetch::Client::new(options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_hosts_are_read() {
        let limit = rlimit("nofile=10:20").unwrap();
        assert_eq!((limit.soft, limit.hard), (10, 20));
        assert_eq!(rlimit("core=-1").unwrap().hard, u64::MAX);
        assert!(rlimit("nofile").is_err() && rlimit("nonsense=1").is_err());
        let hosts = extra_hosts(&["db:10.0.0.1".to_owned(), "six=[::1]".to_owned()]).unwrap();
        assert_eq!(hosts[0], ("10.0.0.1".to_owned(), "db".to_owned()));
        assert_eq!(hosts[1], ("::1".to_owned(), "six".to_owned()));
        assert!(extra_hosts(&["db:nowhere".to_owned()]).is_err());
    }
}
