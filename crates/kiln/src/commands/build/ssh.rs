//! `--ssh`: the agents of RUN steps, by id.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use kiln_build::{KeyError, SshAgent, SshKey};

use crate::environment::Environment;
use crate::ui::report::Report;

/// `ID` is the agent of the environment, `ID=SOCKET` another one, `ID=KEY[,KEY]` one that kiln is itself.
pub(super) fn agents(
    specs: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, SshAgent>, Report> {
    let agent = |spec: &String| match spec.split_once('=') {
        Some((id, paths)) => Ok((id.to_owned(), from_paths(id, paths, environment)?)),
        None => {
            let socket = environment.ssh_agent.as_ref().ok_or_else(|| {
                Report::new(format!(
                    "--ssh {spec}: no agent runs (SSH_AUTH_SOCK is not set)"
                ))
                .hint(format!(
                    "start one with `eval $(ssh-agent)` and `ssh-add`, or name a key: --ssh {spec}=FILE"
                ))
            })?;
            if !is_socket(socket) {
                return Err(Report::new(format!(
                    "--ssh {spec}: `{}`, which SSH_AUTH_SOCK names, is not an agent's socket",
                    socket.display()
                )));
            }
            Ok((spec.clone(), SshAgent::Socket(socket.clone())))
        }
    };
    specs.iter().map(agent).collect()
}

fn from_paths(id: &str, paths: &str, environment: &Environment) -> Result<SshAgent, Report> {
    let mut keys = vec![];
    for written in paths.split(',') {
        let path = environment.absolute(written);
        if is_socket(&path) {
            if paths.contains(',') {
                return Err(Report::usage(format!(
                    "--ssh {id}: a socket stands alone, it cannot be joined with others"
                )));
            }
            return Ok(SshAgent::Socket(path));
        }
        let file = std::fs::read(&path).map_err(|error| {
            Report::new(format!("--ssh {id}: cannot read `{written}`: {error}"))
        })?;
        let key = SshKey::parse(&file, written).map_err(|error| unusable(id, written, &error))?;
        keys.push(key);
    }
    Ok(SshAgent::Keys(keys.into()))
}

fn unusable(id: &str, written: &str, error: &KeyError) -> Report {
    let report = Report::new(format!("--ssh {id}: cannot use `{written}`: {error}"));
    match error {
        KeyError::Encrypted | KeyError::Type(_) => report.hint(format!(
            "let an agent hold it: `eval $(ssh-agent)`, `ssh-add {written}`, then `--ssh {id}`"
        )),
        KeyError::NotAKey if written.ends_with(".pub") => {
            report.hint("this is the public half; name the private one")
        }
        KeyError::NotAKey | KeyError::Damaged(_) => report,
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_socket())
}
