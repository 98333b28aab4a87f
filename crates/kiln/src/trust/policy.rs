//! Policies from files or from `--key`, and the revocation list that was seen last.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kiln_trust::policy::{Demand, TrustedKey};
use kiln_trust::revocation::{Revocations, Seen};
use kiln_trust::{Policy, Time};

use super::keys::{PasswordArgs, public_key};
use crate::commands::Context;
use crate::ui::report::Report;

/// Whom one believes.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct PolicyArgs {
    /// A public key whose signature is enough: a file, or env://VARIABLE; may be repeated
    #[arg(long, value_name = "KEY", conflicts_with = "policy")]
    pub(crate) key: Vec<String>,
    /// A policy: whose signatures and statements which images need (docs/guides/trust.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// A policy and what was called back.
pub(crate) struct Trust {
    pub(crate) policy: Policy,
    pub(crate) revocations: Option<Revocations>,
}

impl PolicyArgs {
    /// Reads what the arguments name. `demand` is what `--key` asks for.
    pub(crate) fn read(
        &self,
        context: &Context,
        demand: Demand,
        now: Time,
    ) -> Result<Trust, Report> {
        if let Some(path) = &self.policy {
            return from_file(context, &context.environment.absolute(path), now);
        }
        let keys = self.key.iter().map(|name| {
            let key = public_key(context, name, &PasswordArgs::default())?;
            Ok(TrustedKey {
                name: name.clone(),
                key,
                not_before: None,
                not_after: None,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, Report>>()?;
        Ok(Trust {
            policy: Policy::of_keys(keys, demand),
            revocations: None,
        })
    }
}

fn from_file(context: &Context, path: &Path, now: Time) -> Result<Trust, Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Report::new(format!("cannot read `{}`: {error}", path.display())))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let load = |name: &str| std::fs::read(folder.join(name));
    let policy = Policy::parse(&text, &load)
        .map_err(|error| Report::from(error).prefix(&format!("`{}`", path.display())))?;
    let revocations = match &policy.revocation {
        None => None,
        Some(source) => {
            let file = folder.join(&source.file);
            let bytes = std::fs::read(&file).map_err(|error| {
                Report::new(format!(
                    "cannot read the revocation list `{}`: {error}",
                    file.display()
                ))
                .hint("the policy names it, so nothing can be verified without it")
            })?;
            let role = policy.roles.get(&source.role);
            let keys: Vec<&TrustedKey> = role
                .into_iter()
                .flat_map(|role| role.keys.iter().map(|place| &policy.keys[*place]))
                .collect();
            let memory = Memory::open(context)?;
            // Who signs it tells lists apart, wherever their files lie.
            let name: Vec<String> = keys.iter().map(|key| key.key.id().to_string()).collect();
            let name = name.join("+");
            let seen = memory.lists.get(&name).cloned();
            let (list, newest) =
                Revocations::read(&bytes, &keys, source.threshold, now, seen.as_ref()).map_err(
                    |error| Report::from(error).prefix(&format!("`{}`", file.display())),
                )?;
            memory.remember(name, newest)?;
            Some(list)
        }
    };
    Ok(Trust {
        policy,
        revocations,
    })
}

/// The newest revocation lists that this machine saw, in `trust/revocations.json` of the store's directory. The file is locked from
/// reading to writing, so that two processes cannot forget each other's.
struct Memory {
    path: PathBuf,
    lists: BTreeMap<String, Seen>,
    _lock: std::fs::File,
}

impl Memory {
    fn open(context: &Context) -> Result<Self, Report> {
        let folder = context.environment.home.join("trust");
        std::fs::create_dir_all(&folder)?;
        let lock = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))?;
        lock.lock()?;
        let path = folder.join("revocations.json");
        let lists = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Report::new(format!("`{}` is damaged: {error}", path.display()))
                    .hint("it protects against revocation lists that are rolled back; remove it only if you know that none was")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            path,
            lists,
            _lock: lock,
        })
    }

    fn remember(mut self, name: String, newest: Seen) -> Result<(), Report> {
        if self.lists.get(&name) == Some(&newest) {
            return Ok(());
        }
        self.lists.insert(name, newest);
        let fresh = self.path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(&self.lists)?)?;
        std::fs::File::open(&fresh)?.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        Ok(())
    }
}
