//! RUN --mount: what is mounted while a step runs, and what of it counts for the step's key.
//!
//! A bind mount shows the same as a COPY would: files of the context belong to root, ignored ones are not
//! there. So it is made from the same thing, a layer (cached by its content) whose snapshot is mounted; what
//! the process writes there goes to a scratch directory and is thrown away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kiln_dockerfile::Origin;
use kiln_dockerfile::evaluate::{Mount, MountKind, PathSource};
use kiln_run::sandbox::{self, Overlay};

use super::Worker;
use super::caches::Caches;
use super::ssh::AgentRelay;
use crate::agent::SshAgent;
use crate::copy::select::{Request, digest, select};
use crate::error::StepError;
use crate::key::KeyBuilder;

/// Where BuildKit puts agent sockets by default, with a number.
const AGENT_SOCKET: &str = "/run/buildkit/ssh_agent.";

/// Mounts that are ready, and what must live as long as they do.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) mounts: Vec<sandbox::Mount>,
    /// Variables that mounts bring: secrets, and the agent's socket.
    pub(super) env: Vec<(String, String)>,
    caches: Caches,
    agents: Vec<AgentRelay>,
    scratch: Vec<PathBuf>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.agents.clear();
        for path in &self.scratch {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl<'a, 'b: 'a> Worker<'a, 'b> {
    /// Adds what the mounts contribute to a step's key: their settings, and the content of bound files.
    pub(super) fn mounts_key(
        &self,
        mounts: &[Mount],
        key: &mut KeyBuilder,
    ) -> Result<(), StepError> {
        key.number(mounts.len() as u64);
        for mount in mounts {
            key.optional(mount.target.as_deref());
            match &mount.kind {
                MountKind::Bind {
                    from,
                    source,
                    writable,
                } => {
                    key.text("bind").number(u64::from(*writable));
                    key.digest(&self.source_digest(from.as_ref(), source)?);
                }
                MountKind::Cache {
                    writable,
                    mode,
                    uid,
                    gid,
                    ..
                } => {
                    key.text("cache")
                        .number(u64::from(*writable))
                        .number(u64::from(*mode));
                    key.number(u64::from(*uid)).number(u64::from(*gid));
                }
                MountKind::Tmpfs { size } => {
                    key.text("tmpfs").number(size.unwrap_or(0));
                }
                MountKind::Secret { id, env, .. } => {
                    key.text("secret").text(id).optional(env.as_deref());
                }
                MountKind::Ssh { id, .. } => {
                    key.text("ssh").text(id);
                }
            }
        }
        Ok(())
    }

    fn source_digest(
        &self,
        from: Option<&Origin>,
        source: &str,
    ) -> Result<kiln_oci::Digest, StepError> {
        let files = self.shared.files(from)?;
        let path = path_source(source);
        let request = Request {
            sources: &[&path],
            excludes: &[],
            parents: false,
        };
        let chosen = select(&*files, &request)?;
        Ok(digest(&*files, &chosen, false, false)?)
    }

    /// Makes everything that the mounts need.
    pub(super) fn prepare_mounts(&self, mounts: &[Mount]) -> Result<Prepared, StepError> {
        let options = self.shared.options;
        let mut prepared = Prepared::default();
        prepared.caches = self.take_caches(mounts)?;
        for mount in mounts {
            let target = mount.target.clone().map(PathBuf::from);
            match (&mount.kind, target) {
                (
                    MountKind::Bind {
                        from,
                        source,
                        writable,
                    },
                    Some(target),
                ) => {
                    let bound =
                        self.bind(from.as_ref(), source, *writable, target, &mut prepared)?;
                    prepared.mounts.push(bound);
                }
                (MountKind::Cache { id, writable, .. }, Some(target)) => {
                    let source = prepared.caches.dir(id);
                    prepared.mounts.push(sandbox::Mount::Bind {
                        source,
                        target,
                        read_only: !writable,
                        recursive: false,
                    });
                }
                (MountKind::Tmpfs { size }, Some(target)) => {
                    let (size, mode) = (*size, 0o1777);
                    prepared
                        .mounts
                        .push(sandbox::Mount::Tmpfs { target, size, mode });
                }
                (
                    MountKind::Secret {
                        id,
                        env,
                        mode,
                        uid,
                        gid,
                        required,
                    },
                    target,
                ) => {
                    let flag = format!("--secret id={id},src=FILE");
                    let secret = given(&options.secrets, id, *required, "secret", &flag)?;
                    let Some(content) = secret else { continue };
                    if let Some(name) = env {
                        prepared.env.push((name.clone(), variable(id, content)?));
                    }
                    prepared
                        .mounts
                        .extend(target.map(|target| sandbox::Mount::File {
                            target,
                            content: content.clone(),
                            mode: *mode,
                            uid: *uid,
                            gid: *gid,
                            read_only: true,
                        }));
                }
                (
                    MountKind::Ssh {
                        id,
                        mode,
                        uid,
                        gid,
                        required,
                    },
                    target,
                ) => {
                    let flag = format!("--ssh {id}");
                    let agent = given(&options.ssh, id, *required, "ssh agent", &flag)?;
                    let Some(agent) = agent else { continue };
                    self.agent(agent, target, *mode, (*uid, *gid), &mut prepared)?;
                }
                (_, None) => {}
            }
        }
        Ok(prepared)
    }

    fn bind(
        &self,
        from: Option<&Origin>,
        source: &str,
        writable: bool,
        target: PathBuf,
        prepared: &mut Prepared,
    ) -> Result<sandbox::Mount, StepError> {
        let (store, lease) = (self.shared.build.store, self.shared.lease);
        let files = self.shared.files(from)?;
        let resolved = files.tree().resolve(source.as_bytes(), true).ok();
        let is_directory = resolved.as_ref().is_none_or(|found| {
            found.path.is_empty() || found.node.is_some_and(kiln_layer::Node::is_directory)
        });
        let lowers = match from {
            // A whole stage or image is mounted from the snapshots of its layers.
            Some(origin) if source.is_empty() && self.is_layered(origin) => {
                store.snapshot(lease, &self.shared.layers_of(origin)?.0)?
            }
            _ => {
                let layer = self
                    .shared
                    .subtree_as_layer(&*files, source, self.state.epoch)?;
                store.snapshot(lease, &[layer.diff_id])?
            }
        };
        if !is_directory {
            let name = Path::new(source).file_name().unwrap_or_default();
            let found = lowers
                .iter()
                .map(|lower| lower.join(name))
                .find(|path| path.exists());
            let mut path = found.unwrap_or_default();
            if writable {
                let scratch = self.scratch_directory(prepared)?;
                let copy = scratch.join(name);
                std::fs::copy(&path, &copy).map_err(|source| StepError::Io {
                    what: format!("cannot copy `{}`", path.display()),
                    source,
                })?;
                path = copy;
            }
            let read_only = !writable;
            return Ok(sandbox::Mount::Bind {
                source: path,
                target,
                read_only,
                recursive: false,
            });
        }
        let upper = match writable {
            false => None,
            true => {
                let scratch = self.scratch_directory(prepared)?;
                let (upper, work) = (scratch.join("upper"), scratch.join("work"));
                for directory in [&upper, &work] {
                    std::fs::create_dir(directory).map_err(|source| StepError::Io {
                        what: format!("cannot create `{}`", directory.display()),
                        source,
                    })?;
                }
                Some(sandbox::Upper {
                    upper,
                    work,
                    volatile: true,
                })
            }
        };
        match (&lowers[..], upper) {
            ([only], None) => Ok(sandbox::Mount::Bind {
                source: only.clone(),
                target,
                read_only: true,
                recursive: false,
            }),
            (_, upper) => Ok(sandbox::Mount::Overlay {
                overlay: Overlay { lowers, upper },
                target,
            }),
        }
    }

    fn is_layered(&self, origin: &Origin) -> bool {
        match origin {
            Origin::Stage(_) | Origin::Image(_) => true,
            Origin::Scratch => false,
            Origin::Context(name) => matches!(
                self.shared.build.named.get(name),
                Some(crate::options::ContextSource::Image(_))
            ),
        }
    }

    fn scratch_directory(&self, prepared: &mut Prepared) -> Result<PathBuf, StepError> {
        let path = self.shared.lease.scratch_path()?;
        std::fs::create_dir(&path).map_err(|source| StepError::Io {
            what: format!("cannot create `{}`", path.display()),
            source,
        })?;
        prepared.scratch.push(path.clone());
        Ok(path)
    }

    fn agent(
        &self,
        agent: &SshAgent,
        target: Option<PathBuf>,
        mode: u32,
        owner: (u32, u32),
        prepared: &mut Prepared,
    ) -> Result<(), StepError> {
        let number = prepared.agents.len();
        let target = target.unwrap_or_else(|| PathBuf::from(format!("{AGENT_SOCKET}{number}")));
        let socket = self.shared.lease.scratch_path()?;
        let relay =
            AgentRelay::start(agent, socket, mode, owner).map_err(|source| StepError::Io {
                what: format!("cannot reach the ssh agent {}", agent.place()),
                source,
            })?;
        if number == 0 {
            prepared
                .env
                .push(("SSH_AUTH_SOCK".to_owned(), target.display().to_string()));
        }
        prepared.mounts.push(sandbox::Mount::Bind {
            source: relay.socket().to_owned(),
            target,
            read_only: false,
            recursive: false,
        });
        prepared.agents.push(relay);
        Ok(())
    }
}

/// What the person gave under `id`. Without it the mount is left out, unless the step requires it: then `what` it is
/// and the `flag` to give it with are named.
fn given<'g, T>(
    all: &'g BTreeMap<String, T>,
    id: &str,
    required: bool,
    what: &str,
    flag: &str,
) -> Result<Option<&'g T>, StepError> {
    match all.get(id) {
        None if required => Err(StepError::Missing(format!(
            "this step requires the {what} `{id}`; give it with `{flag}`"
        ))),
        found => Ok(found),
    }
}

/// A secret as a variable.
fn variable(id: &str, content: &[u8]) -> Result<String, StepError> {
    String::from_utf8(content.to_vec()).map_err(|_| {
        StepError::Missing(format!(
            "the secret `{id}` is not text, so it cannot be a variable"
        ))
    })
}

fn path_source(source: &str) -> PathSource {
    PathSource {
        written: format!("/{source}"),
        base: String::new(),
        path: source.to_owned(),
        wildcard: false,
    }
}
