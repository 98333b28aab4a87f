//! Instructions that change the image's config and make no layer.

use std::time::Duration;

use kiln_dockerfile::Evaluated;
use kiln_dockerfile::evaluate::EvaluatedHealthcheck;
use kiln_oci::Healthcheck;

use super::Worker;

impl Worker<'_, '_> {
    /// Puts a metadata instruction into the config and the history.
    pub(super) fn configure(&mut self, evaluated: &Evaluated) {
        let config = &mut self.state.config.config;
        match evaluated {
            Evaluated::Env(pairs) => {
                for (name, value) in pairs {
                    config.set_env(name, value);
                }
            }
            Evaluated::Label(pairs) => config.labels.extend(pairs.iter().cloned()),
            Evaluated::Expose(ports) => {
                config
                    .exposed_ports
                    .extend(ports.iter().map(|port| (port.clone(), ())));
            }
            Evaluated::User(user) => config.user.clone_from(user),
            Evaluated::Volume(volumes) => {
                config
                    .volumes
                    .extend(volumes.iter().map(|volume| (volume.clone(), ())));
            }
            Evaluated::Cmd(args) => {
                config.cmd = Some(args.clone());
                // Means something on Windows only, but BuildKit says it everywhere, and tools compare configs.
                config.args_escaped = true;
            }
            Evaluated::Entrypoint(entrypoint) => {
                config.entrypoint = Some(entrypoint.args.clone());
                if entrypoint.clear_cmd {
                    config.cmd = None;
                }
            }
            Evaluated::Shell(shell) => config.shell = Some(shell.clone()),
            Evaluated::Healthcheck(check) => config.healthcheck = Some(healthcheck(check)),
            Evaluated::Stopsignal(signal) => config.stop_signal = Some(signal.clone()),
            Evaluated::Onbuild(trigger) => config.on_build.push(trigger.clone()),
            Evaluated::Maintainer(author) => self.state.config.author = Some(author.clone()),
            Evaluated::Arg(_)
            | Evaluated::Run(_)
            | Evaluated::Copy(_)
            | Evaluated::Add(_)
            | Evaluated::Workdir(_) => {}
        }
        if let Some((created_by, false)) = evaluated.history() {
            self.state.remember(created_by, true);
        }
    }
}

fn healthcheck(check: &EvaluatedHealthcheck) -> Healthcheck {
    let nanos = |time: Option<Duration>| {
        i64::try_from(time.unwrap_or_default().as_nanos()).unwrap_or(i64::MAX)
    };
    Healthcheck {
        test: check.test.clone(),
        interval: nanos(check.timing.interval),
        timeout: nanos(check.timing.timeout),
        start_period: nanos(check.timing.start_period),
        start_interval: nanos(check.timing.start_interval),
        retries: i64::from(check.timing.retries.unwrap_or(0)),
    }
}
