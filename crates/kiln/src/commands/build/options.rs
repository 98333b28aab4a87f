//! From flags to options.

use std::collections::{BTreeMap, BTreeSet};

use kiln_build::{
    AllowedDevices, BuildOptions, CacheUse, ContextSource, DeviceOptions, Entitlement, Reproducible,
};
use kiln_oci::Platform;
use kiln_sandbox::{Network, Resource, Rlimit};

use super::BuildArgs;
use super::inputs::Inputs;
use super::ssh;
use crate::commands::Context;
use crate::environment::Environment;
use crate::ui::report::Report;

/// The options of the build.
pub(super) fn options(
    context: &Context,
    args: &BuildArgs,
    inputs: &Inputs,
) -> Result<BuildOptions, Report> {
    let environment = &context.environment;
    let defaults = BuildOptions::default();
    refuse_attestations(args)?;
    let (entitlements, devices) = allowed(&args.allow)?;
    let mut build_args = build_args(&args.build_arg, environment);
    if let Some(epoch) = build_args
        .get_mut(EPOCH)
        .filter(|epoch| *epoch == "context")
    {
        *epoch = time_of_context(inputs)?.to_string();
    }
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
        ssh: ssh::agents(&args.ssh, environment)?,
        reproducible: reproducible(args, environment, &build_args)?,
        extra_hosts: extra_hosts(&args.add_host)?,
        shm_size: args.shm_size.map(|size| size.0),
        rlimits: args
            .ulimit
            .iter()
            .map(|spec| rlimit(spec))
            .collect::<Result<_, _>>()?,
        entitlements,
        devices: DeviceOptions {
            directories: match &args.cdi_dir[..] {
                [] => defaults.devices.directories,
                given => given.iter().map(|dir| environment.absolute(dir)).collect(),
            },
            allowed: devices,
        },
        keep_failed: args.shell_on_fail,
        build_args,
    })
}

/// `--build-arg NAME=VALUE`; a bare NAME takes its value from the environment, and is left out if there is
/// none. Proxies of the environment are handed on as Docker's client does.
pub(super) fn build_args(specs: &[String], environment: &Environment) -> BTreeMap<String, String> {
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

/// The variable and argument that says what time it is. Source: reproducible-builds.org, "SOURCE_DATE_EPOCH".
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// `SOURCE_DATE_EPOCH=context`: when the context was committed. Source: BuildKit's Dockerfile reference.
fn time_of_context(inputs: &Inputs) -> Result<i64, Report> {
    match &inputs.context {
        ContextSource::Repository(repository) => Ok(repository.committed),
        _ => Err(
            Report::new("SOURCE_DATE_EPOCH=context needs a git repository as the context")
                .hint("a directory has no time of its own: give a number of seconds since 1970"),
        ),
    }
}

fn reproducible(
    args: &BuildArgs,
    environment: &Environment,
    build_args: &BTreeMap<String, String>,
) -> Result<Reproducible, Report> {
    let given = build_args
        .get(EPOCH)
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

/// What `--allow` says: entitlements, and devices.
fn allowed(names: &[String]) -> Result<(BTreeSet<Entitlement>, AllowedDevices), Report> {
    let (mut entitlements, mut devices, mut all) = (BTreeSet::new(), BTreeSet::new(), false);
    for name in names {
        match name.as_str() {
            "network.host" => drop(entitlements.insert(Entitlement::NetworkHost)),
            "security.insecure" => drop(entitlements.insert(Entitlement::SecurityInsecure)),
            "device" => all = true,
            other => match other.strip_prefix("device=") {
                Some(device) => drop(devices.insert(device.to_owned())),
                None => {
                    return Err(Report::usage(format!(
                        "--allow {other}: expected network.host, security.insecure, device or device=NAME"
                    )));
                }
            },
        }
    }
    let devices = match all {
        true => AllowedDevices::All,
        false => AllowedDevices::These(devices),
    };
    Ok((entitlements, devices))
}

/// kiln makes no attestations: to ask for none is fine, to ask for one is refused.
fn refuse_attestations(args: &BuildArgs) -> Result<(), Report> {
    let flags = [("--provenance", &args.provenance), ("--sbom", &args.sbom)];
    let by_flag = flags.iter().filter_map(|(flag, value)| {
        let value = value.as_ref()?;
        let off = matches!(&*value.to_ascii_lowercase(), "false" | "0" | "f") || is_disabled(value);
        (!off).then(|| format!("{flag}={value}"))
    });
    let by_type = args.attest.iter().filter(|spec| !is_disabled(spec));
    let asked = by_flag
        .chain(by_type.map(|spec| format!("--attest {spec}")))
        .next();
    asked.map_or(Ok(()), |asked| {
        Err(
            Report::usage(format!("{asked}: kiln makes no attestations yet"))
                .hint("leave it out; --provenance=false and --sbom=false are accepted"),
        )
    })
}

fn is_disabled(spec: &str) -> bool {
    spec.split(',').any(|field| field == "disabled=true")
}

/// `NAME=VALUE`.
pub(super) fn pair<'a>(spec: &'a str, flag: &str) -> Result<(&'a str, &'a str), Report> {
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
