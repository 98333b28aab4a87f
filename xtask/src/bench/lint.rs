//! 1,000 generated Dockerfiles: kiln lint against hadolint; and one file, from start to first finding.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build::lab::build_kiln;
use super::{Contender, Settings, Suite};
use crate::peers;

/// The whole corpus in one call.
pub(crate) fn corpus(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let count = (1_000.0 * settings.scale).max(1.0) as usize;
    suite(
        root,
        settings,
        count,
        &format!("lint of {count} Dockerfiles"),
    )
}

/// One file: mostly what it takes to start.
pub(crate) fn one(root: &Path, settings: &Settings) -> Result<Suite, String> {
    suite(
        root,
        settings,
        1,
        "lint of one Dockerfile, from start to end",
    )
}

fn suite(root: &Path, settings: &Settings, count: usize, title: &str) -> Result<Suite, String> {
    let kiln = match &settings.kiln {
        Some(kiln) => std::path::absolute(kiln).map_err(|error| error.to_string())?,
        None => build_kiln(root)?,
    };
    let hadolint = peers::hadolint::prepare(&peers::folder(None)?)?;
    let folder = root.join("target/bench-lint");
    let files = write(&folder, count)?;
    let (ours, theirs) = (files.clone(), files);
    Ok(Suite {
        title: title.to_owned(),
        folder,
        contenders: vec![
            Contender::new("kiln lint", move || {
                let mut command = Command::new(&kiln);
                command
                    .args(["lint", "--format", "json", "--fail-on", "none"])
                    .args(&ours);
                command
            }),
            Contender::new("hadolint", move || {
                let mut command = Command::new(&hadolint);
                command
                    .args(["--format", "json", "--no-fail"])
                    .args(&theirs);
                command
            }),
        ],
    })
}

/// Instructions that the files are put together from: what Dockerfiles have, with what linters look for.
const PIECES: [&str; 16] = [
    "RUN apt-get update && apt-get install -y curl git && rm -rf /var/lib/apt/lists/*\n",
    "RUN apt-get update \\\n    && apt-get install --no-install-recommends -y \\\n       build-essential=12.9 \\\n       libssl-dev \\\n    && make -j$(nproc)\n",
    "COPY . /app\n",
    "WORKDIR app\n",
    "ENV PATH=$PATH:/opt/bin VERSION=1.2.3\n",
    "RUN pip install flask==2.0 requests\n",
    "RUN curl -fsSL https://example.com/tool-$VERSION.tar.gz | tar -xz -C /opt --strip-components=1\n",
    "RUN set -eux; arch=\"$(dpkg --print-architecture)\"; case \"$arch\" in amd64) url=a ;; arm64) url=b ;; *) exit 1 ;; esac; wget -O x \"$url\"; cd /tmp && tar xf x\n",
    "LABEL org.opencontainers.image.version=\"1.0\" Maintainer=me\n",
    "EXPOSE 8080/tcp 9090\n",
    "USER root\n",
    "ADD config.json /etc/app/\n",
    "RUN if [ ! -f /etc/x ]; then echo \"no $x\" >> /etc/x; fi; for i in 1 2 3; do mkdir -p /data/$i; done\n",
    "HEALTHCHECK --interval=30s CMD curl -f http://localhost:8080/ || exit 1\n",
    "RUN npm install -g yarn && yarn install && yarn cache clean\n",
    "CMD node server.js\n",
];

/// Writes files that differ, always the same ones.
fn write(folder: &Path, count: usize) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = |below: usize| {
        // Knuth's multiplier of 64 bits; only the upper bits are good.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let bases = [
        "debian:12",
        "alpine:3.20",
        "node:22-slim AS build",
        "python",
        "ubuntu:latest",
    ];
    let mut files = Vec::new();
    for number in 0..count {
        let mut text = format!("# file {number}\n");
        for stage in 0..=next(2) {
            text.push_str(&format!(
                "FROM {}\n",
                bases[(next(bases.len()) + stage) % bases.len()]
            ));
            for _ in 0..4 + next(14) {
                text.push_str(PIECES[next(PIECES.len())]);
            }
        }
        let path = folder.join(format!("Dockerfile.{number}"));
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        files.push(path);
    }
    Ok(files)
}
