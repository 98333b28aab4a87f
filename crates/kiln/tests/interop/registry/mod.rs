//! Real clients push to `kiln serve`, pull, copy and sign, with a login and without.

mod clients;
mod served;
mod trust;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use crate::peers::{self, Peers};
use crate::{Options, table};
use served::Served;

/// What a check needs.
pub(crate) struct Lab<'a> {
    peers: &'a Peers,
    /// Has `layer.tar`, `note.txt`, and what the tools write.
    folder: PathBuf,
    served: &'a Served,
}

/// A check with its name.
type Check = (&'static str, fn(&Lab) -> Result<(), String>);

/// What came of all checks.
pub(crate) struct Outcome {
    rows: Vec<(String, Result<(), String>)>,
}

impl Outcome {
    /// Whether every check passed.
    pub(crate) fn is_well(&self) -> bool {
        self.rows.iter().all(|(_, result)| result.is_ok())
    }
}

/// Runs the checks that `options` selects, on an open server and on one with accounts.
pub(crate) fn run(peers: &Peers, options: &Options) -> Outcome {
    let wanted = |check: &&Check| options.wants(check.0);
    let selected: Vec<&Check> = clients::CHECKS
        .iter()
        .chain(trust::CHECKS)
        .filter(wanted)
        .collect();
    let mut rows = vec![];
    if selected.is_empty() {
        return Outcome { rows };
    }
    for with_login in [false, true] {
        let manner = if with_login { "with a login" } else { "open" };
        match prepare(peers, with_login) {
            Ok((folder, served)) => {
                let lab = Lab {
                    peers,
                    folder,
                    served: &served,
                };
                for (name, check) in &selected {
                    let result = check(&lab);
                    let verdict = if result.is_ok() { "ok    " } else { "FAILED" };
                    eprintln!("{verdict} {name}, {manner}");
                    rows.push((format!("{name}, {manner}"), result));
                }
            }
            Err(error) => rows.push((format!("registry, {manner}"), Err(error))),
        }
    }
    Outcome { rows }
}

fn prepare(peers: &Peers, with_login: bool) -> Result<(PathBuf, Served), String> {
    let name = if with_login {
        "registry-login"
    } else {
        "registry-open"
    };
    let folder = peers.work().join(name);
    let rootfs = folder.join("rootfs/etc");
    std::fs::create_dir_all(&rootfs)
        .and_then(|()| std::fs::write(rootfs.join("motd"), "hello\n"))
        .and_then(|()| std::fs::write(folder.join("note.txt"), "a note\n"))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder.join("rootfs")).arg("-cf");
    peers::output(tar.arg(folder.join("layer.tar")).arg("."))?;
    let served = Served::start(&folder, with_login)?;
    Ok((folder, served))
}

impl Lab<'_> {
    /// A tool whose credentials are in this lab's folder.
    fn tool(&self, program: &str) -> Command {
        let mut command = self.peers.tool_in(&self.folder, program);
        command
            .env("DOCKER_CONFIG", self.folder.join("docker"))
            .env("REGISTRY_AUTH_FILE", self.folder.join("auth.json"))
            .env("COSIGN_PASSWORD", "x");
        command
    }

    /// Podman with storage of its own.
    fn podman(&self) -> Command {
        let mut command = self.peers.containers(&self.folder, "podman");
        command.env("REGISTRY_AUTH_FILE", self.folder.join("auth.json"));
        command
    }

    /// Host and port of the server.
    fn registry(&self) -> &str {
        self.served.address()
    }

    /// A name in the project that everything is pushed to.
    fn name(&self, rest: &str) -> String {
        format!("{}/team/{rest}", self.registry())
    }

    /// Pushes an image of one layer with crane, for tools that only read or copy. Its digest.
    fn image(&self, name: &str) -> Result<String, String> {
        let mut append = self.crane();
        append.args(["append", "--oci-empty-base", "--new_layer", "layer.tar"]);
        peers::output(append.args(["--new_tag", &self.name(name)]))?;
        peers::text(self.crane().args(["digest", &self.name(name)]))
    }

    fn crane(&self) -> Command {
        let mut command = self.tool("crane");
        command.arg("--insecure");
        command
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, result) in &self.rows {
            if let Err(error) = result {
                writeln!(f, "\n{name}: {error}")?;
            }
        }
        let mut lines = vec![["registry", "result"].map(str::to_owned)];
        for (name, result) in &self.rows {
            let word = if result.is_ok() { "passed" } else { "FAILED" };
            lines.push([name.clone(), word.to_owned()]);
        }
        if lines.len() > 1 {
            table::write(f, &lines)?;
        }
        Ok(())
    }
}
