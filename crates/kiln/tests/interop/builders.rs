//! The builders, each a way from a case to an OCI archive.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::case::Case;
use crate::compare::Base;
use crate::peers::{self, Peers};

/// The image that every case starts from.
pub(crate) const BASE: &str = "base:1";
/// What a case's own parent is called.
const PARENT: &str = "parent:1";

/// Someone who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    Kiln,
    BuildKit,
    Buildah,
}

impl Builder {
    /// As shown, and as part of file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kiln => "kiln",
            Self::BuildKit => "BuildKit",
            Self::Buildah => "buildah",
        }
    }

    /// Takes the root file system in `rootfs` as [`BASE`].
    pub(crate) fn import(self, peers: &Peers, rootfs: &Path) -> Result<(), String> {
        let mut command = match self {
            Self::Kiln => kiln(peers, peers.work()),
            Self::BuildKit => peers.docker(),
            Self::Buildah => {
                // buildah has no import; this is the same layer.
                let folder = peers.work().join("buildah-base");
                let prepared = std::fs::create_dir_all(&folder)
                    .and_then(|()| std::fs::copy(rootfs, folder.join("base.tar")))
                    .and_then(|_| {
                        let text = "FROM scratch\nADD base.tar /\n";
                        std::fs::write(folder.join("Dockerfile"), text)
                    });
                prepared.map_err(|error| error.to_string())?;
                let mut command = buildah_build(peers, &folder, BASE);
                return peers::output(command.arg(".")).map(drop);
            }
        };
        command.arg("import").arg(rootfs);
        if self == Self::Kiln {
            command.arg("-t");
        }
        peers::output(command.arg(BASE)).map(drop)
    }

    /// Layers and history of [`BASE`].
    pub(crate) fn base(self) -> Base {
        match self {
            Self::Kiln | Self::BuildKit => Base {
                layers: 1,
                history: 1,
            },
            // `FROM scratch` and ADD make no record of their own for the former.
            Self::Buildah => Base {
                layers: 1,
                history: 1,
            },
        }
    }

    /// Builds `case`, which was written to `folder`. An error is what the builder said.
    pub(crate) fn build(
        self,
        peers: &Peers,
        case: &Case,
        folder: &Path,
    ) -> Result<PathBuf, String> {
        let archive = folder.join(format!("{}.tar", self.name()));
        if case.parent.is_some() {
            self.build_parent(peers, folder)?;
        }
        let output = format!("type=oci,dest={}", archive.display());
        let mut command = match self {
            Self::Kiln => {
                let mut command = kiln(peers, folder);
                command.args(["build", "--progress", "plain", "--output", &output]);
                command
            }
            Self::BuildKit => {
                let mut command = docker_build(peers, folder);
                command.args(["--output", &output]);
                command
            }
            Self::Buildah => buildah_build(peers, folder, "case:1"),
        };
        command.args(self.network()).args(case.flags);
        match case.repository {
            None => command.arg(case.name),
            Some(fragment) => {
                let url = peers.repository(&format!("{0}/{0}", case.name))?;
                command.args(["--build-arg", &format!("REPOSITORY={url}")]);
                command.arg(format!("{url}{fragment}"))
            }
        };
        peers::output(&mut command)?;
        if self == Self::Buildah {
            let mut push = peers.containers(folder, "buildah");
            push.args(["push", "--quiet", "case:1"]);
            peers::output(push.arg(format!("oci-archive:{}", archive.display())))?;
        }
        Ok(archive)
    }

    /// Our Docker has no bridge; buildah without a runtime of its own knows the host's network only.
    fn network(self) -> [&'static str; 2] {
        match self {
            Self::Kiln | Self::BuildKit => ["--network", "none"],
            Self::Buildah => ["--network", "host"],
        }
    }

    fn build_parent(self, peers: &Peers, folder: &Path) -> Result<(), String> {
        let mut command = match self {
            Self::Kiln => {
                let mut command = kiln(peers, folder);
                command.args(["build", "--progress", "plain", "--tag", PARENT]);
                command
            }
            Self::BuildKit => {
                let mut command = docker_build(peers, folder);
                command.args(["--load", "--tag", PARENT]);
                command
            }
            Self::Buildah => buildah_build(peers, folder, PARENT),
        };
        command.args(self.network()).arg("parent");
        peers::output(&mut command).map(drop)
    }
}

/// kiln as cargo built it, with a store of its own.
pub(crate) fn kiln(peers: &Peers, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.arg("--home").arg(peers.work().join("kiln"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn docker_build(peers: &Peers, folder: &Path) -> Command {
    let mut command = peers.tool_in(folder, "docker");
    command.args([
        "buildx",
        "build",
        "--progress",
        "plain",
        "--provenance=false",
    ]);
    command
}

fn buildah_build(peers: &Peers, folder: &Path, tag: &str) -> Command {
    let mut command = peers.containers(folder, "buildah");
    command.args([
        "build",
        "--layers",
        "--identity-label=false",
        "--isolation",
        "chroot",
    ]);
    command.args(peers::ulimits()).args(["--tag", tag]);
    command
}
