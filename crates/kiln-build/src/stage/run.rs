//! RUN: a process in the stage's root file system; what it changes becomes a layer.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_dockerfile::evaluate::EvaluatedRun;
use kiln_dockerfile::syntax::{NetworkMode, SecurityMode};
use kiln_layer::LayerIndex;
use kiln_oci::Digest;
use kiln_run::sandbox::{ExitStatus, Mount, Network, Sandboxed, Security, Stdio, Stream};
use kiln_run::{Process, Rootfs, check_platform, effective_env, resolve_user, spawn};
use kiln_store::{CommitOptions, Lease, Upper};

use super::Worker;
use super::mounts::Prepared;
use super::results::key_on;
use crate::devices::Granted;
use crate::error::StepError;
use crate::event::{Event, StepId};
use crate::options::Entitlement;
use crate::state::Made;

/// The root file system of a failed RUN, kept for a shell in it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Owns the directories: they are gone with it.
    pub lease: Arc<Lease>,
    /// Layers below, by diff id.
    pub chain: Vec<Digest>,
    /// The changes that the command made.
    pub upper: PathBuf,
    /// Scratch directory of the overlay.
    pub work: PathBuf,
    /// The process that failed.
    pub process: Process,
}

impl Worker<'_, '_> {
    /// RUN.
    pub(super) fn run(&self, step: StepId, run: &EvaluatedRun) -> Result<Made, StepError> {
        check_platform(&self.platform)?;
        self.check_entitlements(run)?;
        let devices = self.shared.options.devices.grant(&run.devices)?;
        for warning in &devices.warnings {
            self.shared.warnings.say(warning.clone());
        }
        let key = self.run_key(run, &devices)?;
        self.cached(step, &key, || self.execute_run(step, run, devices))
    }

    fn check_entitlements(&self, run: &EvaluatedRun) -> Result<(), StepError> {
        let allowed = |entitlement| self.shared.options.entitlements.contains(&entitlement);
        if run.security == SecurityMode::Insecure && !allowed(Entitlement::SecurityInsecure) {
            return Err(StepError::Missing(
                "this step asks for --security=insecure; allow it with `--allow security.insecure`"
                    .to_owned(),
            ));
        }
        // The default network is the host's already, unless the person said otherwise.
        let isolated = self.shared.options.network == Network::None;
        if run.network == NetworkMode::Host && isolated && !allowed(Entitlement::NetworkHost) {
            return Err(StepError::Missing(
                "this step asks for --network=host; allow it with `--allow network.host`"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Everything that the result depends on. Secrets, agents, proxies and what is in caches are left out,
    /// as everyone expects.
    fn run_key(&self, run: &EvaluatedRun, devices: &Granted) -> Result<Digest, StepError> {
        let mut key = key_on("run", Some(&self.state), self.state.epoch);
        key.list(&run.args)
            .text(&run.workdir)
            .text(&self.state.config.config.user);
        key.text(&self.platform.to_string());
        key.number(run.env.len() as u64);
        for (name, value) in &run.env {
            key.text(name).text(value);
        }
        if let Some(script) = &run.script {
            key.text(&script.path).text(&script.content);
        }
        key.text(&format!("{:?} {:?}", self.network(run), run.security));
        for (address, name) in &self.shared.options.extra_hosts {
            key.text(address).text(name);
        }
        self.mounts_key(&run.mounts, &mut key)?;
        if !devices.names.is_empty() {
            key.text("devices").list(&devices.names);
        }
        Ok(key.finish())
    }

    fn network(&self, run: &EvaluatedRun) -> Network {
        match run.network {
            NetworkMode::Default => self.shared.options.network,
            NetworkMode::None => Network::None,
            NetworkMode::Host => Network::Host,
        }
    }

    fn execute_run(
        &self,
        step: StepId,
        run: &EvaluatedRun,
        devices: Granted,
    ) -> Result<Arc<LayerIndex>, StepError> {
        let (store, lease) = (self.shared.build.store, self.shared.lease);
        let chain = self.state.chain();
        let tree = self.tree()?;
        let mut user = resolve_user(&tree, &self.state.config.config.user)?;
        user.groups.extend(devices.groups);
        let mut prepared = self.prepare_mounts(&run.mounts)?;
        prepared.env.extend(devices.env);
        prepared.mounts.extend(devices.mounts);
        let lowers = store.snapshot(lease, &chain)?;
        let upper = store.upper(lease)?;
        let process = self.process(run, user, &mut prepared);
        let rootfs = Rootfs {
            lowers,
            upper: upper.dir().to_owned(),
            work: upper.work().to_owned(),
        };
        let mut child = self.start(&process, &rootfs)?;
        self.relay(step, &mut child);
        let exit = child.wait()?;
        drop(prepared);
        if self.shared.build.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        if !exit.status.success() {
            return Err(self.failed(exit.status, upper, chain, process));
        }
        let options = CommitOptions {
            clamp_mtime: self.state.epoch,
            mount_points: exit.created_mount_points,
        };
        Ok(store.commit_upper(lease, upper, &chain, &tree, &options)?)
    }

    fn failed(
        &self,
        status: ExitStatus,
        upper: Upper,
        chain: Vec<Digest>,
        process: Process,
    ) -> StepError {
        let kept = self.shared.options.keep_failed.then(|| {
            let (upper, work) = upper.keep();
            Box::new(Kept {
                lease: Arc::clone(self.shared.lease),
                chain,
                upper,
                work,
                process,
            })
        });
        StepError::Exit { status, kept }
    }

    fn process(
        &self,
        run: &EvaluatedRun,
        user: kiln_run::User,
        prepared: &mut Prepared,
    ) -> Process {
        let options = self.shared.options;
        let mut extra = run.env.clone();
        extra.append(&mut prepared.env);
        for (name, value) in &run.proxy_env {
            if !extra.iter().any(|(known, _)| known == name) {
                extra.push((name.clone(), value.clone()));
            }
        }
        if let Some(epoch) = self.state.epoch {
            extra.push(("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string()));
        }
        let mut process = Process::new(run.args.clone());
        process.env = effective_env(&self.state.config.config, &user.home, &extra);
        process.cwd.clone_from(&run.workdir);
        process.user = user;
        process.network = self.network(run);
        process.hostname = "buildkitsandbox".to_owned();
        process.extra_hosts.clone_from(&options.extra_hosts);
        process.rlimits.clone_from(&options.rlimits);
        process.security = match run.security {
            SecurityMode::Sandbox => Security::Sandbox,
            SecurityMode::Insecure => Security::Insecure,
        };
        if let Some(size) = options.shm_size {
            let target = "/dev/shm".into();
            process.mounts.push(Mount::Tmpfs {
                target,
                size: Some(size),
                mode: 0o1777,
            });
        }
        process.mounts.append(&mut prepared.mounts);
        if let Some(script) = &run.script {
            process.mounts.push(Mount::File {
                target: script.path.clone().into(),
                content: script.content.clone().into_bytes(),
                mode: 0o755,
                uid: 0,
                gid: 0,
                read_only: true,
            });
        }
        process
    }

    /// Starts the process with one pipe for both of its output streams, so that their order is kept.
    fn start(&self, process: &Process, rootfs: &Rootfs) -> Result<Started, StepError> {
        let io = |source| StepError::Io {
            what: "cannot make a pipe".to_owned(),
            source,
        };
        let (output, input) = std::io::pipe().map_err(io)?;
        let second = input.try_clone().map_err(io)?;
        let stdio = Stdio {
            stdin: Stream::Null,
            stdout: Stream::Fd(input.into()),
            stderr: Stream::Fd(second.into()),
        };
        let child = spawn(process, rootfs, stdio)?;
        Ok(Started { child, output })
    }

    /// Hands the output on until the last holder of the pipe is gone.
    fn relay(&self, step: StepId, started: &mut Started) {
        let _registered = self.shared.build.cancel.register(started.child.handle());
        let mut buffer = vec![0; 64 << 10];
        loop {
            match started.output.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    let bytes = &buffer[..read];
                    self.shared
                        .build
                        .observer
                        .event(&Event::Output { step, bytes });
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// A process and what it writes.
struct Started {
    child: Sandboxed,
    output: std::io::PipeReader,
}

impl Started {
    fn wait(&mut self) -> Result<kiln_run::sandbox::Exit, StepError> {
        Ok(self.child.wait()?)
    }
}
